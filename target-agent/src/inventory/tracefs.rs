//! tracefs: where it is mounted; mounting it where it is not.
//!
//! In: /proc/mounts. Out: [`Tracefs`], a directory with trailing slash. Invariant: files are read through this type alone.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::sys::{Errno, Result, file};

/// The mounted tracefs.
#[derive(Clone, Debug)]
pub struct Tracefs {
    root: String,
}

impl Tracefs {
    /// Finds tracefs, mounting it in /sys/kernel/tracing or /sys/kernel/debug where it is not mounted yet.
    ///
    /// # Errors
    /// The errno of the mount that would have been needed.
    pub fn find() -> Result<Tracefs> {
        if let Some(found) = Tracefs::mounted() {
            return Ok(found);
        }
        let modern = file::mount("tracefs", "/sys/kernel/tracing");
        // Before Linux 4.1 tracing lived in debugfs.
        let _ = modern.is_err() && file::mount("debugfs", "/sys/kernel/debug").is_ok();
        Tracefs::mounted().ok_or(modern.err().unwrap_or(Errno::ENOENT))
    }

    fn mounted() -> Option<Tracefs> {
        let mounts = file::read_file("/proc/mounts", 1 << 20).ok()?;
        let mounts = core::str::from_utf8(&mounts).ok()?;
        let places = mounts.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (place, kind) = (words.next()?, words.next()?);
            match kind {
                "tracefs" => Some(format!("{place}/")),
                "debugfs" => Some(format!("{place}/tracing/")),
                _ => None,
            }
        });
        let usable = |root: &String| file::Fd::open(&format!("{root}available_events"), file::O_RDONLY).is_ok();
        let places: Vec<String> = places.collect();
        places.into_iter().find(usable).map(|root| Tracefs { root })
    }

    /// Returns where it is mounted, with a trailing slash.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns true if one of its files can be read.
    pub fn has(&self, name: &str) -> bool {
        file::Fd::open(&format!("{}{name}", self.root), file::O_RDONLY).is_ok()
    }

    /// Reads one of its files, at most `limit` bytes.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        file::read_file(&format!("{}{name}", self.root), limit)
    }

    /// Reads a file with one number.
    ///
    /// # Errors
    /// The kernel's errno; `EILSEQ` if it is no number.
    pub fn read_number(&self, name: &str) -> Result<u32> {
        let text = file::read_line(&format!("{}{name}", self.root))?.to_string();
        text.parse().map_err(|_| Errno::EILSEQ)
    }
}
