//! Records on their way to the host.
//!
//! In: encoded records. Out: batches of whole records, oldest first. Invariant: holds at most its bound; what does not fit is
//! counted, not kept.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes after which a batch is closed.
const BATCH: usize = 16 << 10;

/// Records in order, bounded.
#[derive(Debug)]
pub struct Outbox {
    batches: VecDeque<Vec<u8>>,
    held: usize,
    bound: usize,
    /// Records refused for want of room.
    pub dropped: u64,
}

impl Outbox {
    /// Makes an outbox for `bound` bytes.
    pub fn new(bound: usize) -> Outbox {
        Outbox {
            batches: VecDeque::new(),
            held: 0,
            bound,
            dropped: 0,
        }
    }

    /// Takes a record; false, and counted, if there is no room.
    pub fn push(&mut self, record: &[u8]) -> bool {
        self.push_parts(record, &[])
    }

    /// As [`Outbox::push`], for a record in two parts.
    pub fn push_parts(&mut self, head: &[u8], body: &[u8]) -> bool {
        let len = head.len() + body.len();
        if len > self.room() {
            self.dropped += 1;
            return false;
        }
        self.held += len;
        let fits = |batch: &&mut Vec<u8>| batch.len() + len <= BATCH;
        if self.batches.back_mut().filter(fits).is_none() {
            self.batches.push_back(Vec::with_capacity(len));
        }
        if let Some(batch) = self.batches.back_mut() {
            batch.extend_from_slice(head);
            batch.extend_from_slice(body);
        }
        true
    }

    /// Returns the bytes it has room for.
    pub fn room(&self) -> usize {
        self.bound - self.held
    }

    /// Returns the oldest batch.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let batch = self.batches.pop_front()?;
        self.held -= batch.len();
        Some(batch)
    }

    /// Returns true if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_in_order_and_bounded() {
        let mut outbox = Outbox::new(40_000);
        let accepted = (0..10u8).filter(|i| outbox.push(&[*i; 5000])).count();
        assert_eq!((accepted, outbox.dropped), (8, 2));
        let mut seen = Vec::new();
        while let Some(batch) = outbox.pop() {
            assert!(batch.len() <= BATCH && batch.len() % 5000 == 0);
            seen.extend(batch.chunks(5000).map(|r| r[0]));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(outbox.is_empty() && outbox.push(&[0; 40_000]));
    }
}
