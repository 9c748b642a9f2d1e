//! Perf events by name.
//!
//! In: a name and a period. Out: one probe, on every CPU. Invariant: it has no record.

use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::engine::kmod::attach::{Planner, Wanted};
use crate::engine::kmod::perf_names;
use crate::refusal::refuse;

/// Attaches to a perf event.
pub(super) fn attach(planner: &mut Planner<'_>, name: &str, period: u64) -> Result<u32, Refusal> {
    let event = perf_names::find(name);
    let event = event.ok_or_else(|| refuse(Stage::Attach, RefusalCode::NoSuchEvent, planner.site as i64, name))?;
    let mut wanted = Wanted::new(Kind::PerfEvent, "", name);
    wanted.head.perf_type = event.kind;
    wanted.head.config = event.config;
    wanted.head.extra = if period == 0 { event.period } else { period };
    wanted.beside.registers = true;
    wanted.place = name;
    planner.put(&wanted).map(|_| 1)
}
