//! `ftrace:function /ip==GLOB/`.
//!
//! In: a glob. Out: one probe on all functions it matches. Invariant: the record is the kernel's own of the function tracer: ip, then parent_ip.

use ktap_device::attach::Kind;
use ktap_link::message::Refusal;

use crate::engine::fields::Layout;
use crate::engine::kmod::attach::{Planner, Wanted};
use crate::engine::kmod::fetch::{Fetched, Place};
use crate::engine::kmod::sources::needs_format;
use crate::inventory::events::EventName;

/// Attaches to every function.
pub(super) fn attach(planner: &mut Planner<'_>, glob: &str) -> Result<u32, Refusal> {
    let fetched = Fetched::new(Place::Function);
    let mut wanted = Wanted::new(Kind::Function, glob, "function");
    wanted.fetched = Some((&fetched, &[]));
    wanted.beside.registers = true;
    let mut layout = None;
    if needs_format(planner.uses(), &planner.code) {
        let name = EventName::of("ftrace", "function");
        let (id, format) = planner.formats.add(&fetched, &name.event);
        wanted.head.format_id = id;
        layout = format.map(|format| Layout::bind(&name, &format, &planner.code));
    }
    wanted.layout = layout.as_ref();
    planner.put(&wanted)
}
