//! What was lost, by cause.
//!
//! In: counts as they are noticed. Out: [`LostCounters`]. Invariant: a count never goes down within a session.

use ktap_link::message::LostCounters;

use super::sorted::SortedMap;

/// The counts of one session.
#[derive(Debug, Default)]
pub struct LostLedger {
    ring: SortedMap<u64>,
    /// Counts besides those of the rings.
    pub other: LostCounters,
}

impl LostLedger {
    /// Counts samples of a probe site that the kernel's ring had no room for.
    pub fn ring_full(&mut self, probe: u16, count: u64) {
        let so_far = self.ring.entry(probe as u32);
        *so_far = so_far.saturating_add(count);
    }

    /// Notes the kernel's own total of a probe site, which is exact where it is known.
    pub fn ring_total(&mut self, probe: u16, total: u64) {
        if total > 0 {
            let so_far = self.ring.entry(probe as u32);
            *so_far = total.max(*so_far);
        }
    }

    /// Returns all counts.
    pub fn counters(&self) -> LostCounters {
        LostCounters {
            ring: self.ring.iter().map(|(probe, count)| (probe as u16, count)).collect(),
            ..self.other.clone()
        }
    }
}
