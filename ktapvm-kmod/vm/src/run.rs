//! A run: main or one handler in one frame, its registers, scratch arena and budgets.
//!
//! In: a frame of the region. Out: [`Run`], which exec and the builtins work on. Invariant: `base` is at most the number of
//! register slots, and a margin of 256 slots follows these, so that any 8-bit register number stays inside the frame.

use ktap_bytecode::record::{MAIN_PROBE, RecordHeader, RecordWriter};
use ktap_bytecode::trap::Trap;

use crate::heap::NoMemory;
use crate::host::{FieldValue, Host};
use crate::layout::control;
use crate::lock::Busy;
use crate::region::Region;
use crate::seat::Seat;
use crate::stat::{self, Aggregate};
use crate::string;
use crate::value::{Kind, Tag, Value};
use crate::vm::Vm;
use crate::window::Window;

/// Why a run stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A trap with its detail.
    Trap(Trap, i64),
    /// `exit(status)`.
    Exit(i64),
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Stop {
        Stop::Trap(trap, 0)
    }
}

impl From<Busy> for Stop {
    fn from(_: Busy) -> Stop {
        Stop::Trap(Trap::LockTimeout, 0)
    }
}

/// Longest body of a record: the record's header is counted as if it were as long as headers get.
const MAX_BODY: usize = ktap_bytecode::limits::MAX_RECORD - ktap_bytecode::record::MAX_HEADER;

/// What a step of a run gives.
pub(crate) type Ran<T> = Result<T, Stop>;

/// One run.
pub(crate) struct Run<'r, 'p, H: Host> {
    pub(crate) vm: &'r Vm<'p>,
    pub(crate) host: &'r H,
    pub(crate) region: Region<'p>,
    /// The frame's first word.
    pub(crate) frame: usize,
    /// The word of register slot 0.
    pub(crate) registers: usize,
    /// The running function's registers.
    pub(crate) window: Window<'p>,
    /// The slot of the running function's register 0.
    pub(crate) base: usize,
    /// The slot after the last of "up to top".
    pub(crate) top: usize,
    /// Registers of the running function.
    pub(crate) regs: usize,
    /// Varargs of the running function; they lie below `base`.
    pub(crate) varargs: usize,
    /// The next word of code.
    pub(crate) pc: usize,
    /// The running closure, 0 for main.
    pub(crate) closure: u32,
    /// Calls to return from.
    pub(crate) depth: usize,
    /// Scratch words in use.
    pub(crate) scratch_used: usize,
    /// The frame's number.
    pub(crate) frame_number: usize,
    /// Waiting objects that make a safe point worth while; 0 until there was one.
    pub(crate) waiting_mark: u64,
    /// Heap words in use that do so; 0 until then.
    pub(crate) used_mark: u64,
    /// Fuel burnt: words of code that may have run, by functions and loops, and other work.
    pub(crate) burnt: u64,
    /// Backward jumps taken.
    pub(crate) loops: u64,
    /// Calls until one counts as a backward jump.
    pub(crate) calls: u32,
    probe: u16,
}

impl<'r, 'p, H: Host> Run<'r, 'p, H> {
    /// Makes a run that stands at the word `pc` of a closure (main for none), its window the frame's first.
    #[inline(always)]
    pub(crate) fn new(seat: Seat<'r, 'p, H>, window: Window<'p>, closure: u32, pc: usize, regs: u8) -> Self {
        let Seat {
            vm,
            host,
            number,
            frame,
            probe,
        } = seat;
        Run {
            vm,
            host,
            region: vm.objects.heap.region,
            frame,
            registers: frame.wrapping_add(vm.objects.layout.registers),
            window,
            base: 0,
            top: regs as usize,
            regs: regs as usize,
            varargs: 0,
            pc,
            closure,
            depth: 0,
            scratch_used: 0,
            frame_number: number,
            waiting_mark: 0,
            used_mark: 0,
            burnt: 0,
            loops: 0,
            calls: 0,
            probe,
        }
    }

    /// Where it runs.
    #[inline(always)]
    pub(crate) fn seat(&self) -> Seat<'r, 'p, H> {
        Seat {
            vm: self.vm,
            host: self.host,
            number: self.frame_number,
            frame: self.frame,
            probe: self.probe,
        }
    }

