//! Chunks: a message cut into payloads, and put together again.
//!
//! In: messages; payloads in order. Out: payloads; messages. Invariant: no more than [`MAX_MESSAGE`] bytes are ever held for a
//! message that is not whole.

use alloc::vec::Vec;

use crate::frame::{MAX_PAYLOAD, flag};
use crate::message::MAX_MESSAGE;

/// Cuts a message into (flags, payload) pairs, at least one.
pub fn cut(message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let count = message.len().div_ceil(MAX_PAYLOAD).max(1);
    (0..count).map(move |i| {
        let first = if i == 0 { flag::FIRST } else { 0 };
        let last = if i + 1 == count { flag::LAST } else { 0 };
        let start = i * MAX_PAYLOAD;
        let end = message.len().min(start + MAX_PAYLOAD);
        (first | last, message.get(start..end).unwrap_or_default())
    })
}

/// Why payloads make no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A message begins inside another, or goes on before it began.
    OutOfPlace,
    /// More than [`MAX_MESSAGE`] bytes.
    TooLong(usize),
}

impl core::fmt::Display for ChunkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ChunkError::OutOfPlace => write!(f, "a piece of a message is out of place"),
            ChunkError::TooLong(len) => write!(f, "a message of {len} bytes is longer than the {MAX_MESSAGE} allowed"),
        }
    }
}

impl core::error::Error for ChunkError {}

/// Puts payloads together.
#[derive(Debug, Default)]
pub struct Assembler {
    partial: Vec<u8>,
    begun: bool,
}

impl Assembler {
    /// Takes the next payload; returns the message it ends.
    ///
    /// # Errors
    /// A peer that does not cut messages as [`cut`] does. What was held is dropped.
    pub fn push(&mut self, flags: u8, payload: Vec<u8>) -> Result<Option<Vec<u8>>, ChunkError> {
        let first = flags & flag::FIRST != 0;
        if first == self.begun {
            *self = Assembler::default();
            return Err(ChunkError::OutOfPlace);
        }
        let len = self.partial.len() + payload.len();
        if len > MAX_MESSAGE {
            *self = Assembler::default();
            return Err(ChunkError::TooLong(len));
        }
        if first {
            self.partial = payload;
        } else {
            self.partial.extend_from_slice(&payload);
        }
        self.begun = flags & flag::LAST == 0;
        Ok(if self.begun {
            None
        } else {
            Some(core::mem::take(&mut self.partial))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_whole() {
        for len in [
            0,
            1,
            MAX_PAYLOAD - 1,
            MAX_PAYLOAD,
            MAX_PAYLOAD + 1,
            5 * MAX_PAYLOAD,
            MAX_MESSAGE,
        ] {
            let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut assembler = Assembler::default();
            let mut whole = Vec::new();
            for (flags, payload) in cut(&message) {
                assert!(payload.len() <= MAX_PAYLOAD);
                whole.extend(assembler.push(flags, payload.into()).expect("in place"));
            }
            assert_eq!(whole, [message], "{len}");
        }
    }

    #[test]
    fn pieces_out_of_place_are_refused() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.push(0, Vec::new()), Err(ChunkError::OutOfPlace));
        assert_eq!(assembler.push(flag::FIRST, Vec::new()), Ok(None));
        assert_eq!(assembler.push(flag::FIRST, Vec::new()), Err(ChunkError::OutOfPlace));
        assert_eq!(
            assembler.push(flag::FIRST | flag::LAST, alloc::vec![5]),
            Ok(Some(alloc::vec![5]))
        );
    }

    #[test]
    fn an_endless_message_is_refused() {
        let mut assembler = Assembler::default();
        let mut flags = flag::FIRST;
        for _ in 0..MAX_MESSAGE / MAX_PAYLOAD {
            assert_eq!(assembler.push(flags, alloc::vec![0; MAX_PAYLOAD]), Ok(None));
            flags = 0;
        }
        assert_eq!(
            assembler.push(0, alloc::vec![0]),
            Err(ChunkError::TooLong(MAX_MESSAGE + 1))
        );
        assert!(assembler.partial.capacity() == 0);
    }
}
