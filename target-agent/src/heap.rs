//! The allocator of the binary: size classes over memory mapped from the kernel.
//!
//! In: layouts. Out: memory. Invariant: one thread. A block goes back to the list of its own class; blocks over half a mebibyte go back to
//! the kernel.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{NonNull, null_mut};

use crate::sys::memory;

/// Smallest block: room for the link of the free list, and the alignment of everything.
const SMALLEST: usize = 16;
/// Classes: four steps per doubling from 16 bytes to 512 KiB.
const CLASSES: usize = 15 * 4 + 1;
/// Largest block kept in a class.
const LARGEST: usize = SMALLEST << 15;
/// Memory taken from the kernel at a time for small blocks.
const CHUNK: usize = 256 << 10;

#[derive(Debug)]
struct Lists {
    free: [*mut u8; CLASSES],
    fresh: *mut u8,
    left: usize,
}

/// The allocator. It may only be used by a program with one thread.
#[derive(Debug)]
pub struct Heap {
    lists: UnsafeCell<Lists>,
}

// SAFETY: only a program with one thread may use it, as its documentation demands; there are no signal handlers either.
unsafe impl Sync for Heap {}

impl Heap {
    /// Makes an empty heap.
    #[allow(clippy::new_without_default, reason = "a static needs a const constructor")]
    pub const fn new() -> Heap {
        Heap {
            lists: UnsafeCell::new(Lists {
                free: [null_mut(); CLASSES],
                fresh: null_mut(),
                left: 0,
            }),
        }
    }
}

/// Returns a class and the size of its blocks; nothing if the kernel is to be asked itself.
fn class_of(size: usize, align: usize) -> Option<(usize, usize)> {
    // A block is aligned to 16; stricter alignments are rare and get a mapping of their own.
    if size > LARGEST || align > SMALLEST {
        return None;
    }
    let size = size.max(SMALLEST);
    let doublings = (usize::BITS - 1 - (size - 1).leading_zeros()).max(3) as usize;
    // Between 2^d and 2^(d+1) the steps are a quarter of 2^d, but never less than 16.
    let step = ((1usize << doublings) / 4).max(SMALLEST);
    let rounded = size.next_multiple_of(step);
    let class = if rounded == SMALLEST {
        0
    } else {
        (doublings - 4) * 4 + (rounded - (1 << doublings)) / step
    };
    Some((class, rounded))
}

impl Lists {
    fn take(&mut self, class: usize, size: usize) -> *mut u8 {
        let block = self.free[class];
        if !block.is_null() {
            // SAFETY: a block in the list is free, at least 16 bytes, and holds the next one in its first word.
            self.free[class] = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        if self.left < size {
            // What is left of the old chunk is forgotten: at most one block in a chunk.
            let wanted = CHUNK.max(size);
            let Ok(chunk) = memory::anonymous(wanted) else {
                return null_mut();
            };
            self.fresh = chunk.as_ptr();
            self.left = wanted;
        }
        let block = self.fresh;
        // SAFETY: `size` bytes are left of the chunk.
        self.fresh = unsafe { block.add(size) };
        self.left -= size;
        block
    }

    fn give(&mut self, class: usize, block: *mut u8) {
        // SAFETY: the block is free now and at least 16 bytes, aligned to 16.
        unsafe { block.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = block;
    }
}

// SAFETY: blocks are aligned and disjoint by construction, and stay until they are given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout.size(), layout.align()) {
            // SAFETY: one thread, and nothing here allocates again.
            Some((class, size)) => unsafe { (*self.lists.get()).take(class, size) },
            None => memory::anonymous(layout.size()).map_or(null_mut(), NonNull::as_ptr),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class_of(layout.size(), layout.align()) {
            // SAFETY: as above; the block came from this class.
            Some((class, _)) => unsafe { (*self.lists.get()).give(class, block) },
            None => {
                if let Some(block) = NonNull::new(block) {
                    // SAFETY: it was mapped by `alloc` with this size.
                    unsafe { memory::unmap(block, layout.size()) }
                }
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's word.
        let block = unsafe { self.alloc(layout) };
        // A mapping of its own is zeroed by the kernel, and stays untouched until it is used.
        if !block.is_null() && class_of(layout.size(), layout.align()).is_some() {
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_fit_and_are_distinct() {
        let mut sizes = [0usize; CLASSES];
        for size in (0..4096).chain((4096..=LARGEST).step_by(61)).chain([LARGEST]) {
            let (class, rounded) = class_of(size, 8).expect("a class");
            assert!(rounded >= size && rounded % 16 == 0, "{size}");
            assert!(rounded <= size.max(64) * 5 / 4 + 16, "{size} became {rounded}");
            assert!(sizes[class] == 0 || sizes[class] == rounded, "{size}: class {class}");
            sizes[class] = rounded;
        }
        assert_eq!(class_of(LARGEST + 1, 8), None);
        assert_eq!(class_of(64, 64), None);
    }

    #[test]
    fn blocks_are_used_again() {
        let heap = Heap::new();
        let layout = Layout::from_size_align(100, 8).expect("a layout");
        // SAFETY: blocks are used within their size and given back once, by one thread.
        unsafe {
            let first = heap.alloc(layout);
            let second = heap.alloc(layout);
            first.write_bytes(1, 100);
            second.write_bytes(2, 100);
            assert_eq!((first.read(), second.read()), (1, 2));
            heap.dealloc(first, layout);
            assert_eq!(heap.alloc_zeroed(layout), first);
            assert_eq!(first.add(99).read(), 0);
            let large = Layout::from_size_align(3 << 20, 16).expect("a layout");
            let block = heap.alloc_zeroed(large);
            assert_eq!(block.add((3 << 20) - 1).read(), 0);
            heap.dealloc(block, large);
        }
    }
}