    /// False for main.
    pub(crate) fn is_handler(&self) -> bool {
        self.probe != MAIN_PROBE
    }

    /// Sets where the running function's registers are.
    #[inline(always)]
    pub(crate) fn set_base(&mut self, base: usize) -> Ran<()> {
        let at = self.registers.wrapping_add(base.wrapping_mul(2));
        match Window::new(&self.region, at) {
            Some(window) if base <= self.slots() => {
                self.base = base;
                self.window = window;
                Ok(())
            }
            _ => Err(Trap::StackOverflow.into()),
        }
    }

    /// The function and the word of code being executed.
    pub(crate) fn place(&self) -> (u16, u32) {
        (
            self.vm.function_of(self.closure) as u16,
            (self.pc as u32).saturating_sub(1),
        )
    }

    /// The scratch arena's first word.
    pub(crate) fn scratch(&self) -> usize {
        self.frame.wrapping_add(self.vm.objects.layout.scratch)
    }

    /// Register slots this run may use.
    pub(crate) fn slots(&self) -> usize {
        self.vm.limits.stack_slots as usize
    }

    /// The value of a slot, counted from the frame's first.
    #[inline(always)]
    pub(crate) fn slot(&self, slot: usize) -> Value {
        let at = self.registers.wrapping_add(slot.wrapping_mul(2));
        let (head, payload) = self.region.pair(at);
        Value::from_words(head, payload)
    }

    /// Sets a slot, counted from the frame's first. The caller has checked that it is one of the frame's.
    #[inline(always)]
    pub(crate) fn set_slot(&self, slot: usize, value: Value) {
        let at = self.registers.wrapping_add(slot.wrapping_mul(2));
        self.region.set_pair(at, (value.head(), value.payload));
    }

    /// The value of a register.
    #[inline(always)]
    pub(crate) fn r(&self, register: u8) -> Value {
        self.window.get(register)
    }

    /// Sets a register.
    #[inline(always)]
    pub(crate) fn set(&self, register: u8, value: Value) {
        self.window.set(register, value);
    }

    /// The word of a call record.
    pub(crate) fn record_word(&self, depth: usize) -> usize {
        let first = self.frame.wrapping_add(self.vm.objects.layout.records);
        first.wrapping_add(depth.wrapping_mul(crate::layout::RECORD_WORDS))
    }

    /// Burns fuel: at the start of a function and at a backward jump for the words that may run from there, and for work that is more than an op's.
    #[inline(always)]
    pub(crate) fn charge(&mut self, amount: usize) -> Ran<()> {
        self.burnt = self.burnt.saturating_add(amount as u64);
        if self.burnt <= self.vm.limits.fuel as u64 {
            Ok(())
        } else {
            self.out_of_fuel()
        }
    }

    /// The end of a handler that has burnt its fuel; main, and handlers of the end, which run once and in no event, are bounded by their loops.
    #[cold]
    fn out_of_fuel(&self) -> Ran<()> {
        if !self.is_handler() || self.vm.ended() {
            return Ok(());
        }
        Err(Stop::Trap(Trap::OutOfFuel, self.vm.limits.fuel as i64))
    }

    /// The end of a handler that has burnt its fuel; main, and handlers of the end, let others run and go on. No lock is held here.
    #[cold]
    #[inline(never)]
    fn pause(&mut self) -> Ran<()> {
        self.out_of_fuel()?;
        self.burnt = 0;
        if self.host.pause() {
            Ok(())
        } else {
            Err(Stop::Trap(Trap::LoopLimit, self.loops as i64))
        }
    }

    /// Counts a backward jump over so many words, which is a safe point.
    #[inline(always)]
    pub(crate) fn count_loop(&mut self, words: usize) -> Ran<()> {
        self.burnt = self.burnt.saturating_add(words as u64);
        if self.burnt > self.vm.limits.fuel as u64 {
            self.pause()?;
        }
        self.loops = self.loops.wrapping_add(1);
        if self.loops <= self.vm.limits.loops as u64 {
            self.safe_point()
        } else {
            Err(Stop::Trap(Trap::LoopLimit, self.vm.limits.loops as i64))
        }
    }

