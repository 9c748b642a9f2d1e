//! Why the program is over: the first reason, kept.
//!
//! In: ends of runs on any CPU, in any context. Out: [`Over`]. Invariant: one reason is written, once, and nobody waits for anybody.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use ktap_bytecode::trap::Fault;
use ktap_device::stats::{End, State};
use ktap_vm::Outcome;

const GOES_ON: u32 = 0;
const CLAIMED: u32 = 1;
const WRITTEN: u32 = 2;

/// The first end of a program.
#[derive(Debug, Default)]
pub(crate) struct Over {
    state: AtomicU32,
    end: UnsafeCell<End>,
}

impl Over {
    /// True once anything has ended the program.
    #[inline(always)]
    pub(crate) fn is(&self) -> bool {
        self.state.load(Ordering::Relaxed) != GOES_ON
    }

    /// Keeps this end, if it is the first.
    pub(crate) fn keep(&self, end: End) {
        let first = self
            .state
            .compare_exchange(GOES_ON, CLAIMED, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            // SAFETY: only one ever comes here, and nobody reads before the store below.
            unsafe { *self.end.get() = end };
            self.state.store(WRITTEN, Ordering::Release);
        }
    }

    /// Returns the end; that of a program that goes on while it does.
    pub(crate) fn end(&self) -> End {
        if self.state.load(Ordering::Acquire) != WRITTEN {
            return End::default();
        }
        // SAFETY: it is written and never written again.
        unsafe { *self.end.get() }
    }
}

/// Says how a run ended as the device does.
pub(crate) fn end(ran: Result<Outcome, Fault>) -> End {
    match ran {
        Ok(Outcome::Done) => End::default(),
        Ok(Outcome::Exit(status)) => End {
            state: State::Exit as u32,
            status,
            ..End::default()
        },
        Err(fault) => End {
            state: State::Trap as u32,
            trap: fault.trap as u32,
            status: 0,
            detail: fault.detail,
            pc: fault.pc,
            function: fault.function as u32,
        },
    }
}
