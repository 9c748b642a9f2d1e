//! Where a handler's record and texts are made: one buffer for each frame.
//!
//! In: frames. Out: [`Buffer`]. Invariant: a buffer has one holder at a time; who comes while it is held goes without.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::block::Block;
use crate::request::Refused;

/// Bytes of a record, strings included.
pub(crate) const RECORD_ROOM: usize = 4096;
/// Bytes of the registers' text.
pub(crate) const TEXT_ROOM: usize = 2048;

/// A frame's buffer.
#[repr(C, align(64))]
pub(crate) struct Buffer {
    held: AtomicBool,
    record: UnsafeCell<[u8; RECORD_ROOM]>,
    text: UnsafeCell<[u8; TEXT_ROOM]>,
}

/// The buffers of a session; none until something needs them.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    first: AtomicPtr<Buffer>,
    count: AtomicUsize,
}

impl Buffers {
    /// Bytes that so many frames take.
    pub(crate) fn size(frames: usize) -> usize {
        frames.saturating_mul(size_of::<Buffer>())
    }

    /// True once there are some.
    pub(crate) fn are_there(&self) -> bool {
        !self.first.load(Ordering::Relaxed).is_null()
    }

    /// Makes them, one for each frame; returns the bytes they take. By one request at a time, before anything fires.
    pub(crate) fn make(&self, frames: usize) -> Result<u64, Refused> {
        let block = Block::take(Buffers::size(frames))?;
        let bytes = block.bytes() as u64;
        self.count.store(frames, Ordering::Relaxed);
        self.first.store(block.into_start().cast(), Ordering::Release);
        Ok(bytes)
    }

    /// Gives them back. After the last handler.
    pub(crate) fn free(&self) {
        let first = self.first.swap(core::ptr::null_mut(), Ordering::Acquire);
        if !first.is_null() {
            // SAFETY: it came from `make`, and by the caller's word no handler runs.
            unsafe { Block::free(first.cast()) };
        }
    }

    /// Takes the buffer of a frame; nothing if there is none, or it is held by a handler that this one interrupted.
    pub(crate) fn hold(&self, frame: usize) -> Option<&Buffer> {
        let first = self.first.load(Ordering::Acquire);
        if first.is_null() || frame >= self.count.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: `frame` is one of the buffers; they are zeroed memory, which is a valid buffer, and live until no handler runs.
        let buffer = unsafe { &*first.add(frame) };
        if buffer.held.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(buffer)
    }
}

impl Buffer {
    /// The record's bytes.
    ///
    /// # Safety
    /// By who holds it, and once, for the slice is writable.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn record(&self) -> &mut [u8; RECORD_ROOM] {
        // SAFETY: there is one holder, and by the caller's word this is its only such slice.
        unsafe { &mut *self.record.get() }
    }

    /// The text's bytes.
    ///
    /// # Safety
    /// As for the record.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn text(&self) -> &mut [u8; TEXT_ROOM] {
        // SAFETY: as for the record.
        unsafe { &mut *self.text.get() }
    }

    /// Lets go of it: by who holds it, who does not look at it any more.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }
}
