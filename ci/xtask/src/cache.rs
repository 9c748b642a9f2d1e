//! Where everything that is fetched or made for the boards is kept: outside the checkout, so that a fresh clone starts warm.
//!
//! In: `$KTAP_CACHE` or `~/.cache/ktap`. Out: paths, and files written so that an interrupted task leaves none half done.
//! Invariant: a path that exists in the cache is complete.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::step::Outcome;

/// The cache and the checkout.
pub struct Cache {
    root: PathBuf,
    checkout: PathBuf,
    target: PathBuf,
}

impl Cache {
    /// Finds the cache, the checkout and where cargo builds.
    pub fn open() -> Result<Self, XtaskError> {
        let root = match (
            std::env::var_os("KTAP_CACHE"),
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        ) {
            (Some(cache), _, _) => PathBuf::from(cache),
            (None, Some(cache), _) => PathBuf::from(cache).join("ktap"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/ktap"),
            (None, None, None) => return Err(XtaskError::Usage("neither KTAP_CACHE nor HOME is set".into())),
        };
        // Asked at run time: builds of several checkouts may share one target directory.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let checkout = Path::new(&manifest).join("../..");
        let checkout = checkout.canonicalize().map_err(XtaskError::file("find", &checkout))?;
        fs::create_dir_all(&root).map_err(XtaskError::file("make", &root))?;
        let root = root.canonicalize().map_err(XtaskError::file("find", &root))?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| checkout.join("target"), |target| checkout.join(target));
        Ok(Self { root, checkout, target })
    }

    /// Returns a path in the cache.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Returns a path in the checkout.
    pub fn checkout(&self, relative: &str) -> PathBuf {
        self.checkout.join(relative)
    }

    /// Returns cargo's target directory.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Returns what belongs to one board: `${cache}/NAME/FILE`.
    pub fn board(&self, board: &str, file: &str) -> PathBuf {
        self.root.join(board).join(file)
    }

    /// Makes an empty directory beside `target` for work that [`Cache::finish`] turns into `target`.
    pub fn begin(&self, target: &Path) -> Result<PathBuf, XtaskError> {
        let work = beside(target);
        remove(&work)?;
        fs::create_dir_all(&work).map_err(XtaskError::file("make", &work))?;
        Ok(work)
    }

    /// Puts finished work, a file or a directory, in its place.
    pub fn finish(&self, work: &Path, target: &Path) -> Result<(), XtaskError> {
        if target.is_dir() {
            remove(target)?;
        }
        fs::rename(work, target).map_err(XtaskError::file("write", target))
    }
}

/// Writes a file at once or not at all; a file that has these bytes already keeps its time.
pub fn write_changed(target: &Path, bytes: &[u8], mode: u32) -> Result<Outcome, XtaskError> {
    if fs::read(target).is_ok_and(|old| old == bytes) {
        return Ok(Outcome::Cached);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(XtaskError::file("make", parent))?;
    }
    let work = beside(target);
    fs::write(&work, bytes).map_err(XtaskError::file("write", &work))?;
    fs::set_permissions(&work, fs::Permissions::from_mode(mode)).map_err(XtaskError::file("write", &work))?;
    fs::rename(&work, target).map_err(XtaskError::file("write", target))?;
    Ok(Outcome::Done)
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Vec<u8>, XtaskError> {
    fs::read(path).map_err(XtaskError::file("read", path))
}

/// Removes a file or directory; one that is not there is fine.
pub fn remove(path: &Path) -> Result<(), XtaskError> {
    let gone = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match gone {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(XtaskError::file("remove", path)(problem))
        }
        _ => Ok(()),
    }
}

/// Removes a symbolic link, wherever it leads; one that is not there is fine.
pub fn remove_link(link: &Path) -> Result<(), XtaskError> {
    match fs::remove_file(link) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(XtaskError::file("remove", link)(problem))
        }
        _ => Ok(()),
    }
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    target.with_file_name(name)
}
