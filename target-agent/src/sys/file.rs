//! Files: descriptors that close themselves, and reading whole small files.
//!
//! In: paths and bytes. Out: bytes. Invariant: a read of a whole file is bounded by the caller.

use alloc::string::String;
use alloc::vec::Vec;

use syscalls::{Errno, Sysno, syscall};

use super::Result;

const AT_FDCWD: isize = -100;

/// Open for reading.
pub const O_RDONLY: u32 = 0;
/// Open for writing.
pub const O_WRONLY: u32 = 1;
/// Open for both.
pub const O_RDWR: u32 = 2;
/// Do not become the controlling terminal's owner.
pub const O_NOCTTY: u32 = 0o400;
/// Never wait.
pub const O_NONBLOCK: u32 = 0o4000;
const O_CLOEXEC: u32 = 0o2000000;

/// An open file descriptor; dropping it closes it.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Takes over the descriptor `raw`.
    pub const fn own(raw: i32) -> Fd {
        Fd(raw)
    }

    /// Returns its number.
    pub const fn raw(&self) -> i32 {
        self.0
    }

    /// Gives the file another number, `least` or higher: a process that is killed closes its files from the lowest number up.
    ///
    /// # Errors
    /// The kernel's errno: `EINVAL` if the limit of open files is below `least`.
    pub fn lifted(&self, least: usize) -> Result<Fd> {
        const F_DUPFD_CLOEXEC: usize = 1030;
        // SAFETY: takes numbers.
        let raw = unsafe { syscall!(Sysno::fcntl, self.0, F_DUPFD_CLOEXEC, least) }?;
        Ok(Fd(raw as i32))
    }

    /// Opens a file, close-on-exec.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn open(path: &str, flags: u32) -> Result<Fd> {
        let path = c_path(path.as_bytes())?;
        // SAFETY: the path is NUL-terminated and outlives the call.
        let fd = unsafe { syscall!(Sysno::openat, AT_FDCWD, path.as_ptr(), flags | O_CLOEXEC, 0) }?;
        Ok(Fd(fd as i32))
    }

    /// Reads at most `buf.len()` bytes; 0 at the end.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize> {
        read(self.0, buf)
    }

    /// Writes at most `buf.len()` bytes.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        write(self.0, buf)
    }

    /// Makes reads and writes never wait.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn set_nonblocking(&self) -> Result<()> {
        const F_GETFL: u32 = 3;
        const F_SETFL: u32 = 4;
        // SAFETY: fcntl with these commands touches no memory of ours.
        let flags = unsafe { syscall!(Sysno::fcntl, self.0, F_GETFL) }?;
        // SAFETY: as above.
        unsafe { syscall!(Sysno::fcntl, self.0, F_SETFL, flags | O_NONBLOCK as usize) }?;
        Ok(())
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and is not used again. A failed close leaves nothing to do.
        let _ = unsafe { syscall!(Sysno::close, self.0) };
    }
}

/// Reads from a descriptor that is not ours to close.
///
/// # Errors
/// The kernel's errno.
pub fn read(fd: i32, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into the exclusive slice.
    unsafe { syscall!(Sysno::read, fd, buf.as_mut_ptr(), buf.len()) }
}

/// Writes to a descriptor that is not ours to close.
///
/// # Errors
/// The kernel's errno.
pub fn write(fd: i32, buf: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads at most `len` bytes of the slice.
    unsafe { syscall!(Sysno::write, fd, buf.as_ptr(), buf.len()) }
}

/// Reads a whole file, at most `limit` bytes.
///
/// # Errors
/// The kernel's errno.
pub fn read_file(path: &str, limit: usize) -> Result<Vec<u8>> {
    let fd = Fd::open(path, O_RDONLY)?;
    let mut out = Vec::new();
    while out.len() < limit {
        let start = out.len();
        out.resize((start + 4096).min(limit), 0);
        let got = fd.read(&mut out[start..])?;
        out.truncate(start + got);
        if got == 0 {
            break;
        }
    }
    Ok(out)
}

/// Reads a small text file without its trailing newline.
///
/// # Errors
/// The kernel's errno; `EILSEQ` for bytes that are no UTF-8.
pub fn read_line(path: &str) -> Result<String> {
    let mut text = String::from_utf8(read_file(path, 4096)?).map_err(|_| Errno::EILSEQ)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// Returns true if the file exists and may be executed.
pub fn is_executable(path: &[u8]) -> bool {
    const X_OK: u32 = 1;
    // SAFETY: the path is NUL-terminated and outlives the call.
    c_path(path).is_ok_and(|p| unsafe { syscall!(Sysno::faccessat, AT_FDCWD, p.as_ptr(), X_OK) }.is_ok())
}

/// Returns what a symbolic link says.
///
/// # Errors
/// The kernel's errno.
pub fn read_link(path: &str) -> Result<String> {
    let path = c_path(path.as_bytes())?;
    let mut buf = alloc::vec![0u8; 4096];
    // SAFETY: the path is NUL-terminated; the kernel writes at most `len` bytes into the exclusive buffer.
    let got = unsafe { syscall!(Sysno::readlinkat, AT_FDCWD, path.as_ptr(), buf.as_mut_ptr(), buf.len()) }?;
    buf.truncate(got);
    String::from_utf8(buf).map_err(|_| Errno::EILSEQ)
}

/// Removes a file's name.
///
/// # Errors
/// The kernel's errno.
pub fn unlink(path: &str) -> Result<()> {
    let path = c_path(path.as_bytes())?;
    // SAFETY: the path is NUL-terminated and outlives the call.
    unsafe { syscall!(Sysno::unlinkat, AT_FDCWD, path.as_ptr(), 0) }?;
    Ok(())
}

/// Mounts a file system of a kind that has no device.
///
/// # Errors
/// The kernel's errno.
pub fn mount(kind: &str, target: &str) -> Result<()> {
    let (kind, target) = (c_path(kind.as_bytes())?, c_path(target.as_bytes())?);
    // SAFETY: both strings are NUL-terminated and outlive the call; no data is passed.
    unsafe { syscall!(Sysno::mount, kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, 0) }?;
    Ok(())
}

/// Makes a path the kernel can read.
///
/// # Errors
/// `EINVAL` if it contains a NUL, `ENAMETOOLONG` over 4095 bytes.
pub fn c_path(path: &[u8]) -> Result<Vec<u8>> {
    if path.contains(&0) {
        return Err(Errno::EINVAL);
    }
    if path.len() > 4095 {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut out = Vec::with_capacity(path.len() + 1);
    out.extend_from_slice(path);
    out.push(0);
    Ok(out)
}
