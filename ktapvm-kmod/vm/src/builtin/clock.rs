//! Clocks.
//!
//! In: the host. Out: numbers. Invariant: none.

use crate::host::Host;
use crate::run::{Ran, Run};
use crate::value::Value;

/// The wall clock in units of so many nanoseconds: `gettimeofday_{ns,us,ms,s}()`.
pub(super) fn wall<H: Host>(run: &mut Run<'_, '_, H>, unit: u64) -> Ran<Value> {
    Ok(Value::int(run.host.wall_ns().checked_div(unit).unwrap_or(0) as i64))
}

/// `nsecs`.
pub(super) fn nsecs<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.time_ns() as i64))
}
