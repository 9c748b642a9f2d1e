//! Small programs that run on the boards, to make a known number of events.
//!
//! In: `ci/qemu/programs/*.c`. Out: `${cache}/programs/ARCH/`. Invariant: linked statically, so a board needs no libc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// Architectures of boards and what compiles for them.
const COMPILERS: &[(&str, &str)] = &[("x86_64", "x86_64-linux-gnu-gcc"), ("aarch64", "aarch64-linux-gnu-gcc")];

/// Compiles every program whose source is newer than it, for every architecture.
pub fn build(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for (arch, cross) in COMPILERS {
        let compiler = if *arch == std::env::consts::ARCH { "gcc" } else { cross };
        let directory = directory(cache, arch);
        fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
        for source in sources(cache)? {
            let name = source.file_stem().unwrap_or_default();
            let program = directory.join(name);
            if is_newer(&program, &source) {
                continue;
            }
            let work = directory.join(format!("{}.part", name.to_string_lossy()));
            // The symbols stay: probes are put on functions by name.
            capture(
                Command::new(compiler)
                    .args(["-static", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-o"])
                    .arg(&work)
                    .arg(&source),
            )?;
            cache.finish(&work, &program)?;
            outcome = Outcome::Done;
        }
    }
    Ok(outcome)
}

/// Returns the programs for an architecture: name and bytes, sorted by name.
pub fn built(cache: &Cache, arch: &str) -> Result<Vec<(String, Vec<u8>)>, XtaskError> {
    let name = |source: &PathBuf| source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = sources(cache)?.iter().map(name).collect::<Vec<_>>();
    named
        .into_iter()
        .map(|name| Ok((name.clone(), cache::read(&directory(cache, arch).join(name))?)))
        .collect()
}

/// Returns where the programs for an architecture are.
pub fn directory(cache: &Cache, arch: &str) -> PathBuf {
    cache.path("programs").join(arch)
}

fn sources(cache: &Cache) -> Result<Vec<PathBuf>, XtaskError> {
    let directory = cache.checkout("ci/qemu/programs");
    let listing = fs::read_dir(&directory).map_err(XtaskError::file("read", &directory))?;
    let mut sources: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    Ok(sources)
}

/// Tells whether `made` exists and is not older than `source`.
fn is_newer(made: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    matches!((time(made), time(source)), (Ok(made), Ok(source)) if made >= source)
}
