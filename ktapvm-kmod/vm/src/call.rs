//! Calls: windows of registers, call records, returns.
//!
//! In: a callee and its arguments. Out: a run that stands at another place. Invariant: the window of the running function
//! lies within the frame's slots; a callee's window starts above all that its caller uses.
//!
//! Call record: `return pc:32 base:32`, `closure:32 varargs:32`.

use ktap_bytecode::builtin::{Builtin, Context};
use ktap_bytecode::code::Function;
use ktap_bytecode::event::EventMember;
use ktap_bytecode::op::Word;
use ktap_bytecode::trap::Trap;

use crate::builtin::{self, Args};
use crate::heap::Block;
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::value::{Tag, Value};

/// Calls that count as one backward jump, so that recursion in main has an end and ktap's deep tail calls have none.
const CALLS_PER_LOOP: u32 = 64;

/// The builtins of events, a bit each.
const EVENT_ONLY: u64 = {
    let (mut bits, mut i) = (0, 0);
    while i < Builtin::ALL.len() {
        let builtin = Builtin::ALL[i];
        assert!((builtin as u8) < 64);
        if matches!(builtin.context(), Context::Event) {
            bits |= 1 << builtin as u8;
        }
        i += 1;
    }
    bits
};

impl<H: Host> Run<'_, '_, H> {
    fn function(&self, closure: u32) -> Ran<Function> {
        let index = self.vm.function_of(closure);
        self.vm
            .code
            .functions
            .get(index)
            .copied()
            .ok_or_else(|| Trap::CallType.into())
    }

    /// Opens a window over `given` arguments that lie from slot `first` on.
    fn enter(&mut self, closure: u32, function: &Function, first: usize, given: usize) -> Ran<()> {
        let params = function.params as usize;
        let varargs = if function.vararg != 0 {
            given.saturating_sub(params)
        } else {
            0
        };
        let base = if varargs > 0 { first.wrapping_add(given) } else { first };
        let regs = function.regs as usize;
        if base.saturating_add(regs.max(params)).saturating_add(varargs) > self.slots() {
            return Err(Trap::StackOverflow.into());
        }
        if varargs > 0 {
            // Arguments lie as p1 .. pn v1 .. vm; the window wants v1 .. vm p1 .. pn.
            for i in 0..params {
                self.set_slot(
                    base.wrapping_add(varargs).wrapping_add(i),
                    self.slot(first.wrapping_add(i)),
                );
            }
            for i in 0..varargs {
                self.set_slot(
                    first.wrapping_add(i),
                    self.slot(first.wrapping_add(params).wrapping_add(i)),
                );
            }
            for i in 0..params {
                let moved = self.slot(base.wrapping_add(varargs).wrapping_add(i));
                self.set_slot(first.wrapping_add(varargs).wrapping_add(i), moved);
            }
        }
        self.charge(function.len as usize)?;
        self.set_base(first.wrapping_add(varargs))?;
        for register in given.min(params) as u8..function.regs {
            self.window.set(register, Value::NIL);
        }
        self.regs = regs;
        self.varargs = varargs;
        self.closure = closure;
        self.pc = function.start as usize;
        self.top = self.base.wrapping_add(regs);
        Ok(())
    }

    /// Copies arguments above everything in use; returns where they start.
    fn stage(&mut self, first: usize, given: usize) -> Ran<usize> {
        let to = self.base.wrapping_add(self.regs).max(first.wrapping_add(given));
        if to.saturating_add(given) > self.slots() {
            return Err(Trap::StackOverflow.into());
        }
        for i in 0..given {
            self.set_slot(to.wrapping_add(i), self.slot(first.wrapping_add(i)));
        }
        Ok(to)
    }

    /// The number of values from slot `first` on that a count operand means.
    pub(crate) fn counted(&self, count: u8, first: usize) -> usize {
        if count == Word::MULTI {
            self.top.saturating_sub(first)
        } else {
            count as usize
        }
    }

    /// What "up to top" stood for has been used.
    pub(crate) fn top_used(&mut self) {
        self.top = self.base.wrapping_add(self.regs);
    }

    /// `Call`.
    pub(crate) fn call(&mut self, word: Word) -> Ran<()> {
        self.count_call()?;
        let callee = self.r(word.a());
        let slot = self.base.wrapping_add(word.a() as usize);
        let first = slot.wrapping_add(1);
        let given = self.counted(word.b(), first);
        if callee.is(Tag::Builtin) {
            let value = self.call_builtin_value(callee, first, given)?;
            self.set_slot(slot, value);
            return self.results(word.c(), slot, 1);
        }
        let closure = self.closure_of(callee)?;
        if self.depth >= self.vm.limits.call_depth as usize {
            return Err(Trap::StackOverflow.into());
        }
        let function = self.function(closure)?;
        let staged = self.stage(first, given)?;
        let record = self.record_word(self.depth);
        let (pc, base, varargs, running) = (self.pc, self.base, self.varargs, self.closure);
        self.enter(closure, &function, staged, given)?;
        self.region.set(record, pc as u32 as u64 | (base as u64) << 32);
        self.region
            .set(record.wrapping_add(1), running as u64 | (varargs as u64) << 32);
        self.depth = self.depth.wrapping_add(1);
        Ok(())
    }

