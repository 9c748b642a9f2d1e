//! The heap: blocks of a power of two words, split and joined as buddies.
//!
//! In: sizes. Out: handles, the word where a block starts. Invariant: every block starts with a header word, and the heap
//! lock is held by whoever calls; each call takes at most as many steps as there are orders.
//!
//! Header word: `kind:8 order:8 state:8 0:8 count:32` from the low byte up. A free block's second word links its list.

use crate::layout::{Layout, control};
use crate::region::Region;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Block {
    Free = 1,
    Str = 2,
    Table = 3,
    Closure = 4,
    Cell = 5,
    Stat = 6,
    /// The list or keyed part of a table.
    Part = 7,
}

/// The smallest block has `1 << MIN_ORDER` words.
const MIN_ORDER: u32 = 2;
/// The largest has `1 << MAX_ORDER` words.
const MAX_ORDER: u32 = 28;

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMemory;

/// The allocator over one region.
#[derive(Clone, Copy)]
pub(crate) struct Heap<'p> {
    pub(crate) region: Region<'p>,
    base: usize,
    words: usize,
}

/// Returns the order of the smallest block with this many words.
pub(crate) fn order_of(words: usize) -> u32 {
    words.next_power_of_two().trailing_zeros().max(MIN_ORDER)
}

impl<'p> Heap<'p> {
    pub(crate) fn new(region: Region<'p>, layout: &Layout) -> Heap<'p> {
        Heap {
            region,
            base: layout.heap,
            words: layout.heap_words,
        }
    }

    /// Cuts the fresh heap into free blocks.
    pub(crate) fn format(&self) {
        let mut at = 0;
        for order in (MIN_ORDER..=MAX_ORDER).rev() {
            let size = 1usize << order;
            while self.words.wrapping_sub(at) >= size {
                self.push(at, order);
                at = at.wrapping_add(size);
            }
        }
    }

    /// Takes a block of at least `words` words, its header included; its other words have any content.
    pub(crate) fn alloc(&self, kind: Block, words: usize) -> Result<u32, NoMemory> {
        let wanted = order_of(words);
        let mut order = wanted;
        while order <= MAX_ORDER {
            let head = self.region.get(Self::list(order));
            if head != 0 {
                let at = (head as usize).wrapping_sub(1);
                self.unlink(at, order);
                while order > wanted {
                    order = order.wrapping_sub(1);
                    self.push(at.wrapping_add(1 << order), order);
                }
                self.count_used(1 << wanted, true);
                let start = self.base.wrapping_add(at);
                self.region.set(start, kind as u64 | (wanted as u64) << 8);
                self.region.set(start.wrapping_add(1), 0);
                return Ok(start as u32);
            }
            order = order.wrapping_add(1);
        }
        Err(NoMemory)
    }

    /// Gives a block back.
    pub(crate) fn free(&self, handle: u32) {
        let mut at = (handle as usize).wrapping_sub(self.base);
        let mut order = self.order(handle);
        if at >= self.words || !(MIN_ORDER..=MAX_ORDER).contains(&order) || self.kind(handle) == Block::Free as u8 {
            return;
        }
        self.count_used(1 << order, false);
        while order < MAX_ORDER {
            let buddy = at ^ (1 << order);
            let header = self.region.get(self.base.wrapping_add(buddy));
            let end = buddy.wrapping_add(1 << order);
            if end > self.words || header as u8 != Block::Free as u8 || (header >> 8) as u8 as u32 != order {
                break;
            }
            self.unlink(buddy, order);
            at &= buddy;
            order = order.wrapping_add(1);
        }
        self.push(at, order);
    }

    /// Returns the words of a block.
    pub(crate) fn size(&self, handle: u32) -> usize {
        1usize << (self.order(handle) & 31)
    }

    /// Returns a block's kind, a number of [`Block`].
    #[inline(always)]
    pub(crate) fn kind(&self, handle: u32) -> u8 {
        self.region.get(handle as usize) as u8
    }

    /// True if the handle may be that of a block of this kind.
    #[inline(always)]
    pub(crate) fn is(&self, handle: u32, kind: Block) -> bool {
        handle as usize >= self.base && self.kind(handle) == kind as u8
    }

    /// True if the handle may be that of a counted object.
    pub(crate) fn is_object(&self, handle: u32) -> bool {
        let kind = self.kind(handle);
        handle as usize >= self.base && kind > Block::Free as u8 && kind < Block::Part as u8
    }

    fn order(&self, handle: u32) -> u32 {
        (self.region.get(handle as usize) >> 8) as u8 as u32
    }

    fn list(order: u32) -> usize {
        control::FREE.wrapping_add(order as usize)
    }

    fn count_used(&self, words: usize, more: bool) {
        let used = self.region.get(control::HEAP_USED);
        let words = words as u64;
        self.region.set(
            control::HEAP_USED,
            if more {
                used.wrapping_add(words)
            } else {
                used.wrapping_sub(words)
            },
        );
    }

    // A free block's second word: next in the low half, previous in the high half; offsets plus one, 0 for none.
    fn push(&self, at: usize, order: u32) {
        let head = self.region.get(Self::list(order));
        let start = self.base.wrapping_add(at);
        self.region.set(start, Block::Free as u64 | (order as u64) << 8);
        self.region.set(start.wrapping_add(1), head);
        if head != 0 {
            self.region
                .set_high(self.base.wrapping_add(head as usize), (at as u32).wrapping_add(1));
        }
        self.region.set(Self::list(order), (at as u64).wrapping_add(1));
    }

    fn unlink(&self, at: usize, order: u32) {
        let link = self.base.wrapping_add(at).wrapping_add(1);
        let (next, previous) = (self.region.low(link), self.region.high(link));
        if next != 0 {
            self.region.set_high(self.base.wrapping_add(next as usize), previous);
        }
        if previous != 0 {
            self.region.set_low(self.base.wrapping_add(previous as usize), next);
        } else {
            self.region.set(Self::list(order), next as u64);
        }
    }
}
