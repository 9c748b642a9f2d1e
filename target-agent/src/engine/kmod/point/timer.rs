//! `tick-N` and `profile-N`.
//!
//! In: a period. Out: one probe. Invariant: neither has a record.

use ktap_device::attach::Kind;
use ktap_link::message::Refusal;

use crate::engine::kmod::attach::{Planner, Wanted};

/// A timer on one CPU.
pub(super) fn tick(planner: &mut Planner<'_>, period_ns: u64) -> Result<u32, Refusal> {
    let mut wanted = Wanted::new(Kind::Tick, "", "tick");
    wanted.head.extra = period_ns;
    wanted.place = "tick";
    planner.put(&wanted).map(|_| 1)
}

/// A sample on every CPU.
pub(super) fn profile(planner: &mut Planner<'_>, period_ns: u64) -> Result<u32, Refusal> {
    let mut wanted = Wanted::new(Kind::Profile, "", "profile");
    wanted.head.extra = period_ns;
    wanted.beside.registers = true;
    wanted.place = "profile";
    planner.put(&wanted).map(|_| 1)
}
