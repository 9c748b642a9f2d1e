//! Ticks: `tick-N` on the monotonic clock.
//!
//! In: periods. Out: which attachment is due when. Invariant: the first tick comes a period after arming; ticks missed while the
//! agent was busy are one tick.

use alloc::vec::Vec;

/// Shortest period, nanoseconds: a timer that is always due would starve the rings.
const SHORTEST: u64 = 10_000;

#[derive(Debug)]
struct Timer {
    attached: u16,
    period: u64,
    due: u64,
}

/// All ticks of a session.
#[derive(Debug, Default)]
pub struct Timers {
    timers: Vec<Timer>,
}

impl Timers {
    /// Adds a tick that starts at `now`.
    pub fn add(&mut self, attached: u16, period_ns: u64, now: u64) {
        let period = period_ns.max(SHORTEST);
        self.timers.push(Timer {
            attached,
            period,
            due: now.saturating_add(period),
        });
    }

    /// Returns when the next tick is due.
    pub fn next_due(&self) -> Option<u64> {
        self.timers.iter().map(|timer| timer.due).min()
    }

    /// Takes the earliest tick that is due at `now`: its attachment and when it was due.
    pub fn take_due(&mut self, now: u64) -> Option<(u16, u64)> {
        let timer = self
            .timers
            .iter_mut()
            .min_by_key(|timer| timer.due)
            .filter(|timer| timer.due <= now)?;
        let due = timer.due;
        let missed = (now - due) / timer.period;
        timer.due = due.saturating_add((missed + 1).saturating_mul(timer.period));
        Some((timer.attached, due))
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_and_missed_ones_are_one() {
        let mut timers = Timers::default();
        timers.add(0, 100_000, 1_000_000);
        timers.add(1, 30_000, 1_000_000);
        assert_eq!(timers.next_due(), Some(1_030_000));
        assert_eq!(timers.take_due(1_029_999), None);
        assert_eq!(timers.take_due(1_110_000), Some((1, 1_030_000)));
        assert_eq!(timers.take_due(1_110_000), Some((0, 1_100_000)));
        assert_eq!(timers.take_due(1_110_000), None);
        assert_eq!(timers.next_due(), Some(1_120_000));
    }
}
