//! Hardware and software perf events: `cycles`, `page-faults`, `cache-misses:10000`.
//!
//! In: a definition. Out: [`ProbePoint::PerfEvent`]. Invariant: the name is one of [`EVENTS`], aliases resolved.

use ktap_bytecode::probe::ProbePoint;

use super::split::Definition;
use super::{EventDefError, number, refuse_filter};
use crate::suggest::suggest;

/// The generic events of linux/perf_event.h by the names perf gives them, and their aliases: `(spelling, name)`.
pub const EVENTS: &[(&str, &str)] = &[
    ("cycles", "cycles"),
    ("cpu-cycles", "cycles"),
    ("instructions", "instructions"),
    ("cache-references", "cache-references"),
    ("cache-misses", "cache-misses"),
    ("branches", "branches"),
    ("branch-instructions", "branches"),
    ("branch-misses", "branch-misses"),
    ("bus-cycles", "bus-cycles"),
    ("ref-cycles", "ref-cycles"),
    ("stalled-cycles-frontend", "stalled-cycles-frontend"),
    ("idle-cycles-frontend", "stalled-cycles-frontend"),
    ("stalled-cycles-backend", "stalled-cycles-backend"),
    ("idle-cycles-backend", "stalled-cycles-backend"),
    ("cpu-clock", "cpu-clock"),
    ("task-clock", "task-clock"),
    ("page-faults", "page-faults"),
    ("faults", "page-faults"),
    ("minor-faults", "minor-faults"),
    ("major-faults", "major-faults"),
    ("context-switches", "context-switches"),
    ("cs", "context-switches"),
    ("cpu-migrations", "cpu-migrations"),
    ("migrations", "cpu-migrations"),
    ("alignment-faults", "alignment-faults"),
    ("emulation-faults", "emulation-faults"),
    ("cgroup-switches", "cgroup-switches"),
    ("bpf-output", "bpf-output"),
    ("dummy", "dummy"),
];

/// Returns true if this is the name of a perf event.
pub(super) fn is_event(name: &str) -> bool {
    EVENTS.iter().any(|(spelling, _)| *spelling == name)
}

/// Reads `NAME[:PERIOD]`.
pub(super) fn parse(definition: &Definition<'_>) -> Result<ProbePoint, EventDefError> {
    let (name, period) = match definition.text.split_once(':') {
        Some((name, period)) => (name.trim(), Some(period.trim())),
        None => (definition.text, None),
    };
    let Some((_, name)) = EVENTS.iter().find(|(spelling, _)| *spelling == name) else {
        let error = EventDefError::new(definition, format!("there is no event '{name}'"));
        let near = suggest(name, EVENTS.iter().map(|(spelling, _)| *spelling));
        let error = match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        };
        return Err(error.help("a tracepoint is SYSTEM:EVENT, a kernel function probe:FUNC"));
    };
    refuse_filter(definition, "a perf event")?;
    let period = match period {
        None => 0,
        Some(text) => match number(text) {
            Some(period) if period > 0 => period,
            _ => {
                return Err(EventDefError::new(definition, format!("'{text}' is no period"))
                    .help("events per sample, e.g. cycles:1000000"));
            }
        },
    };
    Ok(ProbePoint::PerfEvent {
        name: (*name).into(),
        period,
    })
}
