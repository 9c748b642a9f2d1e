//! Directories: the names in one.
//!
//! In: a path. Out: names. Invariant: malformed entries end the walk, they never overrun the buffer.

use alloc::vec::Vec;

use syscalls::{Sysno, syscall};

use super::Result;
use super::file::{Fd, O_RDONLY};

/// Returns the numeric names in a directory: process ids of /proc, thread ids of a task directory.
///
/// # Errors
/// The kernel's errno.
pub fn numbers(path: &str) -> Result<Vec<u32>> {
    let fd = Fd::open(path, O_RDONLY)?;
    let mut buf = alloc::vec![0u8; 8192];
    let mut out = Vec::new();
    loop {
        // SAFETY: the kernel writes at most `len` bytes into the exclusive buffer.
        let got = unsafe { syscall!(Sysno::getdents64, fd.raw(), buf.as_mut_ptr(), buf.len()) }?;
        if got == 0 {
            return Ok(out);
        }
        let mut rest = &buf[..got];
        // struct linux_dirent64: u64 ino, i64 off, u16 reclen, u8 type, then the name.
        while let Some(length) = rest.get(16..18).map(|l| u16::from_ne_bytes([l[0], l[1]]) as usize) {
            let Some(entry) = rest.get(..length).filter(|e| e.len() > 19) else {
                break;
            };
            let name: &[u8] = entry[19..].split(|b| *b == 0).next().unwrap_or_default();
            if let Some(number) = core::str::from_utf8(name).ok().and_then(|n| n.parse().ok()) {
                out.push(number);
            }
            rest = &rest[length..];
        }
    }
}
