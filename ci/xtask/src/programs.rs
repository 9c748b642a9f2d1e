//! Small programs that run on the boards, to make a known number of events.
//!
//! In: `ci/qemu/programs/*.c`. Out: `${cache}/NAME/programs/`. Invariant: linked statically, so a board needs no libc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// Compiles every program whose source is newer than it.
pub fn build(cache: &Cache) -> Result<Outcome, XtaskError> {
    let directory = directory(cache);
    fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
    let mut outcome = Outcome::Cached;
    for source in sources(cache)? {
        let name = source.file_stem().unwrap_or_default();
        let program = directory.join(name);
        if is_newer(&program, &source) {
            continue;
        }
        let work = directory.join(format!("{}.part", name.to_string_lossy()));
        capture(
            Command::new("gcc")
                .args(["-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o"])
                .arg(&work)
                .arg(&source),
        )?;
        cache.finish(&work, &program)?;
        outcome = Outcome::Done;
    }
    Ok(outcome)
}

/// Returns the programs: name and bytes, sorted by name.
pub fn built(cache: &Cache) -> Result<Vec<(String, Vec<u8>)>, XtaskError> {
    let name = |source: &PathBuf| source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let named = sources(cache)?.iter().map(name).collect::<Vec<_>>();
    named
        .into_iter()
        .map(|name| Ok((name.clone(), cache::read(&directory(cache).join(name))?)))
        .collect()
}

fn directory(cache: &Cache) -> PathBuf {
    cache.board("x86-edge", "programs")
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
