//! Attaching a probe: where, under which filter, and where the program's field references find their values.
//!
//! In: nothing. Out: [`Attach`] and what its sections hold. Invariant: a source that lies outside an event's record is nil; nothing here can make the kernel
//! read memory but through its fault-safe reads.
//!
//! **The record.** Events whose values are asked for have a record, laid out as tracefs would: 8 common bytes (`u16` format id, `u8` flags, `u8`
//! preempt count, `i32` tid), then the event's own fields. For a formatted tracepoint it is the kernel's own record. For system
//! calls (`raw_syscalls` and `syscalls` alike) it is the number at byte 8 and, from byte 16, the arguments or the return value, 8 bytes each. For
//! kprobes and uprobes it is the probe's address at byte 8 (return probes: function at 8, return address at 16), then the fetch-args. For functions:
//! ip at 8, parent ip at 16. A string is a word `length:16 offset:16` at its place, the bytes behind the fixed part, NUL included in the length.

use crate::request::{Reply, Section};

numbered! {
    /// A way to attach.
    pub enum Kind: u16 {
        /// The tracepoint `name` itself: no record, cheapest.
        RawTracepoint = 0,
        /// The trace event with perf id `config`, with the kernel's own record; `name` is its `system:event`, if known.
        Tracepoint = 1,
        /// System calls' entry: number `syscall`, or all.
        SyscallEnter = 2,
        /// System calls' exit, likewise.
        SyscallExit = 3,
        /// `name`, or `module:name`, at byte `offset`; without a name, the address `offset`.
        Kprobe = 4,
        /// Return of `name`; `extra` is how many may be inside at a time, 0 for the kernel's default.
        Kretprobe = 5,
        /// Entry of every function that the ftrace glob `name` matches.
        Function = 6,
        /// A timer on one CPU, every `extra` nanoseconds; its handler runs in process context.
        Tick = 7,
        /// A sample on every CPU, every `extra` nanoseconds of CPU time, in interrupt context.
        Profile = 8,
        /// A perf event: type `perf_type`, number `config`, a sample every `extra` events, on every CPU.
        PerfEvent = 9,
        /// A hardware breakpoint at address `offset`: `extra` is `len | access << 8` (access: bit 0 read, 1 write, 2 execute).
        Breakpoint = 10,
        /// Byte `offset` of the file `name`; `extra` is the file offset of a reference counter, 0 if none.
        Uprobe = 11,
        /// Return of the function at byte `offset` of the file `name`.
        Uretprobe = 12,
        /// Exit of every function the glob matches, through fprobe.
        FunctionExit = 13,
    }
}

numbered! {
    /// Why this kernel cannot attach something.
    pub enum Lacking: u32 {
        /// It was built without what the kind needs.
        NotBuilt = 1,
        /// It cannot step over a watched access on this processor.
        NoStep = 2,
        /// The function may not be probed.
        Forbidden = 3,
        /// The function is not one whose return value may be overridden.
        NotInjectable = 4,
    }
}

/// Flag: the handler, the filter or `tostring` uses the record.
pub const NEEDS_RECORD: u32 = 1;

/// The input of `Attach`; its sections follow it. 120 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attach {
    /// Bytes of the whole request.
    pub len: u32,
    /// A [`Kind`].
    pub kind: u16,
    /// The attachment whose handler runs.
    pub attached: u16,
    /// [`NEEDS_RECORD`].
    pub flags: u32,
    /// System call number for syscall kinds, -1 for all.
    pub syscall: i32,
    /// perf's type.
    pub perf_type: u32,
    /// The id that deferred text of this event carries, and the record's first two bytes.
    pub format_id: u16,
    /// Zero.
    pub reserved: u16,
    /// By kind.
    pub offset: u64,
    /// By kind.
    pub extra: u64,
    /// By kind.
    pub config: u64,
    /// Bytes of the record's fixed part, where the module makes it; a multiple of 8.
    pub record_len: u32,
    /// Zero.
    pub reserved2: u32,
    /// Bytes: name, glob or path, without NUL.
    pub name: Section,
    /// Bytes: `e.name`.
    pub event: Section,
    /// [`Source`] of each of the program's field references.
    pub fields: Section,
    /// [`Source`] of each own field, in order.
    pub own: Section,
    /// [`Test`]s, postfix; none: everything passes.
    pub filter: Section,
    /// [`Fetch`]es.
    pub fetches: Section,
    /// [`Deref`]s that fetches refer to.
    pub derefs: Section,
    /// Bytes that sources, tests and fetches refer to.
    pub text: Section,
}

/// The output of `Attach`. 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attached {
    /// How it went.
    pub reply: Reply,
    /// Functions or events it matched; 0 if the kernel does not say.
    pub matched: u32,
    /// Zero.
    pub reserved: u32,
}

