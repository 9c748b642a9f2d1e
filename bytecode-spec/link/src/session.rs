//! A session: messages in order and whole, over a link that may lose, flip and insert bytes. Sans-io: it neither reads
//! nor writes nor knows the time but what it is given.
//!
//! In: bytes from the link, messages to send, the time. Out: bytes for the link, messages received, console noise.
//! Invariant: a message is delivered exactly once and in order, or the session says it is broken.
//!
//! The host chooses a nonce and marks its frames `OPEN` until it hears the board. A board takes up any nonce so marked and
//! drops what it had with an earlier host; to frames of a session it does not know it answers `Reset`. A host heeds only its own nonce.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::chunk::{self, ChunkError};
use crate::deframer::{Deframed, Deframer};
use crate::frame::{self, Frame, Header, Kind, flag};
use crate::message::MAX_MESSAGE;
use crate::receiver::Receiver;
use crate::sender::Sender;

/// Frames that may be on their way without being acknowledged: what either end has to hold at most.
pub const WINDOW: usize = 128;

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
    /// The board does not know this session (any more): its agent began anew, or it serves another host now.
    PeerReset,
    /// The peer's frames are whole but make no messages.
    Malformed,
}

impl core::fmt::Display for SessionError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SessionError::PeerSilent => write!(f, "the other end of the link does not answer"),
            SessionError::TooLong(len) => {
                write!(f, "a message of {len} bytes is longer than the {MAX_MESSAGE} allowed")
            }
            SessionError::PeerReset => write!(f, "the agent began anew, or serves another host now"),
            SessionError::Malformed => write!(f, "the other end of the link sends what makes no messages"),
        }
    }
}

impl core::error::Error for SessionError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Host,
    Board,
}

/// One end of a link.
///
/// The owner's loop: `receive` what came, take all of `next_received`, `send`, then `transmit` and write; again by `deadline`.
#[derive(Debug)]
pub struct Session {
    end: End,
    /// Of the peer's frames that count; a board has none before the first host came.
    nonce: Option<u32>,
    /// A host: the board answered.
    heard: bool,
    sender: Sender,
    receiver: Receiver,
    deframer: Deframer,
    received: VecDeque<Received>,
    /// A nonce the board has to disown.
    disown: Option<u32>,
    broken: Option<SessionError>,
}

impl Session {
    /// Makes the host's end. The nonce has to differ from that of any other session on this line: take it from the clock and the pid.
    pub fn host(nonce: u32) -> Self {
        Session::end(End::Host, Some(nonce))
    }

    /// Makes the board's end: it serves whichever host opens a session, one after another.
    ///
    /// A new host shows as the `Hello` it begins with. What the program queues before the first host came waits for it.
    pub fn board() -> Self {
        Session::end(End::Board, None)
    }

    fn end(end: End, nonce: Option<u32>) -> Self {
        Session {
            end,
            nonce,
            heard: false,
            sender: Sender::default(),
            receiver: Receiver::default(),
            deframer: Deframer::default(),
            received: VecDeque::new(),
            disown: None,
            broken: None,
        }
    }

    /// Takes bytes that came over the link at `now_ms`.
    pub fn receive(&mut self, bytes: &[u8], now_ms: u64) {
        self.deframer.push(bytes);
        while let Some(found) = self.deframer.next_found() {
            match found {
                Deframed::Frame(frame) => self.take_frame(frame, now_ms),
                Deframed::Noise(text) => self.received.push_back(Received::Noise(text)),
            }
        }
    }

    /// Returns the next thing received, if any.
    pub fn next_received(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// Queues a message, fragmented into frames.
    ///
    /// # Errors
    /// A message longer than `MAX_MESSAGE`; a session that is broken.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SessionError> {
        if message.len() > MAX_MESSAGE {
            return Err(SessionError::TooLong(message.len()));
        }
        if let Some(why) = self.broken {
            return Err(why);
        }
        for (flags, payload) in chunk::cut(message) {
            self.sender.queue(flags, payload);
        }
        Ok(())
    }

    /// Returns the number of bytes queued that the peer has not acknowledged: the sender's own measure of congestion.
    pub fn unacknowledged(&self) -> usize {
        self.sender.bytes()
    }

