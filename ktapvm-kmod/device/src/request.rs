//! Requests: the one shape of all ioctls.
//!
//! In: bytes in user memory. Out: bytes in user memory. Invariant: numbers are append-only.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::Op;

/// Revision of the requests, raised with every change of their structures or meaning.
const REVISION: u32 = 1;

/// Version of this interface; module and agent must agree on it exactly, for both come out of one build. A module that knows fewer ops or builtins
/// than the agent would refuse what the agent has verified, so their numbers are part of it.
pub const INTERFACE: u32 = REVISION << 16 | (Op::ALL.len() as u32) << 8 | Builtin::ALL.len() as u32;

/// Largest input, bytes.
pub const MAX_INPUT: u32 = 4 << 20;
/// Largest output, bytes.
pub const MAX_OUTPUT: u32 = 1 << 20;
/// The device.
pub const PATH: &str = "/dev/ktap";

numbered! {
    /// What is asked, the ioctl's number.
    pub enum Kind: u32 {
        /// Nothing in; [`VersionReply`] out.
        Version = 0,
        /// [`crate::load::Load`] and its sections in; [`crate::load::Loaded`] out. Once per session.
        Load = 1,
        /// [`crate::load::Scope`] in; [`Reply`] out. Before `Enable`.
        Scope = 2,
        /// Nothing in; [`crate::stats::Ran`] and the probe sites of the attachments, a `u16` each, out.
        RunMain = 3,
        /// [`crate::attach::Attach`] and its sections in; [`crate::attach::Attached`] out. The probe is in place, but does not fire yet.
        Attach = 4,
        /// Nothing in; [`Reply`] out: from now on probes fire.
        Enable = 5,
        /// Nothing in; [`Reply`] out: nothing fires any more. `detail` probes are still in place, to be taken out by the next `Stop`: a thousand of them
        /// take seconds. At 0 no handler runs either. Records stay to be read.
        Stop = 6,
        /// An attachment's number, a `u32`, in; [`crate::stats::Ran`] out: runs its handler once, after `Stop`.
        RunEnd = 7,
        /// Nothing in; [`crate::stats::Stats`] and [`crate::stats::AttachedStats`] for each attachment out.
        Stats = 8,
    }
}

impl Kind {
    /// Returns the ioctl's number: `_IOWR('K', kind, struct ktap_request)` of the kernel's asm-generic layout.
    pub const fn ioctl(self) -> u32 {
        3 << 30 | (size_of::<Request>() as u32) << 16 | (b'K' as u32) << 8 | self as u32
    }
}

/// The argument of every ioctl. 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Request {
    /// Address of the input in the caller's memory.
    pub input: u64,
    /// Address of the output.
    pub output: u64,
    /// Bytes of input.
    pub input_len: u32,
    /// Room for output, bytes.
    pub output_len: u32,
}

numbered! {
    /// Why a request is refused.
    pub enum Code: u32 {
        /// It is done.
        Done = 0,
        /// It makes no sense in this state of the session.
        OutOfOrder = 1,
        /// The input is no such request: `detail` is the offset of what is wrong.
        Malformed = 2,
        /// The program breaks the verifier's rule `detail & 0xffff` at word `detail >> 32`.
        Rule = 3,
        /// Memory: `detail` bytes are not to be had.
        NoMemory = 4,
        /// The kernel said `errno`.
        System = 5,
        /// This kernel cannot do it; `detail` is a [`crate::attach::Lacking`].
        Unsupported = 6,
        /// No such function, event, register or file.
        NotFound = 7,
        /// Needs a session that was loaded with [`crate::load::UNSAFE`].
        Unsafe = 8,
    }
}

/// How a request came out; every output begins with it. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Reply {
    /// A [`Code`].
    pub code: u32,
    /// The kernel's errno, positive; 0 if none.
    pub errno: i32,
    /// By code.
    pub detail: i64,
}

/// A list inside a request: `count` items from byte `offset` of the request on, aligned for their type. 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Section {
    /// First byte, from the start of the request.
    pub offset: u32,
    /// Items; bytes for a list of bytes.
    pub count: u32,
}

/// The module's identity. 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct VersionReply {
    /// How it went.
    pub reply: Reply,
    /// [`INTERFACE`] of the module.
    pub interface: u32,
    /// CPUs that may ever be online.
    pub cpus: u32,
    /// Bit n is set when this kernel can attach [`crate::attach::Kind`] n.
    pub kinds: u64,
    /// Zero.
    pub reserved: u64,
}

// Both sides count on these sizes, each the sum of its fields: there is no padding.
const _: () = assert!(size_of::<Request>() == 24);
const _: () = assert!(size_of::<Reply>() == 16);
const _: () = assert!(size_of::<Section>() == 8);
const _: () = assert!(size_of::<VersionReply>() == 40);
