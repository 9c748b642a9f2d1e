//! The VM's surroundings in this engine.
//!
//! In: what the session knows and, while a handler runs, the sample. Out: the answers of [`Host`]. Invariant: everything about
//! "now" is about the moment of the event, not of its handling, as far as the kernel recorded it.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use ktap_bytecode::code::Field;
use ktap_bytecode::limits::COMM_LEN;
use ktap_bytecode::record::{MAX_HEADER, RecordHeader, encode_header};
use ktap_bytecode::trap::Trap;
use ktap_vm::host::{FieldValue, Host, RecordLost};

use super::sample::Sample;
use super::tasks::Tasks;
use crate::engine::fields::Layout;
use crate::engine::outbox::Outbox;
use crate::sys::{process, time};

/// What all runs of a session share.
#[derive(Debug)]
pub struct Surroundings {
    /// `uname -m`.
    pub machine: String,
    /// `uname -r`.
    pub release: String,
    /// CPUs online.
    pub cpus: u32,
    /// Nanoseconds from the monotonic to the wall clock.
    pub wall_offset: u64,
    /// Names and users of tasks.
    pub tasks: RefCell<Tasks>,
    /// Records on their way.
    pub outbox: RefCell<Outbox>,
    /// Probe sites main has attached, by attachment.
    pub attached: RefCell<Vec<u16>>,
}

/// The event a handler runs on.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The sample; for ticks, main and end only task, time and CPU are filled.
    pub sample: Sample<'a>,
    /// The event's name; nothing outside an event.
    pub name: Option<&'a str>,
    /// Its fields, if it has any.
    pub layout: Option<&'a Layout>,
}

impl Occasion<'_> {
    /// No event: main, ticks and end run in the agent's name.
    pub fn none(time: u64) -> Occasion<'static> {
        let pid = process::pid();
        Occasion {
            sample: Sample {
                time,
                pid,
                tid: pid,
                ..Sample::default()
            },
            name: None,
            layout: None,
        }
    }
}

/// The surroundings of one run.
#[derive(Debug)]
pub struct UserHost<'a> {
    /// Shared.
    pub around: &'a Surroundings,
    /// Why it runs.
    pub occasion: Occasion<'a>,
}

/// Marks in a chain that the addresses after it are of another context (PERF_CONTEXT_*).
const CONTEXT_MARKS: u64 = -4095i64 as u64;
const CONTEXT_KERNEL: u64 = -128i64 as u64;
const CONTEXT_USER: u64 = -512i64 as u64;

impl Host for UserHost<'_> {
    fn time_ns(&self) -> u64 {
        self.occasion.sample.time
    }

    fn wall_ns(&self) -> u64 {
        let at = if self.in_event() {
            self.occasion.sample.time
        } else {
            time::monotonic_ns()
        };
        at.wrapping_add(self.around.wall_offset)
    }

    fn pid(&self) -> u32 {
        self.occasion.sample.pid
    }

    fn tid(&self) -> u32 {
        self.occasion.sample.tid
    }

    fn uid(&self) -> u32 {
        self.around.tasks.borrow_mut().uid(self.occasion.sample.pid)
    }

    fn cpu(&self) -> u32 {
        self.occasion.sample.cpu
    }

    fn num_cpus(&self) -> u32 {
        self.around.cpus
    }

    fn execname<'b>(&self, buf: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        let Sample { tid, cpu, .. } = self.occasion.sample;
        self.around.tasks.borrow_mut().name(tid, cpu, buf)
    }

    fn arch(&self) -> &[u8] {
        self.around.machine.as_bytes()
    }

    fn kernel_release(&self) -> &[u8] {
        self.around.release.as_bytes()
    }

    fn in_event(&self) -> bool {
        self.occasion.name.is_some()
    }

    fn event_name(&self) -> &[u8] {
        self.occasion.name.unwrap_or_default().as_bytes()
    }

    fn event_field(&self, index: u16, _field: Field) -> FieldValue<'_> {
        self.occasion
            .layout
            .map_or(FieldValue::Nil, |layout| layout.value(index, self.occasion.sample.raw))
    }

    fn event_field_number(&self, number: i64) -> FieldValue<'_> {
        self.occasion.layout.map_or(FieldValue::Nil, |layout| {
            layout.own_value(number, self.occasion.sample.raw)
        })
    }

    fn event_raw(&self) -> Option<(u16, &[u8])> {
        // Every raw record starts with its event's id, `common_type`.
        let raw = self.occasion.sample.raw;
        self.occasion.layout?;
        Some((u16::from_ne_bytes([*raw.first()?, *raw.get(1)?]), raw))
    }

    fn set_retval(&self, _value: i64) -> Result<(), Trap> {
        Err(Trap::Unsupported)
    }

    fn stack(&self, user: bool, skip: usize, out: &mut [u64]) -> usize {
        let wanted = if user { CONTEXT_USER } else { CONTEXT_KERNEL };
        let words = self.occasion.sample.chain.chunks_exact(8);
        let words = words.map(|word| word.iter().rev().fold(0u64, |n, b| n << 8 | *b as u64));
        let mut context = 0;
        let inside = words.filter(|address| {
            if *address >= CONTEXT_MARKS {
                context = *address;
            }
            *address < CONTEXT_MARKS && context == wanted
        });
        out.iter_mut()
            .zip(inside.skip(skip))
            .map(|(to, from)| *to = from)
            .count()
    }

    fn read_str<'b>(&self, user: bool, address: u64, buf: &'b mut [u8]) -> &'b [u8] {
        // From outside the kernel only processes can be read, and only as long as they live.
        if !user || address == 0 {
            return &[];
        }
        let pid = self.occasion.sample.pid;
        let mut got = process::read_memory(pid, address, buf);
        if got == 0 {
            // A read that runs into an unmapped page gives nothing at all: take what is left of the first page.
            let to_page_end = 4096 - (address & 4095) as usize;
            let first = to_page_end.min(buf.len());
            got = process::read_memory(pid, address, &mut buf[..first]);
        }
        buf[..got.min(buf.len())].split(|b| *b == 0).next().unwrap_or_default()
    }

    fn task_field(&self, _offset: i64, _bytes: i64) -> Result<i64, Trap> {
        Err(Trap::Unsupported)
    }

    fn in_interrupt(&self) -> i64 {
        self.preempt_bits()
    }

    fn in_iowait(&self) -> i64 {
        0
    }

    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost> {
        let mut head = [0; MAX_HEADER];
        let len = encode_header(header, &mut head);
        let head = head.get(..len).unwrap_or_default();
        if self.around.outbox.borrow_mut().push_parts(head, body) {
            Ok(())
        } else {
            Err(RecordLost)
        }
    }

    fn attach(&self, probe: u16, attached: u16) -> Result<(), Trap> {
        let mut list = self.around.attached.borrow_mut();
        if list.len() != attached as usize || list.len() >= ktap_bytecode::limits::MAX_ATTACHED {
            return Err(Trap::TooManyAttached);
        }
        list.push(probe);
        Ok(())
    }

    fn lock_enter(&self) -> u64 {
        0
    }

    fn lock_exit(&self, _state: u64) {}

    fn in_nmi(&self) -> bool {
        false
    }
}

impl UserHost<'_> {
    /// Returns the interrupt bits of `common_flags`: hard (8) and soft (16) interrupt.
    fn preempt_bits(&self) -> i64 {
        const HARD_AND_SOFT: u8 = 0x18;
        match (self.occasion.layout, self.occasion.sample.raw.get(2)) {
            (Some(_), Some(flags)) => (flags & HARD_AND_SOFT) as i64,
            _ => 0,
        }
    }
}
