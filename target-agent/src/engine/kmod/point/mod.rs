//! Probe points, one room a kind.
//!
//! In: a [`ProbePoint`]. Out: probes in place. Invariant: a point adds to the count what the user would call its events.

mod function;
mod kprobe;
mod memory;
mod perf_event;
mod probe;
mod timer;
mod tracepoint;
mod uprobe;

use alloc::string::String;

use ktap_bytecode::probe::ProbePoint;
use ktap_link::message::Refusal;

use super::attach::Planner;

/// Attaches a point; returns how many events it came to.
pub(super) fn attach(planner: &mut Planner<'_>, point: &ProbePoint) -> Result<u32, Refusal> {
    match point {
        ProbePoint::Tracepoint { .. } => tracepoint::attach(planner, point),
        ProbePoint::Kprobe { .. } => kprobe::attach(planner, point),
        ProbePoint::Uprobe { .. } | ProbePoint::Sdt { .. } => uprobe::attach(planner, point),
        ProbePoint::Function { glob } => function::attach(planner, glob),
        ProbePoint::PerfEvent { name, period } => perf_event::attach(planner, name, *period),
        ProbePoint::Memory { address, len, access } => memory::attach(planner, address, *len, *access),
        ProbePoint::Tick { period_ns } => timer::tick(planner, *period_ns),
        ProbePoint::Profile { period_ns } => timer::profile(planner, *period_ns),
        ProbePoint::End => Ok(0),
    }
}

/// Makes an event's name of a symbol's: what is no letter, digit or `_` becomes `_`.
fn event_name(symbol: &str, offset: u64, ret: bool) -> String {
    let mut name = String::new();
    if ret {
        name += "ret_";
    }
    name.extend(symbol.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    if offset != 0 {
        name += &alloc::format!("_{offset:#x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::event_name;

    #[test]
    fn names_of_events() {
        assert_eq!(event_name("vfs_read", 0, false), "vfs_read");
        assert_eq!(event_name("tcp.isra.0", 16, true), "ret_tcp_isra_0_0x10");
    }
}