    pub(crate) fn no_memory(&self, _: NoMemory) -> Stop {
        Stop::Trap(Trap::OutOfMemory, self.vm.limits.memory as i64)
    }

    /// Makes a temporary string.
    pub(crate) fn temp(&mut self, kind: Kind, meta: u64, bytes: &[u8]) -> Ran<Value> {
        if bytes.len() > ktap_bytecode::limits::MAX_STRING {
            return Err(Stop::Trap(
                Trap::StringTooLong,
                ktap_bytecode::limits::MAX_STRING as i64,
            ));
        }
        let words = bytes.len().div_ceil(8);
        self.charge(words)?;
        let at = self.take_scratch(words.wrapping_add(string::BODY))?;
        string::write(&self.region, at, meta, bytes);
        Ok(Value::new(Tag::Temp, kind as u32, at as u64))
    }

    /// Starts a temporary text of `len` bytes.
    pub(crate) fn begin_text(&mut self, len: usize) -> Ran<string::Joiner<'p>> {
        if len > ktap_bytecode::limits::MAX_STRING {
            return Err(Stop::Trap(
                Trap::StringTooLong,
                ktap_bytecode::limits::MAX_STRING as i64,
            ));
        }
        let words = len.div_ceil(8);
        self.charge(words)?;
        let at = self.take_scratch(words.wrapping_add(string::BODY))?;
        Ok(string::Joiner::new(self.region, at, len))
    }

    /// Makes a temporary text.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Ran<Value> {
        self.temp(Kind::Text, string::TEXT, bytes)
    }

    /// Makes a snapshot of an aggregation.
    pub(crate) fn snapshot(&mut self, aggregate: &Aggregate) -> Ran<Value> {
        let at = self.take_scratch(stat::WORDS)?;
        stat::save(&self.region, at, aggregate);
        Ok(Value::new(Tag::Snapshot, 0, at as u64))
    }

    /// Makes a value of what the host found.
    pub(crate) fn field_value(&mut self, found: FieldValue<'_>) -> Ran<Value> {
        match found {
            FieldValue::Nil => Ok(Value::NIL),
            FieldValue::Bool(value) => Ok(Value::boolean(value)),
            FieldValue::Int(value) => Ok(Value::int(value)),
            FieldValue::Str(bytes) => self.text(bytes),
        }
    }

    /// The bytes of a string value.
    pub(crate) fn bytes(&self, value: Value) -> &'p [u8] {
        string::bytes(&self.region, string::body(value))
    }

    /// Traps outside an event.
    pub(crate) fn need_event(&self) -> Ran<()> {
        if self.host.in_event() {
            Ok(())
        } else {
            Err(Trap::NoEvent.into())
        }
    }

    /// Builds a record in the frame's buffer and gives it to the host; what goes wrong is counted.
    pub(crate) fn emit(&mut self, build: impl FnOnce(&mut RecordWriter<'_>)) {
        self.seat().emit(|writer| {
            build(writer);
            true
        });
    }
}

impl<H: Host> Seat<'_, '_, H> {
    /// Builds a record in the frame's buffer and gives it to the host, unless `build` says no; what goes wrong is counted.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) fn emit(&self, build: impl FnOnce(&mut RecordWriter<'_>) -> bool) -> bool {
        let at = self.frame.wrapping_add(self.vm.objects.layout.output);
        // SAFETY: the buffer is part of this run's frame, which nobody else has entered, and `emit` does not call itself:
        // `build` only writes values.
        let buffer = unsafe { self.region().bytes_mut(at, MAX_BODY) };
        let mut writer = RecordWriter::body(buffer);
        if !build(&mut writer) {
            return false;
        }
        match writer.finish() {
            Some(body) => {
                let header = RecordHeader {
                    time_ns: self.host.time_ns(),
                    cpu: self.host.cpu() as u16,
                    probe: self.probe,
                };
                if self.host.emit(header, body).is_err() {
                    self.vm.count(control::LOST);
                }
            }
            None => self.vm.count(control::OVERSIZE),
        }
        true
    }
}
