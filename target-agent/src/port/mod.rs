//! Where a session's bytes come from and go to.
//!
//! In: a kind of port. Out: two descriptors. Invariant: reading and writing never wait; that is what polling is for.

pub mod stdio;
pub mod tty;

use crate::sys::{Result, file};

/// A two-way byte stream.
pub trait Port {
    /// Returns the descriptor bytes come from.
    fn input(&self) -> i32;
    /// Returns the descriptor bytes go to.
    fn output(&self) -> i32;
    /// Returns how many bytes may be written at once when the output is ready without the write having to wait.
    fn write_limit(&self) -> usize;

    /// Reads what is there.
    ///
    /// # Errors
    /// The kernel's errno.
    fn read(&self, buf: &mut [u8]) -> Result<usize> {
        file::read(self.input(), buf)
    }

    /// Writes what fits.
    ///
    /// # Errors
    /// The kernel's errno.
    fn write(&self, bytes: &[u8]) -> Result<usize> {
        file::write(self.output(), &bytes[..bytes.len().min(self.write_limit())])
    }
}
