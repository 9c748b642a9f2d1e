//! Packing a request: a head, then lists at aligned places.
//!
//! In: a head, lists. Out: bytes and the [`Section`]s that say where each list is. Invariant: every list begins at a multiple of 8.

use alloc::vec::Vec;

use ktap_device::request::Section;

use super::device::{Plain, bytes_of};

/// A request in the making.
#[derive(Debug)]
pub struct Pack {
    bytes: Vec<u8>,
}

impl Pack {
    /// Leaves room for a head of this many bytes.
    pub fn new(head: usize) -> Pack {
        Pack {
            bytes: alloc::vec![0; head],
        }
    }

    /// Adds a list.
    pub fn list<T: Copy>(&mut self, items: &[T]) -> Section {
        if items.is_empty() {
            return Section::default();
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let section = Section {
            offset: self.bytes.len() as u32,
            count: items.len() as u32,
        };
        // SAFETY: callers give lists of plain types: repr(C), every byte set.
        let bytes = unsafe { core::slice::from_raw_parts(items.as_ptr().cast::<u8>(), size_of_val(items)) };
        self.bytes.extend_from_slice(bytes);
        section
    }

    /// Returns the length of the whole request.
    pub fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Returns true if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts the head in place and returns the request.
    pub fn finish<T: Plain>(mut self, head: &T) -> Vec<u8> {
        put_head(&mut self.bytes, head);
        self.bytes
    }
}

/// Puts the head of a request in place.
pub fn put_head<T: Plain>(request: &mut [u8], head: &T) {
    let head = bytes_of(head);
    if let Some(room) = request.get_mut(..head.len()) {
        room.copy_from_slice(head);
    }
}
