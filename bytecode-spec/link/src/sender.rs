//! The sending half of a session: frames numbered, sent within a window, and sent again when they got lost.
//!
//! In: pieces of messages; acknowledgements; the time. Out: frames to send now. Invariant: a piece is kept until the peer has
//! acknowledged it.
//!
//! A link keeps order, so a frame sent before one that was acknowledged is lost if it was not acknowledged itself: it is
//! sent again at once. The timer is for when nothing comes back at all.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::pace::Pace;

/// Timeouts in a row after which the peer is taken for gone: after 12 s, or 24 s on the slowest lines.
const MAX_RETRIES: u32 = 5;

#[derive(Debug)]
struct Piece {
    flags: u8,
    payload: Vec<u8>,
    /// When it was sent, and as the how-manieth transmission of the session; last time if there were several.
    sent_ms: u64,
    stamp: u64,
    again: bool,
    acked: bool,
    lost: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// Pieces not acknowledged up to the first gap; the first `sent` of them were sent at least once.
    queue: VecDeque<Piece>,
    sent: usize,
    /// Number of the first piece.
    base: u16,
    bytes: usize,
    lost: usize,
    stamp: u64,
    newest_acked: u64,
    pace: Pace,
    retries: u32,
    timer: Option<u64>,
}

impl Piece {
    /// Returns which transmission of it arrived, as far as that is certain: of several it may have been an earlier one.
    fn arrived(&self, pace: &Pace, now_ms: u64) -> u64 {
        let certain = !self.again || pace.plausible(now_ms.saturating_sub(self.sent_ms));
        if certain { self.stamp } else { 0 }
    }
}

/// The peer did not answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Silent;

impl Sender {
    pub(crate) fn queue(&mut self, flags: u8, payload: &[u8]) {
        self.bytes += payload.len();
        self.queue.push_back(Piece {
            flags,
            payload: payload.into(),
            sent_ms: 0,
            stamp: 0,
            again: false,
            acked: false,
            lost: false,
        });
    }

    /// Returns the payload bytes that the peer has not acknowledged in order.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes an acknowledgement: of all before `ack`, and of `ack + 1 + i` for each bit `i` of `early`.
    pub(crate) fn acknowledge(&mut self, ack: u16, early: u128, now_ms: u64) {
        let count = ack.wrapping_sub(self.base) as usize;
        if count > self.sent {
            // Of frames long gone, or never sent.
            return;
        }
        let mut progress = count > 0;
        for piece in self.queue.drain(..count) {
            self.bytes -= piece.payload.len();
            self.lost -= usize::from(piece.lost);
            if !piece.acked {
                self.newest_acked = self.newest_acked.max(piece.arrived(&self.pace, now_ms));
                if !piece.again {
                    self.pace.learn(now_ms.saturating_sub(piece.sent_ms), now_ms);
                }
            }
        }
        self.base = ack;
        self.sent -= count;
        for (i, piece) in self.queue.iter_mut().take(self.sent).skip(1).enumerate() {
            if i < u128::BITS as usize && early >> i & 1 == 1 && !piece.acked {
                self.newest_acked = self.newest_acked.max(piece.arrived(&self.pace, now_ms));
                self.lost -= usize::from(piece.lost);
                (piece.acked, piece.lost, progress) = (true, false, true);
            }
        }
        if !progress {
            return;
        }
        for piece in self.queue.iter_mut().take(self.sent) {
            if !piece.acked && !piece.lost && piece.stamp < self.newest_acked {
                piece.lost = true;
                self.lost += 1;
            }
        }
        self.retries = 0;
        self.timer = (self.sent > 0).then(|| now_ms.saturating_add(self.pace.timeout_ms(0)));
    }

    /// Looks at the clock: if the peer let it run out, the oldest frame is sent again.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<(), Silent> {
        if self.timer.is_none_or(|at| now_ms < at) {
            return Ok(());
        }
        if self.retries == MAX_RETRIES {
            return Err(Silent);
        }
        self.retries += 1;
        self.timer = Some(now_ms.saturating_add(self.pace.timeout_ms(self.retries)));
        if let Some(piece) = self.queue.front_mut()
            && !piece.lost
        {
            piece.lost = true;
            self.lost += 1;
        }
        Ok(())
    }

    /// Returns the next frame to send now: number, flags and payload. Lost ones go first.
    pub(crate) fn next_due(&mut self, now_ms: u64) -> Option<(u16, u8, &[u8])> {
        let index = if self.lost > 0 {
            self.lost -= 1;
            self.queue.iter().take(self.sent).position(|piece| piece.lost)?
        } else if self.sent < self.queue.len().min(self.pace.window()) {
            self.sent += 1;
            self.sent - 1
        } else {
            return None;
        };
        let timeout_ms = self.pace.timeout_ms(self.retries);
        self.timer.get_or_insert(now_ms.saturating_add(timeout_ms));
        self.stamp += 1;
        let piece = self.queue.get_mut(index)?;
        piece.again = piece.stamp > 0;
        (piece.sent_ms, piece.stamp, piece.lost) = (now_ms, self.stamp, false);
        Some((self.base.wrapping_add(index as u16), piece.flags, &piece.payload))
    }

    /// Returns true if [`Sender::next_due`] has something.
    pub(crate) fn ready(&self) -> bool {
        self.lost > 0 || self.sent < self.queue.len().min(self.pace.window())
    }

    /// Returns when [`Sender::tick`] has something to do.
    pub(crate) fn timer(&self) -> Option<u64> {
        self.timer
    }
}
