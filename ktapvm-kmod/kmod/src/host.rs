//! The VM's surroundings in the kernel.
//!
//! In: the program, and the event with its probe if there is one. Out: the answers of [`Host`]. Invariant: nothing is asked of the kernel before a
//! program needs it, and nothing here sleeps.

use core::cell::Cell;

use ktap_bytecode::code::Field;
use ktap_bytecode::limits::COMM_LEN;
use ktap_bytecode::record::{MAIN_PROBE, RecordHeader};
use ktap_bytecode::trap::Trap;
use ktap_vm::host::{FieldValue, Host, RecordLost};

use crate::border::{self, KpEvent};
use crate::event::Paper;
use crate::probe::Probe;
use crate::session::Program;
use crate::source::{self, Size, Source};

/// One run and why it runs.
pub(crate) struct Occasion<'a> {
    program: &'a Program,
    /// The probe whose handler runs; nothing in main and at the end.
    probe: Option<&'a Probe>,
    /// Nothing in main, at the end and in ticks.
    event: Option<&'a KpEvent>,
    /// Whose records these are; [`MAIN_PROBE`]: main's, which may attach.
    attached: u16,
    /// 0: not taken yet.
    time: Cell<u64>,
    paper: Paper<'a>,
}

const EPERM: i32 = 1;
const EOPNOTSUPP: i32 = 95;

impl<'a> Occasion<'a> {
    /// An event of a probe.
    #[inline(always)]
    pub(crate) fn event(program: &'a Program, probe: &'a Probe, event: &'a KpEvent) -> Occasion<'a> {
        Occasion {
            program,
            probe: Some(probe),
            event: Some(event),
            attached: probe.attached,
            time: Cell::new(0),
            paper: Paper::default(),
        }
    }

    /// A run in process context: main, an end, or the tick `probe`.
    pub(crate) fn process(program: &'a Program, probe: Option<&'a Probe>, attached: u16) -> Occasion<'a> {
        Occasion {
            program,
            probe,
            event: None,
            attached,
            time: Cell::new(0),
            paper: Paper::default(),
        }
    }

    /// The value of a source; nil outside an event.
    pub(crate) fn value(&self, source: Source) -> FieldValue<'_> {
        match source {
            Source::Nil => FieldValue::Nil,
            Source::Bool(value) => FieldValue::Bool(value),
            Source::Int(value) => FieldValue::Int(value),
            Source::Word { index, size, signed } => self.word_field(index, size, signed),
            Source::Text(span) => match self.probe {
                Some(probe) => FieldValue::Str(span.of(probe.recipe.fetches.text)),
                None => FieldValue::Nil,
            },
            Source::RecordInt { at, size, signed } => {
                let number = self
                    .record()
                    .and_then(|record| source::number(record, at, size, signed));
                number.map_or(FieldValue::Nil, FieldValue::Int)
            }
            Source::RecordChars { at, len } => match self.record() {
                Some(record) => source::chars(record, at, len),
                None => FieldValue::Nil,
            },
            Source::RecordLocated { at, base } => match self.record() {
                Some(record) => source::located(record, at, base),
                None => FieldValue::Nil,
            },
            Source::Registers => {
                let text = self
                    .event
                    .and_then(|event| self.paper.registers(event, &self.program.buffers));
                text.map_or(FieldValue::Nil, FieldValue::Str)
            }
        }
    }

    /// Gives the event's record away as `print(argstr)` says it; nothing if there is none that was made here.
    #[inline(always)]
    pub(crate) fn emit_event(&self) -> Option<Result<(), RecordLost>> {
        let (probe, event) = (self.probe?, self.event?);
        let body = self.paper.body(&probe.recipe, event, &self.program.buffers)?;
        Some(self.write(self.time_ns(), body))
    }

    /// Writes a record to the ring. A loss is counted for the attachment.
    #[inline(always)]
    fn write(&self, time_ns: u64, body: &[u8]) -> Result<(), RecordLost> {
        // SAFETY: the session is C's own, alive while we run; the body is there.
        let failed =
            unsafe { border::kph_ring_write(self.program.c, time_ns, self.attached, body.as_ptr(), body.len() as u32) };
        if failed == 0 {
            return Ok(());
        }
        self.program.count_lost(self.attached);
        Err(RecordLost)
    }

    /// True if the buffer for its record and texts is its own, from now to the end.
    pub(crate) fn holds_paper(&self) -> bool {
        self.event
            .is_some_and(|event| self.paper.hold(&self.program.buffers, event).is_some())
    }

    /// True if its record could not be made, as a handler that it interrupted was making one.
    pub(crate) fn is_crowded(&self) -> bool {
        self.paper.is_refused()
    }

    #[inline(always)]
    fn word_field(&self, index: u8, size: Size, signed: bool) -> FieldValue<'_> {
        let word = match self.event {
            Some(event) if (index as u16) < event.words_len => event.words.get(index as usize),
            _ => None,
        };
        match word {
            Some(word) => FieldValue::Int(size.cut(*word, signed)),
            None => FieldValue::Nil,
        }
    }

    fn record(&self) -> Option<&[u8]> {
        let (probe, event) = (self.probe?, self.event?);
        self.paper.record(&probe.recipe, event, &self.program.buffers)
    }

    /// The thread, for filters.
    pub(crate) fn tid_now(&self) -> u32 {
        self.tid()
    }

    /// The CPU, for filters.
    pub(crate) fn cpu_now(&self) -> u32 {
        self.cpu()
    }

    /// The command name, for filters.
    pub(crate) fn comm_now<'b>(&self, name: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        self.execname(name)
    }
}

