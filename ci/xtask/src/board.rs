//! Boards that run in QEMU, as far as building and testing need to know of them.
//!
//! In: `boards/*.toml`, and `ci/qemu/boards/*.toml` for the boards that only tests use. Out: [`Board`]s. Invariant: a board is what its
//! file says; there is no list of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{self, Cache};
use crate::error::XtaskError;
use crate::kernel::{self, Kernel};
use crate::step::Outcome;

/// The directory of the boards that users see.
pub const BOARDS: &str = "boards";

/// The directory of the boards that only tests use.
pub const TEST_BOARDS: &str = "ci/qemu/boards";

/// The directory of the boards that only the stress test uses.
pub const STRESS_BOARDS: &str = "ci/qemu/stress";

/// A board that runs in QEMU.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its name: the file's stem.
    pub name: String,
    /// The directory of its file, for `KTAP_BOARDS_DIR`.
    pub directory: PathBuf,
    /// `uname -m` on it.
    pub arch: String,
    /// Its kernel's name in the table of kernels.
    pub kernel: String,
    /// The loopback port of its ssh.
    pub port: u16,
}

impl Board {
    /// Returns the board of this name, of any directory.
    ///
    /// # Errors
    /// There is none, or its file says too little.
    pub fn load(cache: &Cache, name: &str) -> Result<Self, XtaskError> {
        let mut known = Vec::new();
        for directory in [BOARDS, TEST_BOARDS, STRESS_BOARDS] {
            for board in Self::all(cache, directory)? {
                if board.name == name {
                    return Ok(board);
                }
                known.push(board.name);
            }
        }
        Err(XtaskError::Usage(format!(
            "there is no QEMU board `{name}`; there are {}",
            known.join(", ")
        )))
    }

    /// Returns every QEMU board of a directory of the checkout, sorted by name.
    ///
    /// # Errors
    /// A file cannot be read or says too little.
    pub fn all(cache: &Cache, directory: &str) -> Result<Vec<Self>, XtaskError> {
        let directory = cache.checkout(directory);
        let listing = fs::read_dir(&directory).map_err(XtaskError::file("read", &directory))?;
        let mut files: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let read = |file: &PathBuf| Ok(String::from_utf8_lossy(&cache::read(file)?).into_owned());
        files
            .iter()
            .map(|file| parse(file, &read(file)?))
            .filter_map(Result::transpose)
            .collect()
    }

    /// Makes sure of the board's kernel and what modules for it are built in, at the places that its file names, and returns it.
    ///
    /// # Errors
    /// As [`kernel::fetch`].
    pub fn fetch_kernel(&self, cache: &Cache) -> Result<(Kernel, Outcome), XtaskError> {
        let (kernel, outcome) = kernel::fetch_new(cache, &self.kernel)?;
        let directory = cache.path("kernels").join(&self.kernel);
        let link = directory.join("vmlinuz");
        // Relative: the cache may be reached by more than one path.
        let target = kernel.vmlinuz.strip_prefix(&directory).unwrap_or(&kernel.vmlinuz);
        if fs::read_link(&link).ok().as_deref() != Some(target) {
            cache::remove_link(&link)?;
            std::os::unix::fs::symlink(target, &link).map_err(XtaskError::file("make", &link))?;
        }
        Ok((kernel, outcome))
    }

    /// Returns a file of the board in the cache.
    pub fn path(&self, cache: &Cache, file: &str) -> PathBuf {
        cache.board(&self.name, file)
    }
}

/// Makes sure of the kernels of all boards of `boards/`.
pub fn kernels(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for board in Board::all(cache, BOARDS)? {
        if board.fetch_kernel(cache)?.1 == Outcome::Done {
            outcome = Outcome::Done;
        }
    }
    Ok(outcome)
}

/// Reads a board file; `None` if the board does not run in QEMU.
fn parse(file: &Path, text: &str) -> Result<Option<Board>, XtaskError> {
    let missing = |what: &str| XtaskError::BadFile {
        place: file.display().to_string(),
        problem: format!("has no {what}"),
    };
    let Some(image) = value(text, "qemu", "kernel") else {
        return Ok(None);
    };
    let kernel = image
        .strip_prefix("${cache}/kernels/")
        .and_then(|rest| rest.strip_suffix("/vmlinuz"))
        .ok_or_else(|| missing("kernel = \"${cache}/kernels/NAME/vmlinuz\" in [qemu]"))?;
    Ok(Some(Board {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        directory: file.parent().unwrap_or(file).to_owned(),
        arch: value(text, "", "arch").ok_or_else(|| missing("arch"))?.to_owned(),
        kernel: kernel.to_owned(),
        port: value(text, "ssh", "port")
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| missing("port in [ssh]"))?,
    }))
}

/// Finds `key = value` in a section; the top has no name. Boards are flat: one value a line, no `#` inside of one.
fn value<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut here = "";
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = name;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if here == section && name.trim() == key {
            return Some(value.trim().trim_matches('"'));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "arch = \"aarch64\" # of the board\n[ssh]\nport = 22123 # forwarded\n[qemu] # here\nkernel = \"${cache}/kernels/6.1-arm64/vmlinuz\"\ncpus = 2\n";

    #[test]
    fn a_board_is_what_its_file_says() {
        let board = parse(Path::new("boards/b.toml"), TEXT).unwrap().unwrap();
        assert_eq!((board.name.as_str(), board.arch.as_str()), ("b", "aarch64"));
        assert_eq!((board.kernel.as_str(), board.port), ("6.1-arm64", 22123));
    }

    #[test]
    fn a_board_without_qemu_is_none_of_ours() {
        let board = parse(Path::new("boards/b.toml"), "arch = \"host\"\nlink = \"local\"\n").unwrap();
        assert!(board.is_none());
    }

    #[test]
    fn boards_have_names_and_ports_of_their_own() {
        let cache = Cache::open().unwrap();
        let mut boards = Board::all(&cache, BOARDS).unwrap();
        boards.extend(Board::all(&cache, TEST_BOARDS).unwrap());
        boards.extend(Board::all(&cache, STRESS_BOARDS).unwrap());
        let names: Vec<&str> = boards.iter().map(|board| board.name.as_str()).collect();
        assert!(
            names.contains(&"x86-edge") && names.contains(&"arm64-field"),
            "{names:?}"
        );
        for (index, board) in boards.iter().enumerate() {
            for other in &boards[index + 1..] {
                assert_ne!(board.name, other.name);
                assert_ne!(board.port, other.port, "{} and {}", board.name, other.name);
            }
        }
    }
}
