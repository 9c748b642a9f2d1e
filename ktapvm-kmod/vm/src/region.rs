//! The region: the one piece of memory a VM has, as 64-bit words, and the only unsafe code of the crate.
//!
//! In: word indices. Out: words and byte strings. Invariant: every access is inside the region, whatever the index; words
//! are relaxed atomics, so that a race between CPUs can give an old value, never undefined behaviour.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::layout::control;

/// Words of as many registers as an operand can name.
pub(crate) const WINDOW: usize = 512;

/// Words at the end of a region that no index names: up to so many words from an index on are there if the first of them is.
pub(crate) const PAD: usize = 16;

/// Reads and writes of one region.
#[derive(Clone, Copy)]
pub(crate) struct Region<'p> {
    start: NonNull<AtomicU64>,
    /// Words that an index may name; [`PAD`] more follow.
    len: usize,
    owner: PhantomData<&'p [AtomicU64]>,
}

// SAFETY: a region is what a shared slice of atomics is, which may be sent and shared.
unsafe impl Send for Region<'_> {}
// SAFETY: as above.
unsafe impl Sync for Region<'_> {}

impl<'p> Region<'p> {
    /// Takes a region over; its words are 0. Nothing if it has not even a control part and the words at the end.
    pub(crate) fn new(memory: &'p mut [u64]) -> Option<Region<'p>> {
        let len = memory.len().checked_sub(PAD)?;
        if len < control::WORDS {
            return None;
        }
        // AtomicU64 has the size of u64 and, on every target this crate is built for, its alignment (checked below); the
        // exclusive borrow is given up for 'p, so that all later access goes through these atomics.
        let start = NonNull::from(memory).cast::<AtomicU64>();
        Some(Region {
            start,
            len,
            owner: PhantomData,
        })
    }

    /// Returns the words that an index may name.
    #[inline(always)]
    fn all(&self) -> &'p [AtomicU64] {
        // SAFETY: `new` was given them for 'p, and they are used as atomics alone.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Returns a word of the control part.
    #[inline(always)]
    pub(crate) fn control(&self, at: usize) -> &'p AtomicU64 {
        // SAFETY: `new` takes no region without a whole control part, and the mask keeps the index inside it.
        unsafe { self.start.add(at & (control::WORDS - 1)).as_ref() }
    }

    /// Returns the number of words.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the word at `at`, 0 outside the region.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> u64 {
        match self.atomic(at) {
            Some(word) => word.load(Ordering::Relaxed),
            None => 0,
        }
    }

    /// Sets the word at `at`; nothing outside the region.
    #[inline(always)]
    pub(crate) fn set(&self, at: usize, value: u64) {
        if let Some(word) = self.atomic(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Returns the two words from `at` on, zeros outside the region.
    #[inline(always)]
    pub(crate) fn pair(&self, at: usize) -> (u64, u64) {
        match self.words(at) {
            Some([first, second]) => (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)),
            None => (0, 0),
        }
    }

    /// Sets the two words from `at` on; nothing outside the region.
    #[inline(always)]
    pub(crate) fn set_pair(&self, at: usize, value: (u64, u64)) {
        if let Some([first, second]) = self.words(at) {
            first.store(value.0, Ordering::Relaxed);
            second.store(value.1, Ordering::Relaxed);
        }
    }

    /// Returns `N` words from the word `at` on, nothing if that is outside the region; `N` is at most [`PAD`].
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&self, at: usize) -> Option<&'p [AtomicU64; N]> {
        const { assert!(N <= PAD) };
        if at >= self.len {
            return None;
        }
        // SAFETY: `at` is inside, and as many words as PAD follow the last word that is.
        Some(unsafe { self.start.add(at).cast::<[AtomicU64; N]>().as_ref() })
    }

    /// Returns the two words of the value at `at`, nothing outside the region.
    #[inline(always)]
    pub(crate) fn slot(&self, at: usize) -> Option<&'p [AtomicU64; 2]> {
        self.words(at)
    }

    /// Returns `count` times `N` words from the word `at` on, fewer if they are not all inside the region.
    pub(crate) fn part<const N: usize>(&self, at: usize, count: usize) -> &'p [[AtomicU64; N]] {
        let (all, _) = self.all().get(at..).unwrap_or_default().as_chunks::<N>();
        all.get(..count).unwrap_or_default()
    }

    /// Returns the words of the 256 registers from the word `at` on, nothing if they are not all inside the region.
    #[inline(always)]
    pub(crate) fn window(&self, at: usize) -> Option<&'p [AtomicU64; WINDOW]> {
        if at >= self.len.saturating_sub(WINDOW) {
            return None;
        }
        // SAFETY: `at` and as many words behind it are inside.
        Some(unsafe { self.start.add(at).cast::<[AtomicU64; WINDOW]>().as_ref() })
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
        match self.words::<1>(at) {
            Some([word]) => Some(word),
            None => None,
        }
    }

    /// Returns `len` bytes from the word `at` on, nothing if they are not all inside the region.
    #[inline]
    pub(crate) fn bytes(&self, at: usize, len: usize) -> &'p [u8] {
        match self.all().get(at..at.wrapping_add(len.div_ceil(8))) {
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
        match self.all().get(at..at.wrapping_add(len.div_ceil(8))) {
            // SAFETY: the words are inside the region and interior mutable; the caller vouches for sole ownership.
            Some(words) => unsafe { core::slice::from_raw_parts_mut(words.as_ptr().cast_mut().cast::<u8>(), len) },
            None => &mut [],
        }
    }
}

const _: () = assert!(control::WORDS.is_power_of_two());
const _: () = assert!(align_of::<AtomicU64>() <= 8 && size_of::<AtomicU64>() == 8);
