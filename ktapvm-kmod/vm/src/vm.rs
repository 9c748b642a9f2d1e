//! The machine: one program, one region, shared by all who run handlers.
//!
//! In: a verified program, memory, limits. Out: [`Vm`], its runs and counters. Invariant: all that changes lies in the region,
//! so that a `Vm` is used by reference from any CPU.

use core::sync::atomic::{AtomicU64, Ordering};

use ktap_bytecode::code::{CodeRef, Const, ConstKind};
use ktap_bytecode::limits::{Limits, MAX_ATTACHED};
use ktap_bytecode::record::MAIN_PROBE;
use ktap_bytecode::trap::{Fault, Trap};
use ktap_bytecode::verify::Verified;

use crate::attachment::Attachment;
use crate::closure;
use crate::heap::{Heap, NoMemory};
use crate::host::Host;
use crate::layout::{GLOBAL_WORDS, Layout, control};
use crate::object::Objects;
use crate::region::Region;
use crate::run::{Run, Stop};
use crate::seat::Seat;
use crate::short::{LIGHT, Light};
use crate::string;
use crate::value::{Tag, Value};
use crate::verified::{Code, Place};
use crate::window::Window;

/// Why a program cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The region has fewer words than the program, the frames and a small heap need: so many.
    RegionTooSmall(usize),
    /// The region has more words than a handle can name, or the limits ask for more.
    RegionTooLarge,
    /// The string constants do not fit the heap.
    OutOfMemory,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end, or was skipped and counted.
    Done,
    /// It called `exit` with this status.
    Exit(i64),
}

/// What was dropped so far, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Updates of tables by handlers that found no memory; the handler went on.
    pub table_drops: u64,
    /// Handler runs given up because there was no memory for a new table, closure, string or cell.
    pub out_of_memory: u64,
    /// Handler runs skipped because their frame was running.
    pub recursion: u64,
    /// Handler runs given up in NMI context because a lock was held.
    pub busy: u64,
    /// Records longer than a record may be.
    pub oversize: u64,
    /// Records the host could not take; the host counts them too.
    pub lost: u64,
}

/// A loaded program.
pub struct Vm<'p> {
    pub(crate) code: CodeRef<'p>,
    pub(crate) objects: Objects<'p>,
    pub(crate) limits: Limits,
    /// The code as the short way reads it.
    pub(crate) words: Code<'p>,
    /// The globals: value and mark of each.
    pub(crate) globals: &'p [[AtomicU64; GLOBAL_WORDS]],
    /// The constants' values.
    pub(crate) consts: &'p [[AtomicU64; 2]],
    /// The attachments.
    pub(crate) attached: &'p [[AtomicU64; 1]],
}

impl<'p> Vm<'p> {
    /// Returns the 64-bit words of memory a program needs under these limits; `frames` is CPUs times context levels.
    ///
    /// It is the limit on memory, or more if globals, frames and a smallest heap need more.
    pub fn region_size(limits: &Limits, code: &CodeRef<'_>, frames: usize) -> usize {
        Layout::new(limits, code, frames).words()
    }

