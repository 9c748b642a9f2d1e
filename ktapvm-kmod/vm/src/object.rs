//! Counted objects and their end: who refers to them from the heap, and when nobody in a frame can any more.
//!
//! In: handles. Out: counts, freed blocks. Invariant: an object is freed only when its count is 0 and every frame that ran
//! when it last became so has ended. The heap lock is held by whoever calls, except for [`Objects::enter`] and `leave`.
//!
//! Only references from the heap are counted (table entries, cells, globals, attached handlers). An object whose count is
//! or becomes 0 waits in the list of the current epoch. A running frame publishes the epoch it began in; the epoch moves on
//! when every running frame is in it; so what waited two epochs ago is out of every frame's reach.
//!
//! Second word of an object: next waiting in the low half (handle, 0 for none), next of the same intern bucket in the high.

use core::sync::atomic::{Ordering, compiler_fence, fence};

use crate::heap::{Block, Heap};
use crate::layout::{Layout, control};
use crate::string;
use crate::value::Value;

/// In the header's state byte: waits in a list.
const WAITS: u64 = 1 << 16;
/// In the header's state byte: in which.
const LIST_SHIFT: u32 = 17;
const LIST_MASK: u64 = 3 << LIST_SHIFT;
/// Objects looked at in one go.
const STEP: usize = 64;

/// The objects of a heap.
#[derive(Clone, Copy)]
pub(crate) struct Objects<'p> {
    pub(crate) heap: Heap<'p>,
    pub(crate) layout: Layout,
}

