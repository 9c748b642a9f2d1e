//! A serial line.
//!
//! In: a device and a speed. Out: [`Tty`], raw. Invariant: the line's settings come back when the port is dropped.

use super::Port;
use crate::sys::file::{Fd, O_NOCTTY, O_NONBLOCK, O_RDWR};
use crate::sys::terminal::{self, SavedMode};
use crate::sys::{Errno, Result};

/// An open serial line.
#[derive(Debug)]
pub struct Tty {
    fd: Fd,
    saved: Option<SavedMode>,
}

impl Tty {
    /// Opens a device and makes it raw, at `baud` bits per second if given. A device that is no terminal is taken as it is.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn open(path: &str, baud: Option<u32>) -> Result<Tty> {
        let fd = Fd::open(path, O_RDWR | O_NOCTTY | O_NONBLOCK)?;
        let saved = match terminal::make_raw(&fd, baud) {
            Ok(saved) => Some(saved),
            // virtio-serial and USB gadget endpoints are plain character devices.
            Err(Errno::ENOTTY) => None,
            Err(errno) => return Err(errno),
        };
        Ok(Tty { fd, saved })
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            // The device may be gone; then there is nothing to put back.
            let _ = terminal::restore(&self.fd, saved);
        }
    }
}

impl Port for Tty {
    fn input(&self) -> i32 {
        self.fd.raw()
    }

    fn output(&self) -> i32 {
        self.fd.raw()
    }

    fn write_limit(&self) -> usize {
        // It never waits; this only keeps reading and writing in turns.
        4096
    }
}
