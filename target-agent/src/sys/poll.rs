//! Waiting for descriptors.
//!
//! In: descriptors and a timeout. Out: which are ready. Invariant: one entry per descriptor, in the caller's order.

use syscalls::{Errno, Sysno, syscall};

use super::Result;

/// There is something to read.
pub const POLLIN: i16 = 1;
/// Writing will not wait.
pub const POLLOUT: i16 = 4;
/// The other end is gone.
pub const POLLHUP: i16 = 0x10;
/// The descriptor failed.
pub const POLLERR: i16 = 8;

/// One descriptor to wait for (`struct pollfd`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PollFd {
    /// The descriptor.
    pub fd: i32,
    /// What to wait for.
    pub events: i16,
    /// What came.
    pub revents: i16,
}

impl PollFd {
    /// Makes an entry that waits for `events`.
    pub const fn new(fd: i32, events: i16) -> PollFd {
        PollFd { fd, events, revents: 0 }
    }
}

/// Waits until a descriptor is ready or `timeout_ns` has passed; for ever without a timeout. An interrupted wait is a ready one.
///
/// # Errors
/// The kernel's errno.
pub fn wait(fds: &mut [PollFd], timeout_ns: Option<u64>) -> Result<usize> {
    let spec = timeout_ns.map(super::time::Timespec::from_ns);
    let pointer = spec.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the entries are exclusive, the timeout outlives the call, no signal mask is passed.
    match unsafe { syscall!(Sysno::ppoll, fds.as_mut_ptr(), fds.len(), pointer, 0, 0) } {
        Err(Errno::EINTR) => Ok(0),
        other => other,
    }
}