    /// `TailCall`; true if the run has ended with it.
    pub(crate) fn tail_call(&mut self, word: Word) -> Ran<bool> {
        self.count_call()?;
        let callee = self.r(word.a());
        let slot = self.base.wrapping_add(word.a() as usize);
        let first = slot.wrapping_add(1);
        let given = self.counted(word.b(), first);
        if callee.is(Tag::Builtin) {
            let value = self.call_builtin_value(callee, first, given)?;
            self.set_slot(slot, value);
            return self.ret(slot, 1);
        }
        let closure = self.closure_of(callee)?;
        let function = self.function(closure)?;
        let start = self.base.wrapping_sub(self.varargs);
        // Both move towards lower slots, so that no argument is overwritten before it was read.
        for i in 0..given {
            self.set_slot(start.wrapping_add(i), self.slot(first.wrapping_add(i)));
        }
        self.enter(closure, &function, start, given)?;
        Ok(false)
    }

    /// Returns `count` values from slot `first` on; true if the run has ended with it.
    pub(crate) fn ret(&mut self, first: usize, count: usize) -> Ran<bool> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Ok(true);
        };
        self.depth = depth;
        let record = self.record_word(depth);
        self.pc = self.region.low(record) as usize;
        self.set_base(self.region.high(record) as usize)?;
        self.closure = self.region.low(record.wrapping_add(1));
        self.varargs = self.region.high(record.wrapping_add(1)) as usize;
        let function = self.vm.function_of(self.closure);
        self.regs = self.vm.code.functions.get(function).map_or(0, |f| f.regs as usize);
        let call = self
            .vm
            .code
            .code
            .get(self.pc.wrapping_sub(1))
            .copied()
            .unwrap_or(Word(0));
        let to = self.base.wrapping_add(call.a() as usize);
        for i in 0..count {
            self.set_slot(to.wrapping_add(i), self.slot(first.wrapping_add(i)));
        }
        self.results(call.c(), to, count)?;
        Ok(false)
    }

    /// Fits `count` results from slot `first` on to what the call wants.
    fn results(&mut self, wanted: u8, first: usize, count: usize) -> Ran<()> {
        if wanted == Word::MULTI {
            self.top = first.wrapping_add(count);
        } else {
            self.top_used();
            for i in count..wanted as usize {
                self.set_slot(first.wrapping_add(i), Value::NIL);
            }
        }
        Ok(())
    }

    /// `Vararg`.
    pub(crate) fn vararg(&mut self, to: u8, count: u8) -> Ran<()> {
        let first = self.base.wrapping_add(to as usize);
        let wanted = if count == Word::MULTI {
            self.varargs
        } else {
            count as usize
        };
        if first.saturating_add(wanted) > self.slots() {
            return Err(Trap::StackOverflow.into());
        }
        let from = self.base.wrapping_sub(self.varargs);
        for i in 0..wanted {
            let value = if i < self.varargs {
                self.slot(from.wrapping_add(i))
            } else {
                Value::NIL
            };
            self.set_slot(first.wrapping_add(i), value);
        }
        if count == Word::MULTI {
            self.top = first.wrapping_add(wanted);
        }
        Ok(())
    }

    fn closure_of(&self, callee: Value) -> Ran<u32> {
        if callee.is(Tag::Closure) && self.objects().heap.is(callee.handle(), Block::Closure) {
            Ok(callee.handle())
        } else {
            Err(Trap::CallType.into())
        }
    }

    fn count_call(&mut self) -> Ran<()> {
        self.calls = self.calls.wrapping_add(1);
        if self.calls >= CALLS_PER_LOOP {
            self.calls = 0;
            self.count_loop(0)?;
        }
        Ok(())
    }

    fn call_builtin_value(&mut self, callee: Value, first: usize, given: usize) -> Ran<Value> {
        let builtin = Builtin::from_number(callee.payload as u8).ok_or(Trap::CallType)?;
        let (least, most) = builtin.arity();
        if given < least as usize {
            return Err(crate::run::Stop::Trap(
                Trap::MissingArgument,
                (given as i64).wrapping_add(1),
            ));
        }
        self.builtin(builtin, first, given.min(most as usize))
    }

    /// Calls a builtin with `given` arguments from slot `first` on.
    pub(crate) fn builtin(&mut self, builtin: Builtin, first: usize, given: usize) -> Ran<Value> {
        if EVENT_ONLY >> (builtin as u8 & 63) & 1 == 1 {
            self.need_event()?;
        }
        builtin::call(self, builtin, Args { first, count: given })
    }

    /// `Member`: an entry of a table by name, or a member of the event.
    pub(crate) fn member(&mut self, of: Value, index: u16) -> Ran<Value> {
        let field = self
            .vm
            .code
            .fields
            .get(index as usize)
            .copied()
            .ok_or(Trap::NoSuchField)?;
        if !of.is(Tag::Event) {
            let name = self.vm.constant(field.name as usize);
            return self.table_get(of, name);
        }
        if field.kind == ktap_bytecode::code::FieldKind::Member as u8 {
            let method = match EventMember::from_number(field.number as u8) {
                Some(EventMember::ToString) => Some(Builtin::EventText),
                Some(EventMember::Field) => Some(Builtin::EventField),
                Some(EventMember::SetRetval) => Some(Builtin::EventSetRetval),
                _ => None,
            };
            if let Some(method) = method {
                return Ok(Value::new(Tag::Builtin, 0, method as u64));
            }
        }
        self.event_field(index)
    }

    /// `EvField`: a field of the current event.
    pub(crate) fn event_field(&mut self, index: u16) -> Ran<Value> {
        self.need_event()?;
        let field = self
            .vm
            .code
            .fields
            .get(index as usize)
            .copied()
            .ok_or(Trap::NoSuchField)?;
        let host = self.host;
        self.field_value(host.event_field(index, field))
    }
}