numbered! {
    /// How a value is found.
    pub enum SourceKind: u16 {
        /// There is none.
        Nil = 0,
        /// The boolean `b != 0`.
        Bool = 1,
        /// The number `b`.
        Int = 2,
        /// `size` bytes (1, 2, 4, 8) at byte `a` of the record; sign-extended if `b` is 1.
        RecordInt = 3,
        /// Up to `b` characters at byte `a`.
        RecordChars = 4,
        /// Characters where the word at byte `a` says, its offset counted from byte `b`.
        RecordLocated = 5,
        /// Bytes `a .. a + b` of the request's text.
        Text = 6,
        /// Word `a` of the event: system calls: number, then arguments or return value; return probes: the return value.
        Word = 7,
        /// The registers as text.
        Registers = 8,
    }
}

/// Where a field reference finds its value. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Source {
    /// A [`SourceKind`].
    pub kind: u16,
    /// Bytes of a number.
    pub size: u16,
    /// By kind.
    pub a: u32,
    /// By kind.
    pub b: u64,
}

numbered! {
    /// A step of a filter. Tests push a boolean, `Not`, `And` and `Or` combine what was pushed; at most 64 lie there at a time.
    pub enum TestKind: u16 {
        /// The source equals `value`.
        Eq = 0,
        /// It differs.
        Ne = 1,
        /// It is less, signed or unsigned as the source is.
        Lt = 2,
        /// It is less or equal.
        Le = 3,
        /// It is greater.
        Gt = 4,
        /// It is greater or equal.
        Ge = 5,
        /// It has a bit of `value`.
        Bits = 6,
        /// The string is bytes `value` (`offset:32 length:32` of the text, offset in the low half).
        StrEq = 7,
        /// It is another.
        StrNe = 8,
        /// The glob matches it.
        Glob = 9,
        /// The last is turned round.
        Not = 10,
        /// Both of the last two.
        And = 11,
        /// Either of the last two.
        Or = 12,
    }
}

numbered! {
    /// A source that filters know beside the event's fields, in [`Test::special`].
    pub enum Special: u16 {
        /// None: `source` counts.
        None = 0,
        /// `common_pid`: the thread's id.
        Tid = 1,
        /// `CPU`.
        Cpu = 2,
        /// `COMM`.
        Comm = 3,
    }
}

/// One test. 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Test {
    /// A [`TestKind`].
    pub kind: u16,
    /// A [`Special`].
    pub special: u16,
    /// Zero.
    pub reserved: u32,
    /// The value tested.
    pub source: Source,
    /// What it is tested against.
    pub value: u64,
}

numbered! {
    /// Where a fetch begins.
    pub enum Base: u16 {
        /// The register whose name is `value` (`offset:32 length:32` of the text); the module puts its place in pt_regs there.
        Register = 0,
        /// `value` words up the stack: `$stackN`.
        StackSlot = 1,
        /// The stack pointer: `$stack`.
        Stack = 2,
        /// `$retval`.
        Retval = 3,
        /// Argument `value` of the function, from 1: `$argN`.
        Argument = 4,
        /// `value` itself: `\42`, or the address of `@SYM`.
        Immediate = 5,
        /// Bytes `value` of the text: `\"text"`.
        Text = 6,
        /// `$comm`.
        Comm = 7,
    }
}

numbered! {
    /// What is made of it.
    pub enum Shape: u16 {
        /// A number of `size` bytes, unsigned.
        Unsigned = 0,
        /// A number of `size` bytes, signed.
        Signed = 1,
        /// A string in kernel memory.
        String = 2,
        /// A string in user memory.
        UserString = 3,
        /// `width` bits from bit `shift` of `size` bytes.
        Bits = 4,
    }
}

/// One fetch-arg. 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fetch {
    /// A [`Base`].
    pub base: u16,
    /// A [`Shape`].
    pub shape: u16,
    /// Bytes of a number: 1, 2, 4, 8.
    pub size: u16,
    /// Bits of a bit field.
    pub width: u8,
    /// Their first.
    pub shift: u8,
    /// By base.
    pub value: u64,
    /// First dereference, in the list of all.
    pub first_deref: u32,
    /// Dereferences, innermost first; a number or string is read where the last one says.
    pub derefs: u32,
    /// Elements of an array, 0 if it is none; each takes `size` bytes (strings: a word of 4).
    pub count: u32,
    /// Where it goes in the record.
    pub place: u32,
    /// Zero.
    pub reserved: u64,
}

/// A dereference: the value so far plus `offset` is an address. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Deref {
    /// Added before.
    pub offset: i64,
    /// 1: the address is in user memory.
    pub user: u32,
    /// Zero.
    pub reserved: u32,
}

// Both sides count on these sizes, each the sum of its fields: there is no padding.
const _: () = assert!(size_of::<Attach>() == 120);
const _: () = assert!(size_of::<Attached>() == 24);
const _: () = assert!(size_of::<Source>() == 16);
const _: () = assert!(size_of::<Test>() == 32);
const _: () = assert!(size_of::<Fetch>() == 40);
const _: () = assert!(size_of::<Deref>() == 16);
