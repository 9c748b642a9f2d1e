//! How a program fares.
//!
//! In: nothing. Out: [`Ran`], [`Stats`]. Invariant: counts never go down within a session.

use crate::request::Reply;

/// How a run, or the whole program, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It goes on, or came to its end.
    Done = 0,
    /// It called `exit(status)`.
    Exit = 1,
    /// A trap stopped it.
    Trap = 2,
}

/// The output of `RunMain` and `RunEnd`. 56 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ran {
    /// How the request went.
    pub reply: Reply,
    /// How the run ended.
    pub end: End,
    /// Attachments that follow (`RunMain`), a `u16` each.
    pub attached: u32,
    /// Zero.
    pub reserved: u32,
}

/// How a run ended. 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct End {
    /// A [`State`].
    pub state: u32,
    /// [`ktap_bytecode::trap::Trap`] as number.
    pub trap: u32,
    /// `exit`'s status.
    pub status: i64,
    /// The trap's detail.
    pub detail: i64,
    /// The trap's word in the code.
    pub pc: u32,
    /// The trap's function.
    pub function: u32,
}

/// The output of `Stats`; [`AttachedStats`] of each attachment follow. 136 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stats {
    /// How the request went.
    pub reply: Reply,
    /// How the program stands.
    pub end: End,
    /// Handler runs.
    pub events: u64,
    /// `ktap_vm::Counters`: updates of tables dropped for want of memory.
    pub table_drops: u64,
    /// Runs given up for want of memory.
    pub out_of_memory: u64,
    /// Events that fired inside the VM.
    pub recursion: u64,
    /// Runs given up as a lock was held where nothing may wait.
    pub busy: u64,
    /// Records longer than a record may be.
    pub oversize: u64,
    /// Records the rings had no room for, all attachments together.
    pub lost: u64,
    /// Bytes in use.
    pub memory: u64,
    /// Bytes of records waiting to be read.
    pub waiting: u64,
    /// Attachments that follow.
    pub attached: u32,
    /// Zero.
    pub reserved: u32,
    /// Zero.
    pub reserved2: u64,
}

/// What one attachment missed. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct AttachedStats {
    /// Records the rings had no room for.
    pub lost: u64,
    /// Times the kernel itself missed the probe: return probes without a free instance, perf events throttled.
    pub missed: u64,
}

// Both sides count on these sizes, each the sum of its fields: there is no padding.
const _: () = assert!(size_of::<Ran>() == 56);
const _: () = assert!(size_of::<End>() == 32);
const _: () = assert!(size_of::<Stats>() == 136);
const _: () = assert!(size_of::<AttachedStats>() == 16);
