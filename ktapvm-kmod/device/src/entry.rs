//! What `read` gives: whole entries, oldest first, the rings of all CPUs merged by time.
//!
//! In: nothing. Out: [`EntryHeader`]. Invariant: an entry is never split between two reads.

/// The head of an entry; `len` bytes of a record's body follow, then zeros up to a multiple of 8. 16 bytes.
///
/// With [`ktap_bytecode::record::encode_header`] in front the body is a whole record of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct EntryHeader {
    /// Trace clock at the event, nanoseconds. The entries of one handler run have the same time.
    pub time_ns: u64,
    /// Bytes of the body.
    pub len: u32,
    /// CPU.
    pub cpu: u16,
    /// The attachment, or [`ktap_bytecode::record::MAIN_PROBE`].
    pub probe: u16,
}

const _: () = assert!(size_of::<EntryHeader>() == 16);