    /// Appends to `out` the bytes the link should carry now: new frames within the window, acks, retransmissions due.
    pub fn transmit(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        if let Some(nonce) = self.disown.take() {
            frame::encode(
                &Header {
                    kind: Kind::Reset,
                    flags: flag::BOARD,
                    nonce,
                    seq: 0,
                    ack: 0,
                },
                &[],
                out,
            );
        }
        let (None, Some(nonce)) = (self.broken, self.nonce) else {
            return;
        };
        if self.sender.tick(now_ms).is_err() {
            self.broken = Some(SessionError::PeerSilent);
            return;
        }
        let flags = match self.end {
            End::Board => flag::BOARD,
            End::Host if self.heard => 0,
            End::Host => flag::OPEN,
        };
        let early = self.receiver.early_set();
        let mut header = Header {
            kind: Kind::Data,
            flags,
            nonce,
            seq: 0,
            ack: self.receiver.expected(),
        };
        while let Some((seq, piece_flags, payload)) = self.sender.next_due(now_ms) {
            header.seq = seq;
            frame::encode(
                &Header {
                    flags: flags | piece_flags,
                    ..header
                },
                payload,
                out,
            );
            // A data frame says only up to where all is here; of a gap tells an Ack.
            if early == 0 {
                self.receiver.acknowledged();
            }
        }
        if self.receiver.ack_due().is_some_and(|at| at <= now_ms) {
            let set = early.to_le_bytes();
            let payload = if early == 0 { [].as_slice() } else { &set };
            frame::encode(
                &Header {
                    kind: Kind::Ack,
                    seq: 0,
                    ..header
                },
                payload,
                out,
            );
            self.receiver.acknowledged();
        }
    }

    /// Returns when `transmit` has to be called next even if nothing arrives, in ms on the same clock; 0 for at once.
    pub fn deadline(&self) -> Option<u64> {
        if self.disown.is_some() {
            return Some(0);
        }
        if self.broken.is_some() || self.nonce.is_none() {
            return None;
        }
        let now = self.sender.ready().then_some(0);
        [now, self.sender.timer(), self.receiver.ack_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns why the session is broken, if it is. A board's is whole again when a new host opens one.
    pub fn broken(&self) -> Option<SessionError> {
        self.broken
    }

    /// Returns how many frames arrived broken.
    pub fn damaged(&self) -> u64 {
        self.deframer.damaged()
    }

    fn take_frame(&mut self, frame: Frame, now_ms: u64) {
        let header = frame.header;
        if header.has(flag::BOARD) == (self.end == End::Board) {
            return; // The line echoes.
        }
        match self.end {
            End::Host if Some(header.nonce) != self.nonce => return,
            End::Host if header.kind == Kind::Reset => {
                self.broken = Some(SessionError::PeerReset);
                return;
            }
            End::Host => self.heard = true,
            End::Board if header.kind == Kind::Reset => return,
            End::Board if Some(header.nonce) == self.nonce => {}
            End::Board if header.has(flag::OPEN) => self.take_up(header.nonce),
            End::Board => {
                self.disown = Some(header.nonce);
                return;
            }
        }
        if self.broken.is_some() {
            return;
        }
        match header.kind {
            Kind::Data => {
                self.sender.acknowledge(header.ack, 0, now_ms);
                let mut whole = Vec::new();
                let taken = self
                    .receiver
                    .accept(header.seq, header.flags, frame.payload, now_ms, &mut whole);
                self.received.extend(whole.into_iter().map(Received::Message));
                if let Err(error) = taken {
                    self.refuse(error);
                }
            }
            Kind::Ack => {
                let set = frame
                    .payload
                    .first_chunk()
                    .map_or(0, |bytes| u128::from_le_bytes(*bytes));
                self.sender.acknowledge(header.ack, set, now_ms);
            }
            Kind::Reset => {}
        }
    }

    /// Begins with another host.
    fn take_up(&mut self, nonce: u32) {
        if self.nonce.replace(nonce).is_some() {
            self.sender = Sender::default();
            self.received.retain(|received| matches!(received, Received::Noise(_)));
        }
        self.receiver = Receiver::default();
        self.broken = None;
    }

    fn refuse(&mut self, error: ChunkError) {
        self.broken = Some(match error {
            ChunkError::TooLong(len) => SessionError::TooLong(len),
            ChunkError::OutOfPlace => SessionError::Malformed,
        });
        if self.end == End::Board {
            self.disown = self.nonce;
        }
    }
}
