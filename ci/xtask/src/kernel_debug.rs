//! A kernel that checks itself (locks, memory, sleeping, RCU), built from Debian's sources for boards under stress.
//!
//! In: `linux-source-6.1`, `ci/qemu/stress/kernel.config`. Out: `${cache}/kernels/6.1-debug-amd64/`, laid out as the fetched kernels are.
//! Invariant: it is there complete or not at all; nothing of the tests builds it by itself, for that takes long.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::archive::Archive;
use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;

/// Its name among the kernels.
pub const NAME: &str = "6.1-debug-amd64";

const SUITES: &[&str] = &["bookworm", "bookworm-security"];
const SOURCE: &str = "linux-source-6.1";

/// Builds it, or builds on where a build was cut off.
///
/// # Errors
/// Sources cannot be had, or do not compile.
pub fn build(cache: &Cache) -> Result<(), XtaskError> {
    apt::kernel_compiling()?;
    let target = cache.path("kernels").join(NAME);
    let tree = source(cache)?;
    let config = cache.checkout("ci/qemu/stress/kernel.config");
    // Configured anew only when what is asked for changed: else a cut-off build goes on.
    let asked = cache::read(&config)?;
    let known = tree.join("ktap.config");
    if !fs::read(&known).is_ok_and(|known| known == asked) {
        capture(make(&tree).arg("tinyconfig"))?;
        capture(
            Command::new("scripts/kconfig/merge_config.sh")
                .current_dir(&tree)
                .args(["-m", ".config"])
                .arg(&config),
        )?;
        capture(make(&tree).arg("olddefconfig"))?;
        cache::write_changed(&known, &asked, 0o644)?;
    }
    check(&tree, &asked)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    capture(make(&tree).arg(format!("-j{jobs}")).args(["bzImage", "modules"]))?;

    let release = capture(make(&tree).args(["-s", "kernelrelease"]))?;
    let release = String::from_utf8_lossy(&release).trim().to_owned();
    let work = cache.begin(&target)?;
    let modules = work.join("lib/modules").join(&release).join("kernel");
    fs::create_dir_all(&modules).map_err(XtaskError::file("make", &modules))?;
    let image = cache::read(&tree.join("arch/x86/boot/bzImage"))?;
    cache::write_changed(&work.join("boot").join(format!("vmlinuz-{release}")), &image, 0o644)?;
    let sources = work.join("usr/src");
    fs::create_dir_all(&sources).map_err(XtaskError::file("make", &sources))?;
    let headers = sources.join(format!("linux-headers-{release}"));
    std::os::unix::fs::symlink(&tree, &headers).map_err(XtaskError::file("make", &headers))?;
    cache.finish(&work, &target)
}

/// Unpacks the sources, once.
fn source(cache: &Cache) -> Result<PathBuf, XtaskError> {
    let target = cache.path("kernel-debug");
    let tree = target.join(SOURCE);
    if target.exists() {
        return Ok(tree);
    }
    let archive = Archive::open(cache, SUITES, "amd64")?;
    let work = cache.begin(&target)?;
    archive.unpack(&[format!("{SOURCE}:all")], &work)?;
    let packed = work.join("usr/src").join(format!("{SOURCE}.tar.xz"));
    capture(Command::new("tar").arg("-C").arg(&work).arg("-xf").arg(&packed))?;
    cache::remove(&packed)?;
    cache.finish(&work, &target)?;
    Ok(tree)
}

fn make(tree: &Path) -> Command {
    let mut make = Command::new("make");
    for name in [
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "ARCH",
        "CROSS_COMPILE",
        "KBUILD_OUTPUT",
    ] {
        make.env_remove(name);
    }
    make.env("LC_ALL", "C").current_dir(tree).arg("ARCH=x86_64");
    make
}

/// Refuses a configuration that lacks what was asked for, for want of what it depends on.
fn check(tree: &Path, asked: &[u8]) -> Result<(), XtaskError> {
    let file = tree.join(".config");
    let config = String::from_utf8_lossy(&cache::read(&file)?).into_owned();
    let asked = String::from_utf8_lossy(asked).into_owned();
    let missing: Vec<&str> = asked
        .lines()
        .filter(|line| line.starts_with("CONFIG_") && !config.lines().any(|have| have == *line))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(XtaskError::BadFile {
        place: file.display().to_string(),
        problem: format!("lacks {}", missing.join(", ")),
    })
}
