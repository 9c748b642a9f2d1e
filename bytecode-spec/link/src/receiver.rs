//! The receiving half of a session: data frames put in order, and when to say so.
//!
//! In: data frames in any order, more than once. Out: messages; what to acknowledge and when. Invariant: every number is
//! taken once and in order; at most [`WINDOW`] frames are held.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::chunk::{Assembler, ChunkError};
use crate::session::WINDOW;

/// How long an acknowledgement may wait for a data frame to ride on, ms.
const ACK_DELAY_MS: u64 = 20;
/// Frames after which it waits no longer.
const ACK_EVERY: u32 = 16;

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// The number expected next.
    expected: u16,
    /// Frames that came early; the first entry stands for `expected` and is empty.
    early: VecDeque<Option<(u8, Vec<u8>)>>,
    assembler: Assembler,
    fresh: u32,
    ack_due: Option<u64>,
}

impl Receiver {
    /// Takes a data frame; messages it completes go to `whole`.
    pub(crate) fn accept(
        &mut self,
        seq: u16,
        flags: u8,
        payload: Vec<u8>,
        now_ms: u64,
        whole: &mut Vec<Vec<u8>>,
    ) -> Result<(), ChunkError> {
        let ahead = seq.wrapping_sub(self.expected) as usize;
        if ahead != 0 || self.early.iter().any(Option::is_some) {
            // Something is missing, or our acknowledgement got lost: the peer wants to know at once.
            self.ack_due = Some(now_ms);
        }
        if ahead >= WINDOW {
            return Ok(());
        }
        if self.early.len() <= ahead {
            self.early.resize(ahead + 1, None);
        }
        if let Some(place @ None) = self.early.get_mut(ahead) {
            *place = Some((flags, payload));
        }
        while let Some(Some(_)) = self.early.front() {
            let Some((flags, payload)) = self.early.pop_front().flatten() else {
                break;
            };
            self.expected = self.expected.wrapping_add(1);
            self.fresh += 1;
            whole.extend(self.assembler.push(flags, payload)?);
        }
        let due = if self.fresh >= ACK_EVERY {
            now_ms
        } else {
            now_ms.saturating_add(ACK_DELAY_MS)
        };
        self.ack_due = Some(self.ack_due.map_or(due, |earlier| earlier.min(due)));
        Ok(())
    }

    /// Returns the number expected next.
    pub(crate) fn expected(&self) -> u16 {
        self.expected
    }

    /// Returns which frames behind the expected one are here: bit `i` for number `expected + 1 + i`.
    pub(crate) fn early_set(&self) -> u128 {
        let bits = self.early.iter().skip(1).take(u128::BITS as usize).enumerate();
        bits.fold(0, |set, (i, place)| set | u128::from(place.is_some()) << i)
    }

    /// Returns when an acknowledgement has to be sent at the latest.
    pub(crate) fn ack_due(&self) -> Option<u64> {
        self.ack_due
    }

    /// Notes that one is on its way.
    pub(crate) fn acknowledged(&mut self) {
        self.ack_due = None;
        self.fresh = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::flag::{FIRST, LAST};
    use alloc::vec;

    #[test]
    fn early_and_doubled_frames_are_put_in_order() {
        let mut r = Receiver {
            expected: 0xfffe,
            ..Receiver::default()
        };
        let mut whole = Vec::new();
        for seq in [0u16, 0xffff, 0xffff, 0] {
            r.accept(seq, FIRST | LAST, vec![seq as u8], 5, &mut whole)
                .expect("in place");
        }
        assert_eq!((whole.len(), r.early_set(), r.ack_due()), (0, 0b11, Some(5)));
        for seq in [0xfffe, 0xfffe, 1] {
            r.accept(seq, FIRST | LAST, vec![seq as u8], 6, &mut whole)
                .expect("in place");
        }
        assert_eq!(whole, [[0xfe], [0xff], [0], [1]]);
        assert_eq!((r.expected(), r.early_set()), (2, 0));
    }

    #[test]
    fn frames_outside_the_window_are_left_aside() {
        let mut r = Receiver::default();
        let mut whole = Vec::new();
        for seq in [WINDOW as u16, u16::MAX] {
            r.accept(seq, FIRST | LAST, vec![1], 0, &mut whole).expect("left aside");
        }
        assert!(whole.is_empty() && r.early.is_empty() && r.ack_due() == Some(0));
    }
}
