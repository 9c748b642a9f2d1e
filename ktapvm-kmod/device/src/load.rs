//! Loading a program.
//!
//! In: nothing. Out: [`Load`], [`Loaded`], [`Scope`]. Invariant: sections hold the contract's own `repr(C)` types, so nothing is decoded in the kernel.

use crate::request::{Reply, Section};

/// Flag: `set_retval`, error injection and other writes are allowed.
pub const UNSAFE: u32 = 1;

/// The input of `Load`; its sections follow it. 104 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Load {
    /// Bytes of the whole request.
    pub len: u32,
    /// [`UNSAFE`].
    pub flags: u32,
    /// [`ktap_bytecode::limits::Limits`]: memory, loops, fuel, stack_slots, call_depth, scratch.
    pub limits: [u32; 6],
    /// Bytes of each CPU's ring, a power of two, 4 KiB at least; 0 takes the default.
    pub ring_bytes: u32,
    /// Global slots.
    pub globals: u16,
    /// Probe sites.
    pub probes: u16,
    /// [`ktap_bytecode::code::Function`]s.
    pub functions: Section,
    /// [`ktap_bytecode::op::Word`]s.
    pub code: Section,
    /// [`ktap_bytecode::code::Const`]s.
    pub consts: Section,
    /// Bytes.
    pub bytes: Section,
    /// [`ktap_bytecode::code::Capture`]s.
    pub captures: Section,
    /// [`ktap_bytecode::code::Field`]s.
    pub fields: Section,
    /// [`ktap_bytecode::code::Format`]s.
    pub formats: Section,
    /// Zero.
    pub reserved: u64,
}

/// The output of `Load`. 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Loaded {
    /// How it went.
    pub reply: Reply,
    /// Bytes the session took: region, frames and rings.
    pub memory: u64,
    /// Index of the item the verifier refused, with [`crate::request::Code::Rule`].
    pub index: u32,
    /// Zero.
    pub reserved: u32,
    /// Zero.
    pub reserved2: u64,
}

/// Most processes a session can be told to leave out.
pub const MAX_EXCLUDED: usize = 8;

/// Which events count: the input of `Scope`. 56 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Scope {
    /// Only this process (TGID); 0: all.
    pub only: u32,
    /// 1: `only`'s children, born from now on, count too, and theirs.
    pub follow: u32,
    /// Only this CPU; -1: all.
    pub cpu: i32,
    /// Entries of `excluded` in use.
    pub excluded_count: u32,
    /// Processes (TGID) whose events do not count.
    pub excluded: [u32; MAX_EXCLUDED],
    /// Zero.
    pub reserved: u64,
}

// Both sides count on these sizes, each the sum of its fields: there is no padding.
const _: () = assert!(size_of::<Load>() == 104);
const _: () = assert!(size_of::<Loaded>() == 40);
const _: () = assert!(size_of::<Scope>() == 56);
