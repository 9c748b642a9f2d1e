//! The pace of a sender: how much may be on its way, and how long to wait for news of it.
//!
//! In: round trips measured. Out: a window and a timeout. Invariant: the window stays within what a peer holds.
//!
//! What exceeds the least round trip was spent in queues. A long queue on a slow line carries nothing faster and only makes
//! `Stop` wait, so the window follows the queue and not the distance.

use crate::session::WINDOW;

/// Window before anything is known of the line, frames: at 9600 baud they take four seconds.
const FIRST_WINDOW: usize = 4;
/// Window on the slowest line, frames: one under way while the other is acknowledged.
const LEAST_WINDOW: usize = 2;
/// Time in queues up to which the window grows, ms.
const SHORT_QUEUE_MS: u64 = 200;
/// Time in queues beyond which it shrinks, ms.
const LONG_QUEUE_MS: u64 = 500;
/// The timeout while no round trip is known, ms: a long frame at 9600 baud takes 1.1 s.
const FIRST_TIMEOUT_MS: u64 = 1_500;
/// Bounds of the timeout, ms; the upper one leaves room for a frame that is sent twice at 9600 baud.
const LEAST_TIMEOUT_MS: u64 = 250;
const MOST_TIMEOUT_MS: u64 = 4_000;

#[derive(Debug)]
pub(crate) struct Pace {
    window: usize,
    mean_ms: Option<u64>,
    least_ms: Option<u64>,
    /// Not to be narrowed again before: the round trips until then are of the wider window.
    settled_at_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            window: FIRST_WINDOW,
            mean_ms: None,
            least_ms: None,
            settled_at_ms: 0,
        }
    }
}

impl Pace {
    /// Learns the round trip, ended now, of a frame that was sent once.
    pub(crate) fn learn(&mut self, round_trip_ms: u64, now_ms: u64) {
        let least = self.least_ms.map_or(round_trip_ms, |least| least.min(round_trip_ms));
        self.least_ms = Some(least);
        self.mean_ms = Some(
            self.mean_ms
                .map_or(round_trip_ms, |mean| (7 * mean + round_trip_ms) / 8),
        );
        match round_trip_ms - least {
            ..=SHORT_QUEUE_MS => self.window = (self.window + 1).min(WINDOW),
            LONG_QUEUE_MS.. if now_ms >= self.settled_at_ms => {
                self.window = (self.window - self.window / 4).max(LEAST_WINDOW);
                self.settled_at_ms = now_ms.saturating_add(round_trip_ms);
            }
            _ => {}
        }
    }

    /// Returns how many frames may be on their way.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Returns true if news of a frame can be of a transmission so long ago.
    pub(crate) fn plausible(&self, since_ms: u64) -> bool {
        self.least_ms.is_some_and(|least| since_ms >= least)
    }

    /// Returns how long to wait for news after so many waits in vain, ms.
    pub(crate) fn timeout_ms(&self, retries: u32) -> u64 {
        let mean = self.mean_ms.map_or(FIRST_TIMEOUT_MS, |mean| 2 * mean + 100);
        (mean.clamp(LEAST_TIMEOUT_MS, MOST_TIMEOUT_MS) << retries.min(8)).min(MOST_TIMEOUT_MS)
    }
}
