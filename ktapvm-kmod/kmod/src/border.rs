//! The border to C, as `glue/border.h` says it: `kp_*` is what Rust gives, `kph_*` what C gives.
//!
//! In: nothing. Out: declarations and entry points. Invariant: names, signatures and layouts are those of the header; a test compares them.

use core::ffi::{c_int, c_long, c_void};

use crate::handler;
use crate::request;
use crate::session::Session;

/// C's part of an open file.
#[derive(Debug)]
#[repr(C)]
pub struct KtapSession {
    opaque: [u8; 0],
}

/// C's part of an attached probe.
#[derive(Debug)]
#[repr(C)]
pub struct KtapProbe {
    opaque: [u8; 0],
}

/// Contexts of a CPU that have a frame each.
pub const LEVELS: u32 = 4;
/// The level of a soft interrupt.
pub const SOFTIRQ: u8 = 1;
/// The level of a hard interrupt.
pub const HARDIRQ: u8 = 2;
/// The level of a non-maskable interrupt.
pub const NMI: u8 = 3;

/// What is read is the kernel's.
pub const KERNEL_MEMORY: u32 = 0;
/// What is read is the task's own.
pub const USER_MEMORY: u32 = 1;
/// What is read is that of the two which has such addresses.
pub const ANY_MEMORY: u32 = 2;

/// An event, on the stack of the probe. What an event has not is 0.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KpEvent {
    /// C's probe.
    pub probe: *mut KtapProbe,
    /// Registers of the probed place, or null.
    pub regs: *const c_void,
    /// The kernel's own record, or null.
    pub record: *const u8,
    /// System calls: number, then arguments or return value; return probes: return value.
    pub words: [u64; 8],
    /// The probed address; the function of a return probe.
    pub ip: u64,
    /// Functions: the caller; return probes: the return address.
    pub caller: u64,
    /// Bytes of `record`.
    pub record_len: u32,
    /// Words that are filled.
    pub words_len: u16,
    /// The context.
    pub level: u8,
    /// 1: the registers are of user space.
    pub user_regs: u8,
    /// The CPU.
    pub cpu: u32,
    /// TGID of the current task.
    pub pid: u32,
    /// Its PID.
    pub tid: u32,
    /// Means nothing.
    pub reserved: u32,
}

impl KpEvent {
    /// The frame its handler runs in.
    #[inline(always)]
    pub(crate) fn frame(&self) -> usize {
        let level = self.level as u32 & (LEVELS - 1);
        (self.cpu as usize)
            .wrapping_mul(LEVELS as usize)
            .wrapping_add(level as usize)
    }
}

/// What Rust tells C to attach.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct KphAttach {
    /// A [`ktap_device::attach::Kind`].
    pub kind: u32,
    /// perf's type.
    pub perf_type: u32,
    /// System call number, -1 for all.
    pub syscall: i32,
    /// 1: [`KpEvent::words`] of system calls are wanted.
    pub needs_words: u32,
    /// 1: the handler does nothing, so that an event is only to be counted.
    pub idle: u32,
    /// 0.
    pub reserved: u32,
    /// By kind.
    pub offset: u64,
    /// By kind.
    pub extra: u64,
    /// By kind.
    pub config: u64,
    /// NUL-terminated.
    pub name: *const u8,
    /// Not null: there is a filter.
    pub filter: *const c_void,
}

