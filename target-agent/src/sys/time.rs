//! Clocks.
//!
//! In: nothing. Out: nanoseconds. Invariant: all ordering uses CLOCK_MONOTONIC, the clock of the samples.

use syscalls::{Sysno, syscall};

/// `struct timespec`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Timespec {
    seconds: isize,
    nanoseconds: isize,
}

impl Timespec {
    /// Converts nanoseconds.
    pub const fn from_ns(ns: u64) -> Timespec {
        Timespec {
            seconds: (ns / 1_000_000_000) as isize,
            nanoseconds: (ns % 1_000_000_000) as isize,
        }
    }
}

/// Number of the monotonic clock.
pub const CLOCK_MONOTONIC: i32 = 1;
const CLOCK_REALTIME: i32 = 0;

fn now(clock: i32) -> u64 {
    let mut spec = Timespec::default();
    // SAFETY: the kernel writes one timespec. These two clocks always exist.
    let _ = unsafe { syscall!(Sysno::clock_gettime, clock, &mut spec as *mut Timespec) };
    spec.seconds as u64 * 1_000_000_000 + spec.nanoseconds as u64
}

/// Returns the monotonic clock, nanoseconds.
pub fn monotonic_ns() -> u64 {
    now(CLOCK_MONOTONIC)
}

/// Returns the wall clock, nanoseconds since 1970.
pub fn wall_ns() -> u64 {
    now(CLOCK_REALTIME)
}
