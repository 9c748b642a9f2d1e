//! The region: the one piece of memory a VM has, as 64-bit words, and the only unsafe code of the crate.
//!
//! In: word indices. Out: words and byte strings. Invariant: every access is inside the region, whatever the index; words
//! are relaxed atomics, so that a race between CPUs can give an old value, never undefined behaviour.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::layout::control;

/// Words of as many registers as an operand can name.
pub(crate) const WINDOW: usize = 512;

/// Reads and writes of one region.
#[derive(Clone, Copy)]
pub(crate) struct Region<'p> {
    words: &'p [AtomicU64],
    owner: PhantomData<&'p mut [u64]>,
}

impl<'p> Region<'p> {
    /// Takes a region over; its words are 0.
    pub(crate) fn new(memory: &'p mut [u64]) -> Option<Region<'p>> {
        let len = memory.len();
        if len < control::WORDS {
            return None;
        }
        let start = memory.as_mut_ptr().cast::<AtomicU64>();
        // SAFETY: AtomicU64 has the size of u64 and, on every target this crate is built for, its alignment (checked
        // below); the exclusive borrow is given up for 'p, so that all later access goes through these atomics.
        let words = unsafe { core::slice::from_raw_parts(start, len) };
        Some(Region {
            words,
            owner: PhantomData,
        })
    }

    /// Returns a word of the control part.
    #[inline(always)]
    pub(crate) fn control(&self, at: usize) -> &'p AtomicU64 {
        // SAFETY: `new` takes no region without a whole control part, and the mask keeps the index inside it.
        unsafe { self.words.get_unchecked(at & (control::WORDS - 1)) }
    }

    /// Returns the number of words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns the word at `at`, 0 outside the region.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> u64 {
        match self.words.get(at) {
            Some(word) => word.load(Ordering::Relaxed),
            None => 0,
        }
    }

    /// Sets the word at `at`; nothing outside the region.
    #[inline(always)]
    pub(crate) fn set(&self, at: usize, value: u64) {
        if let Some(word) = self.words.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Returns the two words from `at` on, zeros outside the region.
    #[inline(always)]
    pub(crate) fn pair(&self, at: usize) -> (u64, u64) {
        if at >= self.words.len().saturating_sub(1) {
            return (0, 0);
        }
        // SAFETY: `at` is below the length less one, so `at + 1` is below the length.
        let (first, second) = unsafe { (self.words.get_unchecked(at), self.words.get_unchecked(at + 1)) };
        (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed))
    }

    /// Sets the two words from `at` on; nothing outside the region.
    #[inline(always)]
    pub(crate) fn set_pair(&self, at: usize, value: (u64, u64)) {
        if at >= self.words.len().saturating_sub(1) {
            return;
        }
        // SAFETY: as in `pair`.
        let (first, second) = unsafe { (self.words.get_unchecked(at), self.words.get_unchecked(at + 1)) };
        first.store(value.0, Ordering::Relaxed);
        second.store(value.1, Ordering::Relaxed);
    }

    /// Returns `N` words from the word `at` on, nothing if they are not all inside the region.
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&self, at: usize) -> Option<&'p [AtomicU64; N]> {
        self.words.get(at..)?.first_chunk()
    }

    /// Returns the two words of the value at `at`, nothing outside the region.
    #[inline(always)]
    pub(crate) fn slot(&self, at: usize) -> Option<&'p [AtomicU64; 2]> {
        self.words(at)
    }

    /// Returns `count` times `N` words from the word `at` on, fewer if they are not all inside the region.
    pub(crate) fn part<const N: usize>(&self, at: usize, count: usize) -> &'p [[AtomicU64; N]] {
        let (all, _) = self.words.get(at..).unwrap_or_default().as_chunks::<N>();
        all.get(..count).unwrap_or_default()
    }

    /// Returns the words of the 256 registers from the word `at` on, nothing if they are not all inside the region.
    #[inline(always)]
    pub(crate) fn window(&self, at: usize) -> Option<&'p [AtomicU64; WINDOW]> {
        self.words.get(at..)?.first_chunk()
    }

    /// Returns the low half of the word at `at`.
    #[inline(always)]
    pub(crate) fn low(&self, at: usize) -> u32 {
        self.get(at) as u32
    }

    /// Returns the high half of the word at `at`.
    #[inline(always)]
    pub(crate) fn high(&self, at: usize) -> u32 {
        (self.get(at) >> 32) as u32
    }

    /// Sets the low half of the word at `at`; its lock must be held.
    #[inline(always)]
    pub(crate) fn set_low(&self, at: usize, value: u32) {
        self.set(at, self.get(at) & !0xffff_ffff | value as u64);
    }

    /// Sets the high half of the word at `at`; its lock must be held.
    #[inline(always)]
    pub(crate) fn set_high(&self, at: usize, value: u32) {
        self.set(at, self.get(at) & 0xffff_ffff | (value as u64) << 32);
    }

    /// Returns the word at `at` as an atomic, for locks, epochs and counters.
    #[inline(always)]
    pub(crate) fn atomic(&self, at: usize) -> Option<&'p AtomicU64> {
        self.words.get(at)
    }

    /// Returns `len` bytes from the word `at` on, nothing if they are not all inside the region.
    #[inline]
    pub(crate) fn bytes(&self, at: usize, len: usize) -> &'p [u8] {
        match self.words.get(at..at.wrapping_add(len.div_ceil(8))) {
            // SAFETY: the words are inside the region, any byte is a valid u8. Strings are written before their handle is
            // known to anyone and not changed while a handle lives; a stale handle may show bytes in change, as noted above.
            Some(words) => unsafe { core::slice::from_raw_parts(words.as_ptr().cast::<u8>(), len) },
            None => &[],
        }
    }

    /// Returns `len` writable bytes from the word `at` on, nothing if they are not all inside the region.
    ///
    /// # Safety
    /// The caller owns these words alone (a frame's buffer, or a block not yet published) and keeps one such slice at a time.
    #[inline]
    pub(crate) unsafe fn bytes_mut(&self, at: usize, len: usize) -> &'p mut [u8] {
        match self.words.get(at..at.wrapping_add(len.div_ceil(8))) {
            // SAFETY: the words are inside the region and interior mutable; the caller vouches for sole ownership.
            Some(words) => unsafe { core::slice::from_raw_parts_mut(words.as_ptr().cast_mut().cast::<u8>(), len) },
            None => &mut [],
        }
    }
}

const _: () = assert!(control::WORDS.is_power_of_two());
const _: () = assert!(align_of::<AtomicU64>() <= 8 && size_of::<AtomicU64>() == 8);
