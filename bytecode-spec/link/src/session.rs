//! A session: messages in order and whole, over a link that may lose, flip and insert bytes. Sans-io: it neither reads
//! nor writes nor knows the time but what it is given.
//!
//! In: bytes from the link, messages to send, the time. Out: bytes for the link, messages received, console noise.
//! Invariant: a message is delivered exactly once and in order, or the session says it is broken.

use alloc::vec::Vec;

/// What came out of the bytes received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole message, encoded: decode it as `HostMessage` or `BoardMessage`.
    Message(Vec<u8>),
    /// Bytes that were no frame: console text on a shared line. For the host's stderr.
    Noise(Vec<u8>),
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The peer did not acknowledge for too long.
    PeerSilent,
    /// A message over `MAX_MESSAGE`.
    TooLong(usize),
}

/// One end of a link. The API is the border; the room behind it is furnished by frame, deframer and chunk.
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// Makes an end of a link.
    pub fn new() -> Self {
        Session::default()
    }

    /// Takes bytes that came over the link at `now_ms`.
    pub fn receive(&mut self, _bytes: &[u8], _now_ms: u64) {}

    /// Returns the next thing received, if any.
    pub fn next_received(&mut self) -> Option<Received> {
        None
    }

    /// Queues a message, fragmented into frames.
    ///
    /// # Errors
    /// A message longer than `MAX_MESSAGE`.
    pub fn send(&mut self, _message: &[u8]) -> Result<(), SessionError> {
        Ok(())
    }

    /// Returns the number of bytes queued that the peer has not acknowledged: the sender's own measure of congestion.
    pub fn unacknowledged(&self) -> usize {
        0
    }

    /// Appends to `out` the bytes the link should carry now: new frames within the window, acks, retransmissions due.
    pub fn transmit(&mut self, _now_ms: u64, _out: &mut Vec<u8>) {}

    /// Returns when `transmit` has to be called next even if nothing arrives, in ms on the same clock.
    pub fn deadline(&self) -> Option<u64> {
        None
    }

    /// Returns why the session is broken, if it is.
    pub fn broken(&self) -> Option<SessionError> {
        None
    }
}
