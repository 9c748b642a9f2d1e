//! A piece of kernel memory.
//!
//! In: sizes. Out: [`Block`]. Invariant: what a block holds is aligned, inside it, and gone when the block is dropped.

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::border::{kph_alloc, kph_free};
use crate::request::Refused;

/// Zeroed memory, aligned to 64; freed when dropped.
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

impl Block {
    /// Takes memory from the kernel.
    pub(crate) fn take(bytes: usize) -> Result<Block, Refused> {
        // SAFETY: any size may be asked for; we are in process context, for only requests take memory.
        let start = unsafe { kph_alloc(bytes.max(1)) };
        match NonNull::new(start.cast()) {
            Some(start) => Ok(Block { start, bytes }),
            None => Err(Refused::no_memory(bytes as u64)),
        }
    }

    /// Returns its size.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns its first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Lets go of it without freeing: somebody keeps `start`.
    pub(crate) fn into_start(self) -> *mut u8 {
        let start = self.start.as_ptr();
        core::mem::forget(self);
        start
    }

    /// Frees what [`Block::into_start`] gave.
    ///
    /// # Safety
    /// It came from there, and nobody uses it any more.
    pub(crate) unsafe fn free(start: *mut u8) {
        // SAFETY: by the caller's word it is a block of the kernel's.
        unsafe { kph_free(start.cast()) };
    }

    /// Begins to give it away in pieces, the first `skip` bytes left out.
    pub(crate) fn carver(&self, skip: usize) -> Carver<'_> {
        Carver {
            block: PhantomData,
            start: self.start.as_ptr(),
            at: skip,
            bytes: self.bytes,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it is ours, from `kph_alloc`, and nobody else frees it.
        unsafe { kph_free(self.start.as_ptr().cast()) };
    }
}

/// Gives a block away piece by piece.
pub(crate) struct Carver<'b> {
    block: PhantomData<&'b Block>,
    start: *mut u8,
    at: usize,
    bytes: usize,
}

/// Bytes a list takes in a block, its alignment included.
pub(crate) fn room<T>(count: usize) -> usize {
    count.saturating_mul(size_of::<T>()).saturating_add(align_of::<T>())
}

impl Carver<'_> {
    /// Makes a list of what `make` gives of each item of `from`.
    ///
    /// The list lives as long as the block, which the caller has to see to: the lifetime is not bound.
    pub(crate) fn list<F: Copy, T: Copy>(
        &mut self,
        from: &[F],
        mut make: impl FnMut(usize, F) -> Result<T, Refused>,
    ) -> Result<&'static [T], Refused> {
        let first = self.at.next_multiple_of(align_of::<T>());
        let end = first.saturating_add(from.len().saturating_mul(size_of::<T>()));
        if end > self.bytes {
            return Err(Refused::no_memory(end as u64));
        }
        // SAFETY: `first` is inside the block, or at its end for an empty list.
        let list = unsafe { self.start.add(first) }.cast::<T>();
        for (index, item) in from.iter().enumerate() {
            let made = make(index, *item)?;
            // SAFETY: the item is inside the block by the check above, aligned, and nobody else's, for pieces never overlap.
            unsafe { list.add(index).write(made) };
        }
        self.at = end;
        // SAFETY: all its items were just written, and are not written again.
        Ok(unsafe { core::slice::from_raw_parts(list, from.len()) })
    }

    /// Copies bytes.
    pub(crate) fn copy(&mut self, from: &[u8]) -> Result<&'static [u8], Refused> {
        self.list(from, |_, byte| Ok(byte))
    }

    /// Copies a name for C, a NUL behind it.
    pub(crate) fn name(&mut self, from: &[u8]) -> Result<*const u8, Refused> {
        let first = self.at;
        self.list(from, |_, byte| Ok(byte))?;
        self.list(&[0u8], |_, byte| Ok(byte))?;
        // SAFETY: `first` is inside the block: the NUL at least is behind it. The pointer reaches all of the block, not the name alone.
        Ok(unsafe { self.start.add(first) })
    }
}
