//! Which ways to attach a program needs.
//!
//! In: probe sites, the kinds the module can attach. Out: a refusal for the first it cannot. Invariant: a point with two ways to attach is lacking only
//! if it has neither.

use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::refusal::refuse;

/// Returns the refusal of the first probe that cannot be attached; bit n of `can` stands for kind n.
pub fn lacking(probes: &[Probe], can: u64) -> Option<Refusal> {
    let points = probes.iter().enumerate();
    points
        .flat_map(|(site, probe)| probe.points.iter().map(move |point| (site, point)))
        .find(|(_, point)| ways(point).is_some_and(|ways| ways & can == 0))
        .map(|(site, point)| refuse(Stage::Attach, RefusalCode::Unsupported, site as i64, word(point)))
}

/// The kinds any of which will do; nothing for what is attached to nothing.
fn ways(point: &ProbePoint) -> Option<u64> {
    let bit = |kind: Kind| 1u64 << kind as u16;
    Some(match point {
        ProbePoint::Tracepoint { .. } => {
            bit(Kind::RawTracepoint) | bit(Kind::Tracepoint) | bit(Kind::SyscallEnter) | bit(Kind::SyscallExit)
        }
        ProbePoint::Kprobe { ret: false, .. } => bit(Kind::Kprobe),
        ProbePoint::Kprobe { ret: true, .. } => bit(Kind::Kretprobe),
        ProbePoint::Uprobe { ret: true, .. } => bit(Kind::Uretprobe),
        ProbePoint::Uprobe { .. } | ProbePoint::Sdt { .. } => bit(Kind::Uprobe),
        ProbePoint::Function { .. } => bit(Kind::Function),
        ProbePoint::PerfEvent { .. } => bit(Kind::PerfEvent),
        ProbePoint::Memory { .. } => bit(Kind::Breakpoint),
        ProbePoint::Tick { .. } => bit(Kind::Tick),
        ProbePoint::Profile { .. } => bit(Kind::Profile),
        ProbePoint::End => return None,
    })
}

fn word(point: &ProbePoint) -> &'static str {
    match point {
        ProbePoint::Tracepoint { .. } => "tracepoints",
        ProbePoint::Kprobe { .. } => "kprobes",
        ProbePoint::Uprobe { .. } | ProbePoint::Sdt { .. } => "uprobes",
        ProbePoint::Function { .. } => "functions by the function tracer",
        ProbePoint::PerfEvent { .. } => "perf events",
        ProbePoint::Memory { .. } if cfg!(target_arch = "aarch64") => {
            "hardware breakpoints: it cannot step over a watched access on this processor"
        }
        ProbePoint::Memory { .. } => "hardware breakpoints",
        _ => "timers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_cannot_be_attached() {
        let tick = ProbePoint::Tick { period_ns: 1 };
        let function = ProbePoint::Function { glob: "x".into() };
        let probes = [
            Probe {
                points: vec![tick, ProbePoint::End],
            },
            Probe { points: vec![function] },
        ];
        let tick = 1 << Kind::Tick as u16;
        let refusal = lacking(&probes, tick).expect("a refusal");
        assert_eq!((refusal.code, refusal.detail), (RefusalCode::Unsupported, 1));
        assert_eq!(lacking(&probes, tick | 1 << Kind::Function as u16), None);
    }
}
