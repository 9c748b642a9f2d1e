//! What a VM needs from its surroundings: the agent gives it over perf samples, the module over the kernel itself.
//!
//! In: calls from builtins. Out: facts about now. Invariant: no call but `pause` sleeps, none allocates from the kernel.

use ktap_bytecode::code::Field;
use ktap_bytecode::record::RecordHeader;
use ktap_bytecode::trap::Trap;

/// A field's value as the host found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// The event has no such field, or the member has no value: nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A number, sign-extended by the field's type.
    Int(i64),
    /// A string, without its NUL.
    Str(&'a [u8]),
}

/// A record could not be taken: the ring or the link is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLost;

/// The surroundings of one run.
pub trait Host {
    /// The trace clock at the event, nanoseconds.
    fn time_ns(&self) -> u64;
    /// The wall clock, nanoseconds since 1970.
    fn wall_ns(&self) -> u64;
    /// Process id (TGID) of the event's task.
    fn pid(&self) -> u32;
    /// Thread id of the event's task.
    fn tid(&self) -> u32;
    /// User id of the event's task.
    fn uid(&self) -> u32;
    /// The event's CPU.
    fn cpu(&self) -> u32;
    /// CPUs online.
    fn num_cpus(&self) -> u32;
    /// The task's command name, without NUL. `buf` is zeros, and stays so behind the name.
    fn execname<'b>(&self, buf: &'b mut [u8; ktap_bytecode::limits::COMM_LEN]) -> &'b [u8];
    /// `uname -m`.
    fn arch(&self) -> &[u8];
    /// `uname -r`.
    fn kernel_release(&self) -> &[u8];

    /// True while a probe's handler runs on an event.
    fn in_event(&self) -> bool;
    /// The event's name: `e.name`, `probename`.
    fn event_name(&self) -> &[u8];
    /// Field reference `index` of the program, `field` being its row: by name, by number, or a member without a method.
    fn event_field(&self, index: u16, field: Field) -> FieldValue<'_>;
    /// The own field with this number, counted from 0, for numbers known only at run time.
    fn event_field_number(&self, number: i64) -> FieldValue<'_>;
    /// The event's format id and raw record, for deferred text.
    fn event_raw(&self) -> Option<(u16, &[u8])>;
    /// Overrides the return value.
    ///
    /// # Errors
    /// `Unsafe`, `NotInjectable` or `Unsupported`.
    fn set_retval(&self, value: i64) -> Result<(), Trap>;

    /// Takes the stack at the probe site, innermost first, without frames of our own; returns how many were written.
    fn stack(&self, user: bool, skip: usize, out: &mut [u64]) -> usize;
    /// Copies a NUL-terminated string from kernel or user memory without faulting; returns its bytes, without NUL.
    fn read_str<'b>(&self, user: bool, address: u64, buf: &'b mut [u8]) -> &'b [u8];
    /// Reads 4 or 8 bytes of the current task_struct.
    ///
    /// # Errors
    /// `Unsupported` on engines outside the kernel.
    fn task_field(&self, offset: i64, bytes: i64) -> Result<i64, Trap>;
    /// Non-zero in interrupt context.
    fn in_interrupt(&self) -> i64;
    /// 1 while the task waits for I/O.
    fn in_iowait(&self) -> i64;

    /// Gives a record away: its header, and its body as [`ktap_bytecode::record::RecordWriter`] made it.
    ///
    /// # Errors
    /// It was lost; the host has counted it.
    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost>;
    /// Main attaches probe site `probe`; its handler runs as attachment `attached`.
    ///
    /// # Errors
    /// A trap that stops main.
    fn attach(&self, probe: u16, attached: u16) -> Result<(), Trap>;

    /// Main, or a handler of the end, has run for a while: others may have the CPU for a moment. False if nobody waits for the run any more.
    fn pause(&self) -> bool {
        true
    }

    /// Turns interrupts off and returns what turns them back to what they were. In user space: nothing.
    fn lock_enter(&self) -> u64;
    /// Turns interrupts back.
    fn lock_exit(&self, state: u64);
    /// True in NMI context, where a lock may only be tried.
    fn in_nmi(&self) -> bool;
}
