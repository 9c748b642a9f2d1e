//! The frame: what a link carries at a time.
//!
//! In: a [`Header`] and a payload. Out: bytes between two zeros, and back. Invariant: a frame whose bytes were changed on the way is
//! none: the checksum covers header and payload.
//!
//! Before stuffing: `version:1 flags:1 nonce:4 seq:2 ack:2 payload:0..=1024 crc:4`, numbers little-endian, the checksum CRC-32
//! (ISO-HDLC) of all before it. Around the stuffed bytes stands one zero on each side, so that neither text before nor
//! text after a frame spoils it.

use alloc::vec::Vec;
use crc::{CRC_32_ISO_HDLC, Crc};

use crate::cobs;

/// Version of the frame. A control character: no line of text can pass for the start of a frame.
pub const VERSION: u8 = 0x01;
/// Longest payload, bytes.
pub const MAX_PAYLOAD: usize = 1024;
/// Bytes of a header.
pub const HEADER: usize = 10;
/// Longest frame as it travels, bytes without its two zeros: header, payload, checksum and a code byte per 254.
pub const MAX_STUFFED: usize = {
    let plain = HEADER + MAX_PAYLOAD + CRC;
    plain + plain / 254 + 1
};
const CRC: usize = 4;
const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a frame is for. The two low bits of its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A piece of a message, numbered by `seq`.
    Data = 0,
    /// Only news of what arrived; the payload is the set of frames that arrived out of order, see [`crate::session`].
    Ack = 1,
    /// The board knows no session with this nonce.
    Reset = 2,
}

/// Bits of the flags byte beside the kind.
pub mod flag {
    /// The payload begins a message.
    pub const FIRST: u8 = 1 << 2;
    /// The payload ends a message.
    pub const LAST: u8 = 1 << 3;
    /// The sender is a host that has not heard the board yet: the board takes up the session with this nonce.
    pub const OPEN: u8 = 1 << 4;
    /// The sender is a board. A host hears its own frames on a line that echoes, and leaves them aside.
    pub const BOARD: u8 = 1 << 5;
    /// All of them.
    pub const ALL: u8 = FIRST | LAST | OPEN | BOARD;
}

/// All of a frame but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// Bits of [`flag`].
    pub flags: u8,
    /// The session, chosen by the host.
    pub nonce: u32,
    /// Number of a data frame, from 0, wrapping.
    pub seq: u16,
    /// The data frame expected next from the peer: all before it arrived.
    pub ack: u16,
}

/// A frame as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Header {
    /// Returns true if `bit` of [`flag`] is set.
    pub const fn has(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }
}

/// Appends a frame with its zeros. A payload over [`MAX_PAYLOAD`] would be refused by the peer.
pub fn encode(header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    let mut plain = Vec::with_capacity(HEADER + payload.len() + CRC);
    plain.push(VERSION);
    plain.push(header.kind as u8 | header.flags);
    plain.extend_from_slice(&header.nonce.to_le_bytes());
    plain.extend_from_slice(&header.seq.to_le_bytes());
    plain.extend_from_slice(&header.ack.to_le_bytes());
    plain.extend_from_slice(payload);
    let checksum = CHECKSUM.checksum(&plain);
    plain.extend_from_slice(&checksum.to_le_bytes());
    out.push(0);
    cobs::encode(&plain, out);
    out.push(0);
}

/// Decodes what stood between two zeros, or nothing if it is no frame.
pub fn decode(stuffed: &[u8]) -> Option<Frame> {
    // The byte behind the first code is the version: what is plainly no frame costs no checksum.
    if stuffed.len() > MAX_STUFFED || stuffed.get(1) != Some(&VERSION) {
        return None;
    }
    let mut plain = Vec::with_capacity(stuffed.len());
    cobs::decode(stuffed, &mut plain)?;
    let (body, checksum) = plain.split_last_chunk::<CRC>()?;
    if CHECKSUM.checksum(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (&[VERSION, flags, n0, n1, n2, n3, s0, s1, a0, a1], payload) = body.split_first_chunk::<HEADER>()? else {
        return None;
    };
    let kind = match flags & !flag::ALL {
        0 => Kind::Data,
        1 => Kind::Ack,
        2 => Kind::Reset,
        _ => return None,
    };
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let header = Header {
        kind,
        flags: flags & flag::ALL,
        nonce: u32::from_le_bytes([n0, n1, n2, n3]),
        seq: u16::from_le_bytes([s0, s1]),
        ack: u16::from_le_bytes([a0, a1]),
    };
    plain.truncate(plain.len() - CRC);
    plain.drain(..HEADER);
    Some(Frame { header, payload: plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Header, Vec<u8>) {
        let header = Header {
            kind: Kind::Data,
            flags: flag::FIRST | flag::BOARD,
            nonce: 0x0102_0004,
            seq: 0,
            ack: 0xffff,
        };
        (header, (0..MAX_PAYLOAD).map(|i| i as u8).collect())
    }

    #[test]
    fn longest_frame_survives_and_fits() {
        for payload in [
            alloc::vec![7; MAX_PAYLOAD],
            alloc::vec![0; MAX_PAYLOAD],
            sample().1,
            Vec::new(),
        ] {
            let mut out = Vec::new();
            let header = Header {
                nonce: u32::MAX,
                ..sample().0
            };
            encode(&header, &payload, &mut out);
            assert_eq!((out.first(), out.last()), (Some(&0), Some(&0)));
            let stuffed = &out[1..out.len() - 1];
            assert!(stuffed.len() <= MAX_STUFFED && !stuffed.contains(&0));
            assert_eq!(decode(stuffed), Some(Frame { header, payload }));
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let (header, payload) = sample();
        let mut out = Vec::new();
        encode(&header, &payload[..40], &mut out);
        for bit in 8..(out.len() - 1) * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad[1..bad.len() - 1]), None, "bit {bit}");
        }
    }
}
