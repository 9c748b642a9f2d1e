//! Signals as readable data.
//!
//! In: nothing. Out: [`Signals`], a descriptor to poll. Invariant: after `take_over` no signal interrupts the agent's flow.

use syscalls::{Sysno, syscall};

use super::Result;
use super::file::Fd;

const SIGHUP: u32 = 1;
const SIGINT: u32 = 2;
const SIGPIPE: usize = 13;
/// Asks a process to end.
pub const SIGTERM: u32 = 15;
/// A child changed its state.
pub const SIGCHLD: u32 = 17;
const SIG_BLOCK: usize = 0;
const SIG_SETMASK: usize = 2;

/// Signals that arrive as bytes.
#[derive(Debug)]
pub struct Signals {
    fd: Fd,
}

/// What the signals pending say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// The agent is to end.
    pub end: bool,
    /// A child ended.
    pub child: bool,
}

impl Signals {
    /// Ignores SIGPIPE and turns SIGTERM, SIGINT, SIGHUP and SIGCHLD into data.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn take_over() -> Result<Signals> {
        set_disposition(SIGPIPE, true)?;
        let mask: u64 = [SIGHUP, SIGINT, SIGTERM, SIGCHLD]
            .iter()
            .fold(0, |m, s| m | 1 << (s - 1));
        // SAFETY: the kernel reads one 8-byte mask.
        unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, &mask as *const u64, 0, 8) }?;
        const SFD_NONBLOCK_CLOEXEC: usize = 0o2004000;
        // SAFETY: as above.
        let fd = unsafe { syscall!(Sysno::signalfd4, -1isize, &mask as *const u64, 8, SFD_NONBLOCK_CLOEXEC) }?;
        Ok(Signals { fd: Fd::own(fd as i32) })
    }

    /// Returns the descriptor to poll.
    pub fn raw(&self) -> i32 {
        self.fd.raw()
    }

    /// Takes all signals pending.
    pub fn take(&self) -> Arrived {
        let mut arrived = Arrived::default();
        // struct signalfd_siginfo: 128 bytes, the number first.
        let mut info = [0u8; 128];
        while let Ok(128) = self.fd.read(&mut info) {
            match u32::from_ne_bytes([info[0], info[1], info[2], info[3]]) {
                SIGCHLD => arrived.child = true,
                _ => arrived.end = true,
            }
        }
        arrived
    }
}

/// Gives a child the signals a program expects: nothing blocked, SIGPIPE by default.
///
/// # Errors
/// The kernel's errno.
pub fn reset_for_child() -> Result<()> {
    set_disposition(SIGPIPE, false)?;
    let none = 0u64;
    // SAFETY: the kernel reads one 8-byte mask.
    unsafe { syscall!(Sysno::rt_sigprocmask, SIG_SETMASK, &none as *const u64, 0, 8) }?;
    Ok(())
}

fn set_disposition(signal: usize, ignore: bool) -> Result<()> {
    // The kernel's struct sigaction: handler, flags, restorer, mask, all words but the mask; SIG_DFL is 0, SIG_IGN 1.
    // Architectures without a restorer read less of it.
    let action: [u64; 4] = [ignore as u64, 0, 0, 0];
    // SAFETY: the kernel reads one sigaction, which is no longer than this array.
    unsafe { syscall!(Sysno::rt_sigaction, signal, action.as_ptr(), 0, 8) }?;
    Ok(())
}
