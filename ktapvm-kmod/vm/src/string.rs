//! Strings: bodies in a scratch arena or on the heap, and the intern table that makes retained ones unique.
//!
//! In: bytes. Out: values. Invariant: a body is `len:32 hash:32`, a meta word, then the bytes, the last word filled up with
//! zeros; two strings are equal if meta word and bytes are.
//!
//! Meta word: `kind:8 user:8 id:16 pid:32`: for a stack whose it is, for an event the id of its format.

use crate::heap::{Block, NoMemory};
use crate::layout::control;
use crate::object::Objects;
use crate::region::Region;
use crate::value::{Kind, Tag, Value};

/// Words before the bytes of a body.
pub(crate) const BODY: usize = 2;
/// Words before the body of a retained string.
const HEADER: usize = 2;

/// The meta word of a plain text.
pub(crate) const TEXT: u64 = Kind::Text as u64;

/// Builds a stack's meta word.
pub(crate) fn stack_meta(user: bool, pid: u32) -> u64 {
    Kind::Stack as u64 | (user as u64) << 8 | (pid as u64) << 32
}

/// Builds an event's meta word.
pub(crate) fn event_meta(id: u16) -> u64 {
    Kind::Event as u64 | (id as u64) << 16
}

/// Where the body of a string value starts.
#[inline]
pub(crate) fn body(value: Value) -> usize {
    if value.is(Tag::Str) {
        (value.payload as u32 as usize).wrapping_add(HEADER)
    } else {
        value.payload as usize
    }
}

/// The bytes of the string whose body is at `at`.
#[inline]
pub(crate) fn bytes<'p>(region: &Region<'p>, at: usize) -> &'p [u8] {
    region.bytes(at.wrapping_add(BODY), region.low(at) as usize)
}

/// The meta word of the string whose body is at `at`.
#[inline]
pub(crate) fn meta(region: &Region<'_>, at: usize) -> u64 {
    region.get(at.wrapping_add(1))
}

/// Writes a body at `at`, which must have the words for it.
pub(crate) fn write(region: &Region<'_>, at: usize, meta: u64, bytes: &[u8]) {
    region.set(at, bytes.len() as u32 as u64);
    region.set(at.wrapping_add(1), meta);
    let mut to = at.wrapping_add(BODY);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        region.set(to, u64::from_ne_bytes(*word));
        to = to.wrapping_add(1);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        region.set(to, u64::from_ne_bytes(last));
    }
}

/// True if two bodies are of equal strings.
pub(crate) fn equal(region: &Region<'_>, a: usize, b: usize) -> bool {
    if region.low(a) != region.low(b) {
        return false;
    }
    let words = (region.low(a) as usize).div_ceil(8).min(region.len());
    (1..words.wrapping_add(BODY)).all(|i| region.get(a.wrapping_add(i)) == region.get(b.wrapping_add(i)))
}

/// Hashes the body at `at`.
pub(crate) fn hash(region: &Region<'_>, at: usize) -> u32 {
    let len = region.low(at) as usize;
    let words = len.div_ceil(8).min(region.len());
    let mut hash = len as u64;
    for i in 1..words.wrapping_add(BODY) {
        hash = mix(hash ^ region.get(at.wrapping_add(i)));
    }
    (hash >> 32) as u32
}

/// Spreads a word's bits.
#[inline]
pub(crate) fn mix(word: u64) -> u64 {
    let spread = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread ^ spread >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The interned string equal to the body at `at`; nothing if there is none. Ends whatever it sees.
pub(crate) fn find(objects: &Objects<'_>, at: usize, hash: u32) -> Option<u32> {
    let region = &objects.heap.region;
    let mut handle = region.get(bucket(objects, hash)) as u32;
    // The bound only matters to a reader without the lock.
    for _ in 0..1 << 20 {
        if handle == 0 || !objects.heap.is(handle, Block::Str) {
            return None;
        }
        let other = (handle as usize).wrapping_add(HEADER);
        if region.high(other) == hash && equal(region, other, at) {
            return Some(handle);
        }
        handle = region.high((handle as usize).wrapping_add(1));
    }
    None
}

/// The interned string equal to the body at `at`, made if there is none. Under the heap lock.
pub(crate) fn intern(objects: &Objects<'_>, at: usize) -> Result<u32, NoMemory> {
    let region = &objects.heap.region;
    let hash = hash(region, at);
    if let Some(handle) = find(objects, at, hash) {
        objects.touch(handle);
        return Ok(handle);
    }
    let words = BODY.wrapping_add((region.low(at) as usize).div_ceil(8));
    let handle = objects.heap.alloc(Block::Str, HEADER.wrapping_add(words))?;
    let start = (handle as usize).wrapping_add(HEADER);
    for i in 1..words {
        region.set(start.wrapping_add(i), region.get(at.wrapping_add(i)));
    }
    region.set(start, region.low(at) as u64 | (hash as u64) << 32);
    let bucket = bucket(objects, hash);
    region.set_high((handle as usize).wrapping_add(1), region.get(bucket) as u32);
    region.set(bucket, handle as u64);
    objects.created(handle);
    Ok(handle)
}

/// The value of a retained string.
pub(crate) fn value(objects: &Objects<'_>, handle: u32) -> Value {
    let meta = meta(&objects.heap.region, (handle as usize).wrapping_add(HEADER));
    Value::new(Tag::Str, meta as u8 as u32, handle as u64)
}

/// Takes a string out of the intern table. Under the heap lock.
pub(crate) fn forget(objects: &Objects<'_>, handle: u32) {
    let region = &objects.heap.region;
    let bucket = bucket(objects, region.high((handle as usize).wrapping_add(HEADER)));
    let next = region.high((handle as usize).wrapping_add(1));
    let mut at = region.get(bucket) as u32;
    if at == handle {
        region.set(bucket, next as u64);
        return;
    }
    while at != 0 {
        let link = (at as usize).wrapping_add(1);
        at = region.high(link);
        if at == handle {
            region.set_high(link, next);
            return;
        }
    }
}

fn bucket(objects: &Objects<'_>, hash: u32) -> usize {
    objects
        .layout
        .intern
        .wrapping_add(hash as usize & objects.layout.intern_buckets.wrapping_sub(1))
}

/// The heap lock's word.
pub(crate) const LOCK: usize = control::HEAP_LOCK;

/// Writes a text piece by piece into words reserved for it.
pub(crate) struct Joiner<'p> {
    region: Region<'p>,
    at: usize,
    word: usize,
    pending: u64,
    bits: u32,
}

impl<'p> Joiner<'p> {
    /// Starts a text of `len` bytes at word `at`.
    pub(crate) fn new(region: Region<'p>, at: usize, len: usize) -> Joiner<'p> {
        region.set(at, len as u32 as u64);
        region.set(at.wrapping_add(1), TEXT);
        Joiner {
            region,
            at,
            word: at.wrapping_add(BODY),
            pending: 0,
            bits: 0,
        }
    }

    /// Adds bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.pending |= (*byte as u64) << (self.bits & 63);
            self.bits = self.bits.wrapping_add(8);
            if self.bits == 64 {
                self.region.set(self.word, u64::from_le(self.pending));
                self.word = self.word.wrapping_add(1);
                self.pending = 0;
                self.bits = 0;
            }
        }
    }

    /// Ends the text.
    pub(crate) fn finish(self) -> Value {
        if self.bits != 0 {
            self.region.set(self.word, u64::from_le(self.pending));
        }
        Value::new(Tag::Temp, Kind::Text as u32, self.at as u64)
    }
}
