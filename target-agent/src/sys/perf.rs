//! perf events: the attribute, opening, and the ioctls.
//!
//! In: [`Attr`]. Out: descriptors. Invariant: numbers are those of include/uapi/linux/perf_event.h; the attribute has the
//! size of version 5 (112 bytes, Linux 4.1), which every later kernel takes.

use syscalls::{Sysno, syscall};

use super::Result;
use super::file::{Fd, c_path};

/// `struct perf_event_attr`, version 5.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
const COUNT_SW_CPU_CLOCK: u64 = 0;
const COUNT_SW_DUMMY: u64 = 9;

/// Sample parts, in the order they appear in a record.
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const SAMPLE_CPU: u64 = 1 << 7;
/// Asked for above all so that an event which counts more than one, such as sched_stat_runtime with its nanoseconds, gives one sample:
/// without it the kernel gives one for each, millions in a row with interrupts off.
const SAMPLE_PERIOD: u64 = 1 << 8;
const SAMPLE_RAW: u64 = 1 << 10;
const SAMPLE_IDENTIFIER: u64 = 1 << 16;

const FORMAT_LOST: u64 = 1 << 4;

const DISABLED: u64 = 1;
const COMM: u64 = 1 << 9;
const TASK: u64 = 1 << 13;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const EXCLUDE_CALLCHAIN_KERNEL: u64 = 1 << 21;
const EXCLUDE_CALLCHAIN_USER: u64 = 1 << 22;
const COMM_EXEC: u64 = 1 << 24;
const USE_CLOCKID: u64 = 1 << 25;

/// Which stacks samples carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    /// The kernel's.
    pub kernel: bool,
    /// The process's.
    pub user: bool,
}

impl Attr {
    fn new(kind: u32, config: u64, chains: Chains) -> Attr {
        let mut attr = Attr {
            kind,
            size: core::mem::size_of::<Attr>() as u32,
            config,
            sample_period: 1,
            sample_type: SAMPLE_IDENTIFIER | SAMPLE_TID | SAMPLE_TIME | SAMPLE_CPU | SAMPLE_PERIOD | SAMPLE_RAW,
            flags: SAMPLE_ID_ALL | USE_CLOCKID,
            clockid: super::time::CLOCK_MONOTONIC,
            ..Attr::default()
        };
        if chains.kernel || chains.user {
            attr.sample_type |= SAMPLE_CALLCHAIN;
            if !chains.kernel {
                attr.flags |= EXCLUDE_CALLCHAIN_KERNEL;
            }
            if !chains.user {
                attr.flags |= EXCLUDE_CALLCHAIN_USER;
            }
        }
        attr
    }

    /// An event that owns a ring, leads a group and never fires; with `tasks` it also reports names, births and deaths of tasks.
    ///
    /// It is opened disabled, and nothing in its group fires until it is enabled.
    pub fn ring_owner(tasks: bool, chains: Chains, watermark: u32) -> Attr {
        let mut attr = Attr::new(TYPE_SOFTWARE, COUNT_SW_DUMMY, chains);
        attr.flags |= DISABLED;
        if tasks {
            attr.flags |= COMM | TASK | COMM_EXEC;
        }
        attr.watermark(watermark)
    }

    /// Every hit of the tracepoint with this id.
    pub fn tracepoint(id: u32, chains: Chains, watermark: u32) -> Attr {
        Attr::new(TYPE_TRACEPOINT, id as u64, chains).watermark(watermark)
    }

    /// A sample of the CPU every `period_ns` of its time.
    pub fn profile(period_ns: u64, chains: Chains, watermark: u32) -> Attr {
        let mut attr = Attr::new(TYPE_SOFTWARE, COUNT_SW_CPU_CLOCK, chains).watermark(watermark);
        attr.sample_period = period_ns;
        attr
    }

    /// Makes reading the descriptor also tell the samples lost (Linux 6.0).
    pub fn with_lost(mut self) -> Attr {
        self.read_format |= FORMAT_LOST;
        self
    }

    fn watermark(mut self, bytes: u32) -> Attr {
        self.flags |= WATERMARK;
        self.wakeup = bytes;
        self
    }
}

/// Opens an event on one CPU, for all processes: of its own, or in the group of a ring's owner and into that ring.
///
/// # Errors
/// The kernel's errno.
pub fn open(attr: &Attr, cpu: u32, owner: Option<&Fd>) -> Result<Fd> {
    const FD_OUTPUT: usize = 2;
    const FD_CLOEXEC: usize = 8;
    let (group, output) = owner.map_or((-1, 0), |owner| (owner.raw() as isize, FD_OUTPUT));
    // SAFETY: the kernel reads one attribute of the size it states.
    let fd = unsafe {
        syscall!(
            Sysno::perf_event_open,
            attr as *const Attr,
            -1isize,
            cpu as isize,
            group,
            FD_CLOEXEC | output
        )
    }?;
    Ok(Fd::own(fd as i32))
}

const fn io(number: usize) -> usize {
    0x2400 | number
}

/// Sets a tracepoint's filter.
///
/// # Errors
/// `EINVAL` for a filter the kernel cannot read; the kernel's errno.
pub fn set_filter(event: &Fd, filter: &str) -> Result<()> {
    const SET_FILTER: usize = 0x4000_0000 | (size_of::<usize>() << 16) | io(6);
    let filter = c_path(filter.as_bytes())?;
    // SAFETY: the filter is NUL-terminated and outlives the call.
    unsafe { syscall!(Sysno::ioctl, event.raw(), SET_FILTER, filter.as_ptr()) }?;
    Ok(())
}

/// Returns the number by which samples name this event.
///
/// # Errors
/// The kernel's errno.
pub fn identifier(event: &Fd) -> Result<u64> {
    const ID: usize = 0x8000_0000 | (size_of::<usize>() << 16) | io(7);
    let mut id = 0u64;
    // SAFETY: the kernel writes one u64.
    unsafe { syscall!(Sysno::ioctl, event.raw(), ID, &mut id as *mut u64) }?;
    Ok(id)
}

/// Returns the samples this event lost, where the kernel keeps that count.
pub fn lost(event: &Fd) -> Option<u64> {
    let mut values = [0u8; 16];
    match event.read(&mut values) {
        Ok(16) => Some(u64::from_ne_bytes(values[8..].try_into().ok()?)),
        _ => None,
    }
}

/// Starts or stops a group by its leader.
///
/// The whole group is scheduled at once. Starting a thousand single events takes the kernel a thousand rounds over all of them.
///
/// # Errors
/// The kernel's errno.
pub fn enable(leader: &Fd, on: bool) -> Result<()> {
    let request = io(if on { 0 } else { 1 });
    // SAFETY: these ioctls take a number.
    unsafe { syscall!(Sysno::ioctl, leader.raw(), request, 0) }?;
    Ok(())
}