/// A text of C's that never changes.
///
/// # Safety
/// So many bytes are there for good, or `start` is null.
unsafe fn fixed_text(start: *const u8, len: usize) -> &'static [u8] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: by the caller's word.
    unsafe { core::slice::from_raw_parts(start, len) }
}

// What C gives here may be called in any context, and takes numbers, or pointers to room of the size given beside them.
impl Host for Occasion<'_> {
    #[inline]
    fn time_ns(&self) -> u64 {
        let taken = self.time.get();
        if taken != 0 {
            return taken;
        }
        // SAFETY: see above.
        let now = unsafe { border::kph_time_ns() };
        self.time.set(now);
        now
    }

    fn wall_ns(&self) -> u64 {
        // SAFETY: see above.
        unsafe { border::kph_wall_ns() }
    }

    #[inline]
    fn pid(&self) -> u32 {
        match self.event {
            Some(event) => event.pid,
            // SAFETY: see above.
            None => unsafe { border::kph_pid() },
        }
    }

    #[inline]
    fn tid(&self) -> u32 {
        match self.event {
            Some(event) => event.tid,
            // SAFETY: see above.
            None => unsafe { border::kph_tid() },
        }
    }

    fn uid(&self) -> u32 {
        // SAFETY: see above.
        unsafe { border::kph_uid() }
    }

    #[inline]
    fn cpu(&self) -> u32 {
        match self.event {
            Some(event) => event.cpu,
            // SAFETY: see above.
            None => unsafe { border::kph_cpu() },
        }
    }

    fn num_cpus(&self) -> u32 {
        // SAFETY: see above.
        unsafe { border::kph_cpus_online() }
    }

    #[inline]
    fn execname<'b>(&self, buf: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        // SAFETY: there is room for the 16 bytes of a name.
        let len = unsafe { border::kph_comm(buf.as_mut_ptr()) } as usize;
        buf.get(..len).unwrap_or_default()
    }

    fn arch(&self) -> &[u8] {
        let mut len = 0;
        // SAFETY: the length has a place to go to, and C's texts stay.
        unsafe { fixed_text(border::kph_machine(&raw mut len), len) }
    }

    fn kernel_release(&self) -> &[u8] {
        let mut len = 0;
        // SAFETY: as above.
        unsafe { fixed_text(border::kph_release(&raw mut len), len) }
    }

    #[inline]
    fn in_event(&self) -> bool {
        self.event.is_some()
    }

    fn event_name(&self) -> &[u8] {
        self.probe.map_or(&[], |probe| probe.name)
    }

    #[inline(always)]
    fn event_field(&self, index: u16, _field: Field) -> FieldValue<'_> {
        match self.probe.and_then(|probe| probe.fields.get(index as usize)) {
            // The commonest, here and not a call away.
            Some(Source::Word { index, size, signed }) => self.word_field(*index, *size, *signed),
            Some(source) => self.value(*source),
            None => FieldValue::Nil,
        }
    }

    fn event_field_number(&self, number: i64) -> FieldValue<'_> {
        let own = self.probe.map_or(&[][..], |probe| probe.own);
        match usize::try_from(number).ok().and_then(|number| own.get(number)) {
            Some(source) => self.value(*source),
            None => FieldValue::Nil,
        }
    }

    fn event_raw(&self) -> Option<(u16, &[u8])> {
        let probe = self.probe?;
        Some((probe.recipe.format, self.record()?))
    }

    fn set_retval(&self, value: i64) -> Result<(), Trap> {
        let event = self.event.ok_or(Trap::NoEvent)?;
        if !self.program.allows_unsafe {
            return Err(Trap::Unsafe);
        }
        // SAFETY: the event lives.
        match unsafe { border::kph_set_retval(event, value as u64) } {
            0 => Ok(()),
            error if error == -EPERM => Err(Trap::NotInjectable),
            _ => Err(Trap::Unsupported),
        }
    }

    fn stack(&self, user: bool, skip: usize, out: &mut [u64]) -> usize {
        let event = self.event.map_or(core::ptr::null(), core::ptr::from_ref);
        let (skip, room) = (
            skip.min(u32::MAX as usize) as u32,
            out.len().min(u32::MAX as usize) as u32,
        );
        // SAFETY: the event lives or is null, and there is so much room.
        unsafe { border::kph_stack(event, user as u32, skip, out.as_mut_ptr(), room) as usize }
    }

    fn read_str<'b>(&self, user: bool, address: u64, buf: &'b mut [u8]) -> &'b [u8] {
        let memory = if user {
            border::USER_MEMORY
        } else {
            border::KERNEL_MEMORY
        };
        // SAFETY: there is so much room; the kernel checks the address.
        let len = unsafe { border::kph_read_str(memory, address, buf.as_mut_ptr(), buf.len()) };
        buf.get(..len).unwrap_or_default()
    }

    fn task_field(&self, offset: i64, bytes: i64) -> Result<i64, Trap> {
        let offset = u64::try_from(offset).map_err(|_| Trap::WrongArgument)?;
        let mut word = 0u64;
        // SAFETY: the word has a place to go to; C checks the offset.
        let failed = unsafe { border::kph_task_field(offset, bytes as u32, &raw mut word) };
        match failed {
            0 if bytes == 4 => Ok(word as i32 as i64),
            0 => Ok(word as i64),
            error if error == -EOPNOTSUPP => Err(Trap::Unsupported),
            _ => Err(Trap::WrongArgument),
        }
    }

    fn in_interrupt(&self) -> i64 {
        // SAFETY: see above.
        unsafe { border::kph_in_interrupt() }
    }

    fn in_iowait(&self) -> i64 {
        // SAFETY: see above.
        unsafe { border::kph_in_iowait() }
    }

    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost> {
        self.write(header.time_ns, body)
    }

    fn attach(&self, probe: u16, _attached: u16) -> Result<(), Trap> {
        if self.attached == MAIN_PROBE && probe < self.program.sites {
            Ok(())
        } else {
            Err(Trap::AttachInHandler)
        }
    }

    fn pause(&self) -> bool {
        // An event is no place to sleep, whoever asks.
        if self.event.is_some() {
            return true;
        }
        // SAFETY: process context: main or an end; the VM holds no lock here.
        unsafe { border::kph_pause() != 0 }
    }

    #[inline]
    fn lock_enter(&self) -> u64 {
        // SAFETY: see above; every call is followed by its `lock_exit`.
        unsafe { border::kph_irq_save() }
    }

    #[inline]
    fn lock_exit(&self, state: u64) {
        // SAFETY: the state is what `kph_irq_save` gave.
        unsafe { border::kph_irq_restore(state) };
    }

    #[inline]
    fn in_nmi(&self) -> bool {
        // What is no event runs in process context.
        self.event.is_some_and(|event| event.level == border::NMI)
    }
}