    /// Loads a program into a region of at least [`Vm::region_size`] words, all of them 0.
    ///
    /// They are not cleared here: a board has more to do than to touch memory a session may never use.
    ///
    /// # Errors
    /// The region is too small or too large, or the constants do not fit.
    pub fn new(
        program: Verified<'p>,
        region: &'p mut [u64],
        limits: Limits,
        frames: usize,
    ) -> Result<Vm<'p>, LoadError> {
        let code = *program.code();
        let layout = Layout::new(&limits, &code, frames);
        if layout.words() > u32::MAX as usize / 2 {
            return Err(LoadError::RegionTooLarge);
        }
        let memory = region
            .get_mut(..layout.words())
            .ok_or(LoadError::RegionTooSmall(layout.words()))?;
        let region = Region::new(memory).ok_or(LoadError::RegionTooSmall(layout.words()))?;
        let objects = Objects {
            heap: Heap::new(region, &layout),
            layout,
        };
        objects.heap.format();
        let vm = Vm {
            code,
            objects,
            limits,
            words: Code::new(program),
            globals: region.part(layout.globals, code.globals as usize),
            consts: region.part(layout.consts, code.consts.len()),
            attached: region.part(layout.attached, MAX_ATTACHED),
        };
        for (index, constant) in code.consts.iter().enumerate() {
            let value = vm
                .load_const(index, constant)
                .map_err(|NoMemory| LoadError::OutOfMemory)?;
            vm.objects.retain(value);
            let at = layout.consts.wrapping_add(index.wrapping_mul(2));
            vm.objects.heap.region.set_pair(at, (value.head(), value.payload));
        }
        Ok(vm)
    }

    fn load_const(&self, index: usize, constant: &Const) -> Result<Value, NoMemory> {
        Ok(match constant.kind {
            kind if kind == ConstKind::Str as u32 => {
                let bytes = self.code.str_const(index).unwrap_or_default();
                let words = bytes.len().div_ceil(8).wrapping_add(string::BODY);
                let block = self
                    .objects
                    .heap
                    .alloc(crate::heap::Block::Part, words.wrapping_add(2))?;
                string::write(
                    &self.objects.heap.region,
                    (block as usize).wrapping_add(2),
                    string::TEXT,
                    bytes,
                );
                let handle = string::intern(&self.objects, (block as usize).wrapping_add(2));
                self.objects.heap.free(block);
                string::value(&self.objects, handle?)
            }
            kind if kind == ConstKind::Format as u32 => Value::new(Tag::Format, 0, constant.value as u64),
            kind if kind == ConstKind::Builtin as u32 => Value::new(Tag::Builtin, 0, constant.value as u64),
            _ => Value::int(constant.value),
        })
    }

    /// Runs main in a frame.
    ///
    /// # Errors
    /// The trap that stopped it.
    pub fn run_main<H: Host>(&self, host: &H, frame: usize) -> Result<Outcome, Fault> {
        let ended = self.run(host, frame, MAIN_PROBE, None);
        self.mark_steady();
        ended
    }

    /// Runs the handler of an attachment in a frame; one that declares a parameter gets the event. Main is over by now.
    ///
    /// A busy frame, memory or locks that are not to be had skip the run and are counted.
    ///
    /// # Errors
    /// The trap that stopped it.
    #[inline(always)]
    pub fn run_attached<H: Host>(&self, host: &H, frame: usize, attached: u16) -> Result<Outcome, Fault> {
        let attachment = self.attachment(attached);
        if attachment.is_idle() {
            return Ok(Outcome::Done);
        }
        if attachment.is_light() {
            return self.begin_light(host, frame, attached, attachment.function());
        }
        self.run(host, frame, attached, None)
    }

    #[inline(never)]
    fn begin_light<H: Host>(&self, host: &H, frame: usize, attached: u16, function: usize) -> Result<Outcome, Fault> {
        let Some(place) = self.place(function) else {
            return Ok(Outcome::Done);
        };
        let seat = Seat {
            vm: self,
            host,
            number: frame,
            frame: 0,
            probe: attached,
        };
        let mut registers = Light {
            values: [Value::NIL; LIGHT],
        };
        match seat.go_short(&mut registers, place) {
            None => Ok(Outcome::Done),
            Some(place) => self.go_on(host, frame, attached, (registers, place)),
        }
    }

    /// On in the frame, from where the light way was left.
    #[inline(never)]
    fn go_on<H: Host>(&self, host: &H, frame: usize, attached: u16, left: (Light, Place)) -> Result<Outcome, Fault> {
        self.run(host, frame, attached, Some(&left))
    }

    /// Runs main or a handler, from its beginning or from where it left the light way.
    #[inline(never)]
    fn run<H: Host>(
        &self,
        host: &H,
        frame: usize,
        probe: u16,
        left: Option<&(Light, Place)>,
    ) -> Result<Outcome, Fault> {
        let layout = &self.objects.layout;
        let place = layout.frame(frame);
        if frame >= layout.frame_count || !self.objects.enter(place) {
            self.count(control::RECURSION);
            return Ok(Outcome::Done);
        }
        let seat = Seat {
            vm: self,
            host,
            number: frame,
            frame: place,
            probe,
        };
        let ended = self.run_seated(seat, left);
        self.objects.leave(place);
        if self.objects.any_waiting() {
            self.collect_some(host);
        }
        ended
    }

    #[inline(always)]
    fn run_seated<H: Host>(&self, seat: Seat<'_, 'p, H>, left: Option<&(Light, Place)>) -> Result<Outcome, Fault> {
        let registers = seat.frame.wrapping_add(self.objects.layout.registers);
        let Some(mut window) = Window::new(&self.objects.heap.region, registers) else {
            return Ok(Outcome::Done);
        };
        if seat.probe == MAIN_PROBE {
            return self.run_fully(seat, window, None);
        }
        let attachment = self.attachment(seat.probe);
        let Some(function) = self.code.functions.get(attachment.function()) else {
            return Ok(Outcome::Done);
        };
        window.clear(function.regs);
        if function.params >= 1 && seat.host.in_event() {
            window.set(0, Value::EVENT);
        }
        let mut place = Place::start_of(function);
        if let Some((light, at)) = left {
            for (register, value) in (0u8..).zip(&light.values) {
                window.set(register, *value);
            }
            place = *at;
        }
        match seat.go_short(&mut window, place) {
            None => Ok(Outcome::Done),
            Some(place) => self.run_fully(seat, window, Some((attachment, place))),
        }
    }

    /// The start of a function.
    #[inline(always)]
    fn place(&self, function: usize) -> Option<Place> {
        self.code.functions.get(function).map(Place::start_of)
    }

    /// The full way: main, or a handler from where the short way was left.
    #[inline(never)]
    fn run_fully<H: Host>(
        &self,
        seat: Seat<'_, 'p, H>,
        window: Window<'p>,
        at: Option<(Attachment, Place)>,
    ) -> Result<Outcome, Fault> {
        let (closure, index) = at.map_or((0, 0), |(attachment, _)| (attachment.closure(), attachment.function()));
        let Some(function) = self.code.functions.get(index) else {
            return Ok(Outcome::Done);
        };
        let regs = function.regs;
        let pc = match at {
            Some((_, place)) => place.pc(),
            None => {
                window.clear(regs);
                function.start as usize
            }
        };
        let mut run = Run::new(seat, window, closure, pc, regs);
        if regs as usize > run.slots() {
            return self.stopped(Trap::StackOverflow.into(), run.place(), seat.probe != MAIN_PROBE);
        }
        match run.go() {
            Ok(()) => Ok(Outcome::Done),
            Err(stop) => self.stopped(stop, run.place(), seat.probe != MAIN_PROBE),
        }
    }

    /// What a stopped run comes to.
    #[cold]
    #[inline(never)]
    fn stopped(&self, stop: Stop, place: (u16, u32), handler: bool) -> Result<Outcome, Fault> {
        match stop {
            Stop::Exit(status) => Ok(Outcome::Exit(status)),
            Stop::Trap(Trap::OutOfMemory, _) if handler => {
                self.count(control::OUT_OF_MEMORY);
                Ok(Outcome::Done)
            }
            Stop::Trap(Trap::LockTimeout, _) if handler => {
                self.count(control::BUSY);
                Ok(Outcome::Done)
            }
            Stop::Trap(trap, detail) => {
                let (function, pc) = place;
                Err(Fault {
                    trap,
                    function,
                    pc,
                    detail,
                })
            }
        }
    }

    /// Frees some garbage if nobody else is at the heap.
    #[cold]
    #[inline(never)]
    fn collect_some<H: Host>(&self, host: &H) {
        if host.in_nmi() {
            return;
        }
        if let Ok(_guard) = crate::lock::lock(&self.objects.heap.region, string::LOCK, host) {
            // The first call may only move the epoch on; a handler that makes little garbage is to be done with it here.
            let _ = self.objects.collect() && self.objects.collect();
        }
    }

    /// Ends the tracing phase: handlers of `trace_end` may run, and `attach` traps from now on.
    pub fn end_phase(&self) {
        self.objects.heap.region.set(control::ENDED, 1);
    }

    /// True after [`Vm::end_phase`].
    pub(crate) fn ended(&self) -> bool {
        self.objects.heap.region.control(control::ENDED).load(Ordering::Relaxed) != 0
    }

    /// Returns what was dropped so far.
    pub fn counters(&self) -> Counters {
        let count = |at| self.objects.heap.region.get(at);
        Counters {
            table_drops: count(control::TABLE_DROPS),
            out_of_memory: count(control::OUT_OF_MEMORY),
            recursion: count(control::RECURSION),
            busy: count(control::BUSY),
            oversize: count(control::OVERSIZE),
            lost: count(control::LOST),
        }
    }

    /// Returns the bytes in use: all but the free part of the heap.
    pub fn memory_used(&self) -> usize {
        let words = self.objects.heap.region.get(control::HEAP_USED) as usize;
        self.objects.layout.heap.wrapping_add(words).wrapping_mul(8)
    }

    /// Counts a record that the host could not take, where a handler was not run but done by the host.
    pub fn count_lost(&self) {
        self.count(control::LOST);
    }

    /// Counts one drop.
    pub(crate) fn count(&self, counter: usize) {
        if let Some(word) = self.objects.heap.region.atomic(counter) {
            AtomicU64::fetch_add(word, 1, Ordering::Relaxed);
        }
    }

    /// A constant as a value.
    #[inline(always)]
    pub(crate) fn constant(&self, index: usize) -> Value {
        match self.consts.get(index) {
            Some([head, payload]) => Value::from_words(head.load(Ordering::Relaxed), payload.load(Ordering::Relaxed)),
            None => Value::NIL,
        }
    }

    /// The function of a closure handle; main for none.
    #[inline(always)]
    pub(crate) fn function_of(&self, closure: u32) -> usize {
        if closure == 0 {
            0
        } else {
            closure::function(&self.objects, closure) as usize
        }
    }
}
