//! The keyed part of a table: chained hash nodes that lie in the order they were put in.
//!
//! In: canonical keys. Out: nodes. Invariant: nodes are only added at the end, with growing sequence numbers, so that a
//! cursor finds its place again in a part that was copied meanwhile.
//!
//! A part of W words: header, W/16 words of buckets (two 32-bit node numbers each, counted from 1), nodes of 5 words:
//! key (2), value (2), `next node:32 sequence:32`.

use core::sync::atomic::Ordering;

use crate::heap::{Block, NoMemory};
use crate::object::Objects;
use crate::region::Region;
use crate::string::mix;
use crate::value::Value;

const NODE: usize = 5;
/// A part has at least `1 << MIN_ORDER` words.
const MIN_ORDER: u32 = 5;

/// One keyed part.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'p> {
    region: Region<'p>,
    /// Its handle, 0 if there is none.
    pub(crate) part: u32,
    /// Nodes in use, dead ones included.
    pub(crate) used: usize,
    words: usize,
}

/// Nodes that fit a part of `words` words.
fn room(words: usize) -> usize {
    words.saturating_sub(1).saturating_sub(words / 16) / NODE
}

/// Makes an empty part for at least `nodes` nodes. Under the heap lock.
pub(crate) fn create(objects: &Objects<'_>, nodes: usize) -> Result<u32, NoMemory> {
    let mut order = MIN_ORDER;
    while room(1 << order) < nodes {
        order = order.wrapping_add(1);
        if order > 28 {
            return Err(NoMemory);
        }
    }
    let words = 1usize << order;
    let part = objects.heap.alloc(Block::Part, words)?;
    for i in 1..words / 16 + 1 {
        objects.heap.region.set((part as usize).wrapping_add(i), 0);
    }
    Ok(part)
}

/// The word where the value of a key is, in the part that a table's word names: `part:32 nodes used:32`.
#[inline(always)]
pub(crate) fn find(region: &Region<'_>, word: u64, key: Value) -> Option<usize> {
    let part = word as u32 as usize;
    if part == 0 {
        return None;
    }
    let order = (region.get(part) >> 8) as u32 & 31;
    let index = hash(key) & (1usize << order >> 3).wrapping_sub(1);
    let buckets = part.wrapping_add(1);
    let nodes = buckets.wrapping_add(1 << order >> 4);
    let pair = region.get(buckets.wrapping_add(index / 2));
    let mut node = (pair >> (index as u32 % 2 * 32)) as u32;
    // A chain has no more nodes than the part; the bound only matters to a reader without the lock.
    for _ in 0..word >> 32 {
        let at = nodes.wrapping_add((node as usize).wrapping_sub(1).wrapping_mul(NODE));
        if node == 0 {
            return None;
        }
        let [head, payload, .., link] = region.words::<NODE>(at)?;
        if payload.load(Ordering::Relaxed) == key.payload && head.load(Ordering::Relaxed) == key.head() {
            return Some(at.wrapping_add(2));
        }
        node = link.load(Ordering::Relaxed) as u32;
    }
    None
}

/// Spreads a key's bits.
#[inline(always)]
fn hash(key: Value) -> usize {
    (mix(key.payload ^ key.head().rotate_left(40)) >> 32) as usize
}

impl<'p> Keyed<'p> {
    pub(crate) fn new(objects: &Objects<'p>, part: u32, used: usize) -> Keyed<'p> {
        let words = if part == 0 { 0 } else { objects.heap.size(part) };
        Keyed {
            region: objects.heap.region,
            part,
            used: used.min(room(words)),
            words,
        }
    }

    /// Nodes it can take.
    pub(crate) fn room(&self) -> usize {
        room(self.words)
    }

    /// Adds a node, which must have room, and returns the word of its value.
    pub(crate) fn push(&mut self, key: Value, value: Value, sequence: u32) -> usize {
        let at = self.node(self.used);
        let first = self.bucket(key);
        self.region.set(at, key.head());
        self.region.set(at.wrapping_add(1), key.payload);
        self.region.set(at.wrapping_add(2), value.head());
        self.region.set(at.wrapping_add(3), value.payload);
        self.region
            .set(at.wrapping_add(4), first as u64 | (sequence as u64) << 32);
        self.used = self.used.wrapping_add(1);
        let (word, high) = self.bucket_place(key);
        if high {
            self.region.set_high(word, self.used as u32);
        } else {
            self.region.set_low(word, self.used as u32);
        }
        at.wrapping_add(2)
    }

    /// The key of a node.
    pub(crate) fn key(&self, index: usize) -> Value {
        let at = self.node(index);
        Value::from_words(self.region.get(at), self.region.get(at.wrapping_add(1)))
    }

    /// The word of a node's value.
    pub(crate) fn slot(&self, index: usize) -> usize {
        self.node(index).wrapping_add(2)
    }

    /// The sequence number of a node.
    pub(crate) fn sequence(&self, index: usize) -> u32 {
        self.region.high(self.node(index).wrapping_add(4))
    }

    /// The first node with a later number than `sequence`, which was at `hint` before.
    pub(crate) fn after(&self, sequence: u32, hint: usize) -> usize {
        if hint < self.used && self.sequence(hint) == sequence {
            return hint.wrapping_add(1);
        }
        let (mut low, mut high) = (0, self.used);
        while low < high {
            let middle = low.wrapping_add(high.wrapping_sub(low) / 2);
            if self.sequence(middle) <= sequence {
                low = middle.wrapping_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    #[inline]
    fn node(&self, index: usize) -> usize {
        let first = (self.part as usize).wrapping_add(1).wrapping_add(self.words / 16);
        first.wrapping_add(index.wrapping_mul(NODE))
    }

    #[inline]
    fn bucket_place(&self, key: Value) -> (usize, bool) {
        let bucket = hash(key) & (self.words / 8).wrapping_sub(1);
        (
            (self.part as usize).wrapping_add(1).wrapping_add(bucket / 2),
            bucket & 1 == 1,
        )
    }

    #[inline]
    fn bucket(&self, key: Value) -> u32 {
        let (word, high) = self.bucket_place(key);
        if high {
            self.region.high(word)
        } else {
            self.region.low(word)
        }
    }
}