unsafe extern "C" {
    /// Zeroed memory aligned to 64, or null. Process.
    pub fn kph_alloc(bytes: usize) -> *mut c_void;
    /// Gives it back. Process.
    pub fn kph_free(memory: *mut c_void);
    /// The input of this request stays until the session ends. Process.
    pub fn kph_keep_input(session: *mut KtapSession);

    /// The trace clock.
    pub fn kph_time_ns() -> u64;
    /// The wall clock.
    pub fn kph_wall_ns() -> u64;
    /// TGID of the current task.
    pub fn kph_pid() -> u32;
    /// Its thread id.
    pub fn kph_tid() -> u32;
    /// Its user id.
    pub fn kph_uid() -> u32;
    /// The CPU.
    pub fn kph_cpu() -> u32;
    /// CPUs that may ever be online.
    pub fn kph_cpus_possible() -> u32;
    /// CPUs online.
    pub fn kph_cpus_online() -> u32;
    /// The command name into 16 bytes; its length.
    pub fn kph_comm(out: *mut u8) -> u32;
    /// `uname -m`.
    pub fn kph_machine(len: *mut usize) -> *const u8;
    /// `uname -r`.
    pub fn kph_release(len: *mut usize) -> *const u8;
    /// True in NMI context.
    pub fn kph_in_nmi() -> u32;
    /// Non-zero in interrupt context.
    pub fn kph_in_interrupt() -> i64;
    /// 1 while the task waits for I/O.
    pub fn kph_in_iowait() -> i64;
    /// Turns interrupts off.
    pub fn kph_irq_save() -> u64;
    /// Turns them back.
    pub fn kph_irq_restore(flags: u64);
    /// Lets others run; 0 if the caller has been killed. Process.
    pub fn kph_pause() -> u32;
    /// 4 or 8 bytes of task_struct.
    pub fn kph_task_field(offset: u64, bytes: u32, out: *mut u64) -> c_int;

    /// Reads memory without faulting: 0 or -EFAULT.
    pub fn kph_read(memory: u32, address: u64, out: *mut c_void, len: usize) -> c_int;
    /// Reads a string without faulting: its length.
    pub fn kph_read_str(memory: u32, address: u64, out: *mut u8, len: usize) -> usize;

    /// The stack at the probed place: frames.
    pub fn kph_stack(event: *const KpEvent, user: u32, skip: u32, out: *mut u64, room: u32) -> u32;
    /// A register's offset in pt_regs, or -1.
    pub fn kph_register(name: *const u8, len: usize) -> i64;
    /// The register at that offset.
    pub fn kph_regs_word(regs: *const c_void, offset: u32) -> u64;
    /// `$argN`, from 1.
    pub fn kph_regs_argument(regs: *const c_void, n: u32) -> u64;
    /// `$retval`.
    pub fn kph_regs_retval(regs: *const c_void) -> u64;
    /// The stack pointer.
    pub fn kph_regs_stack(regs: *const c_void) -> u64;
    /// All registers as text: bytes.
    pub fn kph_regs_text(regs: *const c_void, out: *mut u8, room: usize) -> usize;
    /// Overrides what the probed function returns.
    pub fn kph_set_retval(event: *const KpEvent, value: u64) -> c_int;

    /// Puts one entry into this CPU's ring: 0 or -ENOSPC.
    pub fn kph_ring_write(session: *mut KtapSession, time_ns: u64, probe: u16, body: *const u8, len: u32) -> c_int;
    /// Makes the rings. Process.
    pub fn kph_ring_open(session: *mut KtapSession, bytes_per_cpu: u32) -> c_int;
    /// Bytes waiting to be read.
    pub fn kph_ring_waiting(session: *mut KtapSession) -> u64;

    /// Which events count: 0 or a negative errno. Process.
    pub fn kph_scope(
        session: *mut KtapSession,
        only: u32,
        follow: u32,
        cpu: i32,
        excluded: *const u32,
        excluded_count: u32,
    ) -> c_int;
    /// Puts a probe in place. Process.
    pub fn kph_attach(
        session: *mut KtapSession,
        what: *const KphAttach,
        rust: *mut c_void,
        matched: *mut u32,
        lacking: *mut u32,
    ) -> c_int;
    /// Lets probes fire. Process.
    pub fn kph_enable(session: *mut KtapSession);
    /// Detaches all and waits for handlers. Process.
    pub fn kph_detach(session: *mut KtapSession, all: u32) -> u32;
    /// Times the kernel missed the i-th attached probe.
    pub fn kph_missed(session: *mut KtapSession, i: u32) -> u64;
    /// Handler runs.
    pub fn kph_events(session: *mut KtapSession) -> u64;
    /// Bit n: this kernel can attach kind n.
    pub fn kph_kinds() -> u64;
}

/// Bytes of a session's memory.
#[unsafe(no_mangle)]
pub extern "C" fn kp_session_size() -> usize {
    size_of::<Session>()
}

/// Begins a session.
///
/// # Safety
/// `session` is [`kp_session_size`] zeroed bytes aligned to 64, nobody else's; `c` outlives it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kp_session_init(session: *mut Session, c: *mut KtapSession) {
    // SAFETY: the memory is large enough, aligned and ours by the caller's word.
    unsafe { session.write(Session::new(c)) };
}

/// Answers a request: bytes of output, or -EINVAL.
///
/// # Safety
/// `session` was begun; one request at a time. `input` is `input_len` bytes of ours to keep and `output` `output_len` bytes to write, both aligned
/// to 8 or, if they have no bytes, anything.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kp_request(
    session: *mut Session,
    kind: u32,
    input: *mut u8,
    input_len: usize,
    output: *mut u8,
    output_len: usize,
) -> c_long {
    // SAFETY: by the caller's word the session is alive, and the two pieces of memory are there and nobody else's.
    let (session, input, output) = unsafe {
        (
            &*session,
            request::input(input, input_len),
            request::output(output, output_len),
        )
    };
    request::answer(session, kind, input, output)
}

/// Ends a session: all its memory goes back.
///
/// # Safety
/// `session` was begun, all probes are gone and no handler runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kp_session_free(session: *mut Session) {
    // SAFETY: by the caller's word nobody uses the session any more.
    unsafe { (*session).free() };
}

/// Runs the handler of a probe: 0, or 1 if the program is over.
///
/// # Safety
/// `rust` is what kph_attach was given, its session alive; `event` is filled as the header says, preemption is off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kp_event(rust: *mut c_void, event: *const KpEvent) -> c_int {
    // SAFETY: `rust` is a probe of ours, given to kph_attach; it lives as long as the session. The event lives while it is handled.
    let (probe, event) = unsafe { (&*rust.cast_const().cast(), &*event) };
    handler::event(probe, event)
}

/// Runs the handler of a tick: 0, or 1 if the program is over.
///
/// # Safety
/// `rust` is what kph_attach was given, its session alive; process context, one tick of a session at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kp_tick(rust: *mut c_void) -> c_int {
    // SAFETY: as for events.
    let probe = unsafe { &*rust.cast_const().cast() };
    handler::tick(probe)
}
