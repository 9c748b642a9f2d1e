//! Memory mapped from the kernel.
//!
//! In: sizes and descriptors. Out: [`Mapping`]. Invariant: a mapping lives exactly as long as its owner.

use core::ptr::NonNull;

use syscalls::{Sysno, syscall};

use super::Result;

/// Returns the kernel's page size, bytes, as it tells every process in the auxiliary vector.
pub fn page_size() -> usize {
    const AT_PAGESZ: usize = 6;
    const WORD: usize = size_of::<usize>();
    let vector = super::file::read_file("/proc/self/auxv", 4096).unwrap_or_default();
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0usize, |n, b| n << 8 | *b as usize);
    let entry = vector
        .chunks_exact(2 * WORD)
        .find(|entry| word(&entry[..WORD]) == AT_PAGESZ);
    entry
        .map(|entry| word(&entry[WORD..]))
        .filter(|size| size.is_power_of_two())
        .unwrap_or(4096)
}

/// Maps `len` zeroed bytes; the caller unmaps them.
///
/// # Errors
/// The kernel's errno.
pub fn anonymous(len: usize) -> Result<NonNull<u8>> {
    const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing of ours.
    unsafe { map_raw(len, MAP_PRIVATE_ANONYMOUS, -1) }
}

/// Takes a mapping away.
///
/// # Safety
/// `start` and `len` are one whole mapping that nothing refers to any more.
pub unsafe fn unmap(start: NonNull<u8>, len: usize) {
    // SAFETY: by the caller's word.
    let _ = unsafe { syscall!(Sysno::munmap, start.as_ptr(), len) };
}

/// Zeroed words of our own that take real memory only where they are touched.
#[derive(Debug)]
pub struct Words {
    start: NonNull<u8>,
    count: usize,
}

impl Words {
    /// Maps `count` words.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn zeroed(count: usize) -> Result<Words> {
        let bytes = count
            .max(1)
            .checked_mul(size_of::<u64>())
            .ok_or(syscalls::Errno::ENOMEM)?;
        Ok(Words {
            start: anonymous(bytes)?,
            count: count.max(1),
        })
    }

    /// Borrows them.
    pub fn as_mut_slice(&mut self) -> &mut [u64] {
        // SAFETY: the mapping holds this many words, page aligned, zeroed, and is ours alone.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.count) }
    }

    /// Returns their length, bytes.
    pub fn bytes(&self) -> usize {
        self.count * size_of::<u64>()
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and its owner is gone.
        unsafe { unmap(self.start, self.bytes()) }
    }
}

/// Maps memory of a descriptor, shared, for reading and writing.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps the first `len` bytes of `fd`.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn shared(fd: i32, len: usize) -> Result<Mapping> {
        const MAP_SHARED: usize = 1;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        let start = unsafe { map_raw(len, MAP_SHARED, fd) }?;
        Ok(Mapping { start, len })
    }

    /// Returns its first byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Returns its length, bytes.
    pub fn size(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and its owner is gone.
        unsafe { unmap(self.start, self.len) }
    }
}

unsafe fn map_raw(len: usize, flags: usize, fd: i32) -> Result<NonNull<u8>> {
    const PROT_READ_WRITE: usize = 3;
    #[cfg(not(target_arch = "arm"))]
    let nr = Sysno::mmap;
    #[cfg(target_arch = "arm")]
    let nr = Sysno::mmap2;
    // SAFETY: address 0 lets the kernel choose; by the caller's word the flags ask for a new mapping.
    let address = unsafe { syscall!(nr, 0, len, PROT_READ_WRITE, flags, fd as isize, 0) }?;
    NonNull::new(address as *mut u8).ok_or(syscalls::Errno::ENOMEM)
}
