//! How a program came to its end.
//!
//! In: stops and messages. Out: [`Over`]. Invariant: the first reason stays, but a trap of `trace_end` is told.

use ktap_link::message::EndReason;

use crate::engine::Stop;

/// How tracing came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// By itself or by a message: then `trace_end` runs.
    Reason(EndReason, i64),
    /// Aborted, or a new host came: nothing more runs, nothing more is sent but the ending.
    Aborted,
}

/// Returns reason and status of a stop.
pub(super) fn reason(stop: Stop) -> (EndReason, i64) {
    match stop {
        Stop::Exit(status) => (EndReason::Exit, status),
        Stop::Trap(fault) => {
            let reason = EndReason::Trap {
                trap: fault.trap as u8,
                function: fault.function,
                pc: fault.pc,
                detail: fault.detail,
            };
            (reason, 0)
        }
    }
}

impl From<Stop> for Over {
    fn from(stop: Stop) -> Over {
        let (reason, status) = reason(stop);
        Over::Reason(reason, status)
    }
}
