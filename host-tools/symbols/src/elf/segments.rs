//! Where addresses of a program lie in its file.
//!
//! In: program headers. Out: file offsets. Invariant: an offset given out is inside the file.

use goblin::elf::Elf;
use goblin::elf::program_header::{PF_X, PT_LOAD};

/// A stretch of the file that is mapped.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    offset: u64,
    len: u64,
    code: bool,
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Segments(Vec<Segment>);

impl Segments {
    pub(super) fn of(elf: &Elf<'_>, file_len: u64) -> Segments {
        let loaded = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD);
        Segments(
            loaded
                .map(|header| Segment {
                    address: header.p_vaddr,
                    offset: header.p_offset,
                    len: header.p_filesz.min(file_len.saturating_sub(header.p_offset)),
                    code: header.p_flags & PF_X != 0,
                })
                .collect(),
        )
    }

    fn find(&self, address: u64, code: bool) -> Option<u64> {
        self.0
            .iter()
            .filter(|segment| segment.code || !code)
            .find_map(|segment| {
                let inside = address.checked_sub(segment.address)?;
                (inside < segment.len).then(|| segment.offset + inside)
            })
    }

    /// Returns the file offset of an address that is mapped to be run.
    pub(super) fn code_offset(&self, address: u64) -> Option<u64> {
        self.find(address, true)
    }

    /// Returns the file offset of an address that the file fills.
    pub(super) fn data_offset(&self, address: u64) -> Option<u64> {
        self.find(address, false)
    }

    /// Returns true if the byte of the file is mapped to be run.
    pub(super) fn is_code(&self, offset: u64) -> bool {
        self.0.iter().any(|segment| {
            let inside = offset.checked_sub(segment.offset);
            segment.code && inside.is_some_and(|inside| inside < segment.len)
        })
    }
}
