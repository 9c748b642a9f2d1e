//! Where a handler's record and texts are made: one buffer for each frame.
//!
//! In: frames. Out: [`Buffer`]. Invariant: a buffer has one holder at a time; who comes while it is held goes without.

use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::block::Block;
use crate::request::Refused;

/// Bytes kept free before a record, for what comes first when it is sent as it is.
pub(crate) const HEAD_ROOM: usize = 8;
/// Bytes of a record, strings included.
pub(crate) const RECORD_ROOM: usize = 4096;
/// Bytes of the registers' text.
pub(crate) const TEXT_ROOM: usize = 2048;

/// A frame's buffer.
#[repr(C, align(64))]
pub(crate) struct Buffer {
    held: AtomicBool,
    record_len: Cell<Option<usize>>,
    text_len: Cell<Option<usize>>,
    sheet: UnsafeCell<Sheet>,
    text: UnsafeCell<[u8; TEXT_ROOM]>,
}

/// A record, and the room before it.
#[repr(C)]
struct Sheet {
    head: [u8; HEAD_ROOM],
    record: [u8; RECORD_ROOM],
}

/// Somebody holds the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

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

    /// Takes the buffer of a frame; nothing if there is none.
    ///
    /// # Errors
    /// It is held by a handler that this one interrupted.
    pub(crate) fn hold(&self, frame: usize) -> Result<Option<&Buffer>, Taken> {
        let first = self.first.load(Ordering::Acquire);
        if first.is_null() || frame >= self.count.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // SAFETY: `frame` is one of the buffers; they were zeroed memory, and live until no handler runs. Only `held` is looked at before it is ours.
        let held = unsafe { &(*first.add(frame)).held };
        if held.swap(true, Ordering::Acquire) {
            return Err(Taken);
        }
        // SAFETY: as above, and it is ours.
        let buffer = unsafe { &*first.add(frame) };
        buffer.record_len.set(None);
        buffer.text_len.set(None);
        Ok(Some(buffer))
    }
}

impl Buffer {
    /// The record, made by `make`, which says how long it is, when it is first asked for.
    pub(crate) fn record(&self, make: impl FnOnce(&mut [u8; RECORD_ROOM]) -> usize) -> &[u8] {
        // SAFETY: only a place is named.
        kept(&self.record_len, unsafe { &raw mut (*self.sheet.get()).record }, make)
    }

    /// The record with the last `len` bytes of `head` before it.
    #[inline(always)]
    pub(crate) fn headed(&self, head: [u8; HEAD_ROOM], len: usize) -> &[u8] {
        let len = len.min(HEAD_ROOM);
        let record = self.record_len.get().unwrap_or(0).min(RECORD_ROOM);
        let sheet = self.sheet.get();
        // SAFETY: there is one holder. The room before the record is no part of what was given out of it; it is not written any more while `head` is looked
        // at, for the event's record has one head. Both lie one behind the other, and so many bytes of them are there.
        unsafe {
            (*sheet).head = head;
            core::slice::from_raw_parts(
                sheet.cast::<u8>().add(HEAD_ROOM.wrapping_sub(len)),
                len.wrapping_add(record),
            )
        }
    }

    /// The text, likewise.
    pub(crate) fn text(&self, make: impl FnOnce(&mut [u8; TEXT_ROOM]) -> usize) -> &[u8] {
        kept(&self.text_len, self.text.get(), make)
    }

    /// Lets go of it: by who holds it, who does not look at it any more.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }
}

/// What a buffer keeps at `bytes`, which are part of it.
#[inline(always)]
fn kept<const N: usize>(
    len: &Cell<Option<usize>>,
    bytes: *mut [u8; N],
    make: impl FnOnce(&mut [u8; N]) -> usize,
) -> &[u8] {
    let made = match len.get() {
        Some(made) => made,
        None => {
            // Said first: whatever `make` comes to ask for sees nothing, and the bytes are written only once.
            len.set(Some(0));
            // SAFETY: there is one holder, and until now it has seen none of the bytes.
            let made = make(unsafe { &mut *bytes });
            len.set(Some(made));
            made
        }
    };
    // SAFETY: they are not written any more while the buffer is held.
    unsafe { &*bytes }.get(..made).unwrap_or_default()
}
