//! The kernel of a QEMU board: Debian's cloud kernel, taken from the archive and unpacked, never installed.
//!
//! In: the archive's lists. Out: `${cache}/kernel/` with the image and its modules, and the board's `vmlinuz` beside its other
//! files. Invariant: once there, the kernel stays the same until the directory is removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// The package that always depends on the newest cloud kernel.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// Makes sure of the kernel of `x86-edge`.
pub fn image(cache: &Cache) -> Result<Outcome, XtaskError> {
    let target = root(cache);
    let fetched = if target.exists() {
        Outcome::Cached
    } else {
        fetch(cache, &target)?
    };
    let vmlinuz = first_in(&target.join("boot"), "vmlinuz-")?;
    let put = cache::write_changed(&cache.board("x86-edge", "vmlinuz"), &cache::read(&vmlinuz)?, 0o644)?;
    Ok(if fetched == Outcome::Done { fetched } else { put })
}

/// Returns the directory of the kernel's modules.
pub fn modules(cache: &Cache) -> Result<PathBuf, XtaskError> {
    let root = root(cache);
    // Newer packages are laid out for a merged /usr.
    let parent = ["lib/modules", "usr/lib/modules"]
        .map(|place| root.join(place))
        .into_iter()
        .find(|place| place.exists());
    first_in(&parent.unwrap_or_else(|| root.join("lib/modules")), "")
}

fn root(cache: &Cache) -> PathBuf {
    cache.path("kernel/cloud-amd64")
}

fn fetch(cache: &Cache, target: &Path) -> Result<Outcome, XtaskError> {
    apt::can_download()?;
    apt::refresh_lists_unless(|| newest().is_some())?;
    let package = newest().ok_or(XtaskError::NoKernel(META_PACKAGE))?;
    let work = cache.begin(target)?;
    capture(apt::apt_get().current_dir(&work).args(["download", &package]))?;
    let archive = first_in(&work, &package)?;
    capture(Command::new("dpkg-deb").arg("-x").args([&archive, &work]))?;
    cache::remove(&archive)?;
    cache.finish(&work, target)?;
    Ok(Outcome::Done)
}

/// Returns the concrete package that the meta package stands for.
fn newest() -> Option<String> {
    let listing = capture(Command::new("apt-cache").args(["depends", META_PACKAGE])).ok()?;
    let listing = String::from_utf8(listing).ok()?;
    let depends = listing.lines().find_map(|line| line.trim().strip_prefix("Depends: "))?;
    depends.starts_with("linux-image-").then(|| depends.to_owned())
}

fn first_in(directory: &Path, prefix: &str) -> Result<PathBuf, XtaskError> {
    let listing = fs::read_dir(directory).map_err(XtaskError::file("read", directory))?;
    let mut names: Vec<PathBuf> = listing.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    let starts = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    names.into_iter().find(starts).ok_or_else(|| XtaskError::BadFile {
        place: directory.display().to_string(),
        problem: format!("has no {prefix}*; remove {} to fetch it again", directory.display()),
    })
}
