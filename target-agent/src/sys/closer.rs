//! Letting go of many perf events in the background.
//!
//! In: this process's descriptors. Out: a process that closes them. Invariant: it holds nothing but what it is to close, and ends.

use syscalls::{Sysno, syscall};

use super::file::{Fd, O_RDWR};
use super::{Result, process};

/// Whether the kernel waits for all CPUs in a hurry; see Documentation/admin-guide/kernel-parameters.txt, rcu_expedited.
const EXPEDITED: &str = "/sys/kernel/rcu_expedited";

/// A process that holds copies of our descriptors until this is dropped, and then closes them.
#[derive(Debug)]
pub struct Closer {
    _hold: Fd,
}

impl Closer {
    /// Makes the process. It holds nothing of standard input, output and error, and is nobody's child.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn start() -> Result<Closer> {
        let (wait, hold) = process::pipe()?;
        // SAFETY: the child only closes, forks, reads and exits.
        let child = unsafe { process::fork() }?;
        if child == 0 {
            for fd in [0, 1, 2, hold.raw()] {
                // SAFETY: this process is a copy in which nobody uses the descriptor any more.
                let _ = unsafe { syscall!(Sysno::close, fd) };
            }
            // SAFETY: as above. Its parent ends at once, so that init waits for it.
            if let Ok(0) = unsafe { process::fork() } {
                let _ = wait.read(&mut [0]);
                close_all();
            }
            process::exit(0);
        }
        let mut status = 0i32;
        // SAFETY: the kernel writes one int. The child ends at once: the last to hold the descriptors is its own child.
        let _ = unsafe { syscall!(Sysno::wait4, child, &mut status as *mut i32, 0, 0) };
        Ok(Closer { _hold: hold })
    }
}

/// Closes every descriptor, in a hurry where the kernel lets us.
///
/// The kernel waits for all CPUs after each tracepoint it lets go of: a thousand of them take half a minute, or a second in a hurry. A
/// setting that somebody else has made is left alone, also that of another closer.
fn close_all() {
    /// Above the descriptors a session may have.
    const LAST: usize = 1 << 16;
    let mut now = [0u8; 1];
    let setting = Fd::open(EXPEDITED, O_RDWR)
        .ok()
        .filter(|fd| matches!((fd.read(&mut now), now), (Ok(1), [b'0'])));
    if let Some(fd) = &setting {
        let _ = fd.write(b"1");
    }
    // Everything below and above the setting's own descriptor goes.
    let keep = setting.as_ref().map_or(LAST, |fd| fd.raw() as usize);
    let ranges = [(0, keep.checked_sub(1)), (keep + 1, Some(LAST))];
    for (first, last) in ranges.into_iter().filter_map(|(first, last)| Some((first, last?))) {
        // SAFETY: this process is a copy in which nobody uses a descriptor any more.
        let closed = unsafe { syscall!(Sysno::close_range, first, last, 0) };
        // Before Linux 5.9 there is no such call.
        if closed.is_err() {
            for fd in first..=last {
                // SAFETY: as above.
                let _ = unsafe { syscall!(Sysno::close, fd) };
            }
        }
    }
    if let Some(fd) = &setting {
        let _ = fd.write(b"0");
    }
}