impl<'p> Objects<'p> {
    /// The frame whose epoch word is at `place` begins: what it can reach from now on stays until it leaves. False if it runs already.
    #[inline(always)]
    pub(crate) fn enter(&self, place: usize) -> bool {
        let region = &self.heap.region;
        let Some(word) = region.atomic(place) else {
            return false;
        };
        // Odd words are running frames. An epoch that is old when it gets seen only holds the others back.
        let running = region.control(control::EPOCH).load(Ordering::SeqCst) << 1 | 1;
        if word.load(Ordering::Relaxed) != 0
            || word
                .compare_exchange(0, running, Ordering::SeqCst, Ordering::Relaxed)
                .is_err()
        {
            return false;
        }
        // Whoever frees either sees this frame run, or this frame sees nothing of what it unlinked. A locked instruction of x86 orders all that
        // comes before and after it; elsewhere this takes a fence, the other side of the one in `advance`.
        if cfg!(not(target_arch = "x86_64")) {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
        true
    }

    /// A running frame passes for one that begins now. What it reaches has been touched before. Under the heap lock.
    pub(crate) fn stay(&self, frame: usize) {
        let region = self.heap.region;
        if let Some(word) = region.atomic(self.layout.frame(frame)) {
            word.store(region.get(control::EPOCH) << 1 | 1, Ordering::SeqCst);
        }
    }

    /// The frame whose epoch word is at `place` ends.
    #[inline(always)]
    pub(crate) fn leave(&self, place: usize) {
        if let Some(word) = self.heap.region.atomic(place) {
            word.store(0, Ordering::Release);
        }
    }

    /// True if something waits to be freed.
    #[inline(always)]
    pub(crate) fn any_waiting(&self) -> bool {
        self.heap.region.control(control::WAITING_COUNT).load(Ordering::Relaxed) != 0
    }

    /// Makes a new object wait: it has no reference from the heap yet.
    pub(crate) fn created(&self, handle: u32) {
        self.wait(handle);
    }

    /// Counts a new reference from the heap.
    pub(crate) fn retain(&self, value: Value) {
        if value.is_counted() && value.handle() as usize >= self.layout.heap {
            let at = value.handle() as usize;
            self.heap
                .region
                .set_high(at, self.heap.region.high(at).saturating_add(1));
        }
    }

    /// Counts a reference from the heap that is gone.
    pub(crate) fn release(&self, value: Value) {
        if !value.is_counted() || (value.handle() as usize) < self.layout.heap {
            return;
        }
        let at = value.handle() as usize;
        let count = self.heap.region.high(at);
        // A count that ever was at its end stays there: such an object is never freed.
        if count == 0 || count == u32::MAX {
            return;
        }
        self.heap.region.set_high(at, count.wrapping_sub(1));
        if count == 1 {
            self.wait(value.handle());
        }
    }

    /// A frame got hold of an object that nothing counts: its wait begins anew.
    pub(crate) fn touch(&self, handle: u32) {
        if self.heap.region.high(handle as usize) == 0 {
            self.wait(handle);
        }
    }

    fn current_list(&self) -> u64 {
        self.heap.region.get(control::EPOCH) % 3
    }

    fn wait(&self, handle: u32) {
        let region = self.heap.region;
        let at = handle as usize;
        let header = region.get(at);
        let list = self.current_list();
        let stamped = header & !LIST_MASK | list << LIST_SHIFT | WAITS;
        region.set(at, stamped);
        if header & WAITS == 0 {
            self.push(handle, list);
            region.set(
                control::WAITING_COUNT,
                region.get(control::WAITING_COUNT).wrapping_add(1),
            );
        }
    }

    fn push(&self, handle: u32, list: u64) {
        let region = self.heap.region;
        let head = control::WAITING.wrapping_add(list as usize);
        region.set_low((handle as usize).wrapping_add(1), region.get(head) as u32);
        region.set(head, handle as u64);
    }

    /// Frees some of what nobody reaches; returns false when there is nothing to do now.
    pub(crate) fn collect(&self) -> bool {
        let region = self.heap.region;
        let epoch = region.get(control::EPOCH);
        let list = epoch.wrapping_add(1) % 3;
        let head = control::WAITING.wrapping_add(list as usize);
        for _ in 0..STEP {
            let handle = region.get(head) as u32;
            if handle == 0 {
                return self.advance(epoch);
            }
            let at = handle as usize;
            let header = region.get(at);
            if header >> 32 == 0 && (header & LIST_MASK) >> LIST_SHIFT == list && !self.empty(handle) {
                continue;
            }
            region.set(head, region.low(at.wrapping_add(1)) as u64);
            if header >> 32 != 0 {
                region.set(at, header & !WAITS);
            } else if (header & LIST_MASK) >> LIST_SHIFT != list {
                self.push(handle, (header & LIST_MASK) >> LIST_SHIFT);
                continue;
            } else {
                self.heap.free(handle);
            }
            region.set(
                control::WAITING_COUNT,
                region.get(control::WAITING_COUNT).wrapping_sub(1),
            );
        }
        true
    }

    fn advance(&self, epoch: u64) -> bool {
        if !self.any_waiting() {
            return false;
        }
        fence(Ordering::SeqCst);
        for frame in 0..self.layout.frame_count {
            let Some(word) = self.heap.region.atomic(self.layout.frame(frame)) else {
                return false;
            };
            let seen = word.load(Ordering::SeqCst);
            if seen != 0 && seen >> 1 != epoch {
                return false;
            }
        }
        if let Some(word) = self.heap.region.atomic(control::EPOCH) {
            word.store(epoch.wrapping_add(1), Ordering::SeqCst);
        }
        true
    }

    /// Takes an unreachable object's references away, some at a time; true when none is left.
    fn empty(&self, handle: u32) -> bool {
        let region = self.heap.region;
        let at = handle as usize;
        match self.heap.kind(handle) {
            kind if kind == Block::Str as u8 => string::forget(self, handle),
            kind if kind == Block::Cell as u8 => {
                let held = Value::from_words(region.get(at.wrapping_add(2)), region.get(at.wrapping_add(3)));
                region.set(at.wrapping_add(2), 0);
                self.release(held);
            }
            kind if kind == Block::Closure as u8 => {
                for upvalue in 0..crate::closure::upvalues(self, handle) {
                    self.release(crate::closure::cell_value(self, handle, upvalue));
                }
            }
            kind if kind == Block::Table as u8 => return crate::table::take_apart(self, handle, STEP),
            _ => {}
        }
        true
    }
}
