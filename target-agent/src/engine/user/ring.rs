//! One CPU's perf ring, read record by record.
//!
//! In: memory the kernel writes. Out: whole records, copied out. Invariant: nothing behind the head seen at the last
//! `refresh` is read, and the kernel may overwrite a record only after it was copied.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::merge::Queue;
use super::sample::{HEADER, time_of};
use crate::sys::Result;
use crate::sys::file::Fd;
use crate::sys::memory::Mapping;

/// Offsets in `struct perf_event_mmap_page` (include/uapi/linux/perf_event.h).
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// Where the ring's bytes are.
#[derive(Debug)]
enum Memory {
    Mapped(Mapping),
    #[cfg(test)]
    Owned(Vec<u64>),
}

impl Memory {
    fn start(&self) -> *mut u8 {
        match self {
            Memory::Mapped(map) => map.start().as_ptr(),
            #[cfg(test)]
            Memory::Owned(words) => words.as_ptr() as *mut u8,
        }
    }
}

/// A ring and the record at its front.
#[derive(Debug)]
pub struct Ring {
    memory: Memory,
    /// Bytes before the data: the control page.
    control: usize,
    /// Bytes of data, a power of two.
    size: u64,
    tail: u64,
    head: u64,
    front: Vec<u8>,
}

impl Ring {
    /// Maps the ring of `owner` with `pages` data pages, a power of two.
    ///
    /// # Errors
    /// The kernel's errno; `EPERM` or `ENOMEM` if that is more than the kernel gives.
    pub fn map(owner: &Fd, pages: u32, page: usize) -> Result<Ring> {
        let memory = Memory::Mapped(Mapping::shared(owner.raw(), (pages as usize + 1) * page)?);
        let size = pages as u64 * page as u64;
        Ok(Ring {
            memory,
            control: page,
            size,
            tail: 0,
            head: 0,
            front: Vec::new(),
        })
    }

    /// Looks how far the kernel has written.
    pub fn refresh(&mut self) {
        self.head = self.cursor(DATA_HEAD).load(Ordering::Acquire);
    }

    /// Swaps the front record for the bytes in `record`, whose room is used again; false if there is none.
    pub fn take(&mut self, record: &mut Vec<u8>) -> bool {
        self.load_front();
        core::mem::swap(&mut self.front, record);
        self.front.clear();
        !record.is_empty()
    }

    /// Returns the bytes waiting in the ring.
    pub fn waiting(&self) -> u64 {
        self.head.wrapping_sub(self.tail)
    }

    /// Returns the memory it takes, bytes.
    pub fn bytes(&self) -> u64 {
        self.control as u64 + self.size
    }

    fn cursor(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the control page holds these two words, aligned, for as long as the mapping lives; the kernel changes them
        // atomically.
        unsafe { &*self.memory.start().add(offset).cast::<AtomicU64>() }
    }

    fn load_front(&mut self) {
        if !self.front.is_empty() || self.waiting() < HEADER as u64 {
            return;
        }
        let mut header = [0u8; HEADER];
        self.copy(self.tail, &mut header);
        let len = u16::from_ne_bytes([header[6], header[7]]) as u64;
        if len < HEADER as u64 || len > self.waiting() {
            // The kernel never writes this; without a length nothing behind it can be read either.
            self.tail = self.head;
        } else {
            let mut front = core::mem::take(&mut self.front);
            front.resize(len as usize, 0);
            self.copy(self.tail, &mut front);
            self.front = front;
            self.tail += len;
        }
        self.cursor(DATA_TAIL).store(self.tail, Ordering::Release);
    }

    /// Copies bytes of the data area, round its end.
    fn copy(&self, position: u64, out: &mut [u8]) {
        let at = (position & (self.size - 1)) as usize;
        let first = out.len().min(self.size as usize - at);
        // SAFETY: both parts lie in the data area behind the control page: `at < size`, `first <= size - at`, and the rest is
        // no longer than the record, which is at most `size`. The kernel does not write between tail and head.
        unsafe {
            let data = self.memory.start().add(self.control);
            core::ptr::copy_nonoverlapping(data.add(at), out.as_mut_ptr(), first);
            core::ptr::copy_nonoverlapping(data, out.as_mut_ptr().add(first), out.len() - first);
        }
    }
}

impl Queue for Ring {
    fn front_time(&mut self) -> Option<u64> {
        self.load_front();
        (!self.front.is_empty()).then(|| time_of(&self.front))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::user::sample::tests::sample_record;

    const CONTROL: usize = 4096;
    const SIZE: usize = 256;

    fn ring_at(start: u64, bytes: &[u8]) -> Ring {
        let mut words = vec![0u64; (CONTROL + SIZE) / 8];
        for (i, byte) in bytes.iter().enumerate() {
            let at = CONTROL + (start as usize + i) % SIZE;
            let shift = (at % 8) * 8;
            words[at / 8] |= u64::from_le((*byte as u64) << shift);
        }
        words[DATA_HEAD / 8] = start + bytes.len() as u64;
        let memory = Memory::Owned(words);
        Ring {
            memory,
            control: CONTROL,
            size: SIZE as u64,
            tail: start,
            head: start,
            front: Vec::new(),
        }
    }

    #[test]
    fn records_round_the_end() {
        let first = sample_record(1, 10, None, &[1; 20]);
        let second = sample_record(2, 20, None, &[2; 28]);
        for start in [0, 8, SIZE as u64 - 8, SIZE as u64 * 3 - 40] {
            let mut ring = ring_at(start, &[first.clone(), second.clone()].concat());
            let mut record = Vec::new();
            assert!(!ring.take(&mut record), "nothing before a refresh");
            ring.refresh();
            assert_eq!(ring.front_time(), Some(10));
            assert!(ring.take(&mut record));
            assert_eq!(record, first);
            assert!(ring.take(&mut record));
            assert_eq!(record, second);
            assert!(!ring.take(&mut record));
            let tail = ring.cursor(DATA_TAIL).load(Ordering::Relaxed);
            assert_eq!(tail, start + (first.len() + second.len()) as u64);
        }
    }

    #[test]
    fn a_record_without_length_ends_the_ring() {
        let mut ring = ring_at(0, &[0; 64]);
        ring.refresh();
        assert_eq!(ring.front_time(), None);
        assert_eq!(ring.waiting(), 0);
    }
}
