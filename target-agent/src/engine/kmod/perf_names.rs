//! Perf events by the names that perf(1) gives them.
//!
//! In: a name. Out: type, config and default period. Invariant: numbers are those of include/uapi/linux/perf_event.h.

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
const CACHE: u32 = 3;
const RAW: u32 = 4;

/// A perf event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerfEvent {
    /// perf's type.
    pub kind: u32,
    /// perf's config.
    pub config: u64,
    /// Events per sample unless asked otherwise.
    pub period: u64,
}

/// Names in order of their numbers; a second name stands behind a bar.
const HARDWARE_NAMES: &str = "cpu-cycles|cycles instructions cache-references cache-misses branch-instructions|branches branch-misses \
     bus-cycles stalled-cycles-frontend stalled-cycles-backend ref-cycles";
const SOFTWARE_NAMES: &str = "cpu-clock task-clock page-faults|faults context-switches|cs cpu-migrations|migrations minor-faults \
     major-faults alignment-faults emulation-faults";
const CACHE_NAMES: &str = "L1-dcache L1-icache LLC dTLB iTLB branch node";
/// Operation and result of a cache event: the operation's number, and 0x100 if it missed.
const CACHE_RESULTS: &[(&str, u64)] = &[
    ("-load-misses", 0x1_0000),
    ("-store-misses", 0x1_0100),
    ("-prefetch-misses", 0x1_0200),
    ("-loads", 0),
    ("-stores", 0x100),
    ("-prefetches", 0x200),
];

/// Returns the event with this name; `rNNN` is a raw one in hexadecimal.
pub fn find(name: &str) -> Option<PerfEvent> {
    if let Some(config) = position(HARDWARE_NAMES, name) {
        return Some(PerfEvent {
            kind: HARDWARE,
            config,
            period: 1_000_000,
        });
    }
    if let Some(config) = position(SOFTWARE_NAMES, name) {
        return Some(PerfEvent {
            kind: SOFTWARE,
            config,
            // The clocks count nanoseconds.
            period: if config < 2 { 1_000_000 } else { 1 },
        });
    }
    let cache = CACHE_RESULTS.iter().find_map(|(suffix, bits)| {
        let cache = position(CACHE_NAMES, name.strip_suffix(suffix)?)?;
        Some(cache | bits)
    });
    let raw = || u64::from_str_radix(name.strip_prefix('r')?, 16).ok();
    let (kind, config) = match cache {
        Some(config) => (CACHE, config),
        None => (RAW, raw()?),
    };
    Some(PerfEvent {
        kind,
        config,
        period: 100_000,
    })
}

fn position(names: &str, name: &str) -> Option<u64> {
    let found = names
        .split_ascii_whitespace()
        .position(|names| names.split('|').any(|one| one == name));
    found.map(|at| at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let numbers = |name| find(name).map(|event| (event.kind, event.config));
        assert_eq!(numbers("cycles"), Some((0, 0)));
        assert_eq!(numbers("ref-cycles"), Some((0, 9)));
        assert_eq!(numbers("page-faults"), Some((1, 2)));
        assert_eq!(numbers("context-switches"), Some((1, 3)));
        assert_eq!(numbers("emulation-faults"), Some((1, 8)));
        assert_eq!(numbers("dTLB-load-misses"), Some((3, 3 | 1 << 16)));
        assert_eq!(numbers("LLC-stores"), Some((3, 2 | 1 << 8)));
        assert_eq!(numbers("r1a8"), Some((4, 0x1a8)));
        assert_eq!(numbers("nothing"), None);
        assert_eq!(find("page-faults").map(|event| event.period), Some(1));
    }
}
