//! Terminals: raw mode.
//!
//! In: a descriptor and a speed. Out: nothing. Invariant: what was set before comes back when the guard is dropped.

use syscalls::{Errno, Sysno, syscall};

use super::Result;
use super::file::Fd;

/// The kernel's `struct termios2` (asm-generic).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Termios2 {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    chars: [u8; 19],
    input_speed: u32,
    output_speed: u32,
}

const TCGETS2: usize = 0x802c_542a;
const TCSETS2: usize = 0x402c_542b;
const CBAUD: u32 = 0o10017;
const BOTHER: u32 = 0o10000;
const CS8: u32 = 0o60;
const CREAD: u32 = 0o200;
const CLOCAL: u32 = 0o4000;
const VTIME: usize = 5;
const VMIN: usize = 6;

/// The mode a terminal had, to be put back.
#[derive(Debug)]
pub struct SavedMode {
    mode: Termios2,
}

/// Makes a terminal raw: 8N1, no echo, no translation, no signals, no flow control; at `baud` bits per second if given.
///
/// # Errors
/// `ENOTTY` if it is none; the kernel's errno.
pub fn make_raw(fd: &Fd, baud: Option<u32>) -> Result<SavedMode> {
    let mut mode = Termios2::default();
    // SAFETY: the kernel writes one termios2.
    unsafe { syscall!(Sysno::ioctl, fd.raw(), TCGETS2, &mut mode as *mut Termios2) }?;
    let saved = SavedMode { mode };
    mode.input = 0;
    mode.output = 0;
    mode.local = 0;
    mode.control = (mode.control & CBAUD) | CS8 | CREAD | CLOCAL;
    if let Some(baud) = baud {
        if baud == 0 {
            return Err(Errno::EINVAL);
        }
        mode.control = (mode.control & !CBAUD) | BOTHER;
        mode.input_speed = baud;
        mode.output_speed = baud;
    }
    mode.chars[VMIN] = 1;
    mode.chars[VTIME] = 0;
    set(fd, &mode)?;
    Ok(saved)
}

/// Puts a saved mode back.
///
/// # Errors
/// The kernel's errno.
pub fn restore(fd: &Fd, saved: &SavedMode) -> Result<()> {
    set(fd, &saved.mode)
}

fn set(fd: &Fd, mode: &Termios2) -> Result<()> {
    // SAFETY: the kernel reads one termios2.
    unsafe { syscall!(Sysno::ioctl, fd.raw(), TCSETS2, mode as *const Termios2) }?;
    Ok(())
}
