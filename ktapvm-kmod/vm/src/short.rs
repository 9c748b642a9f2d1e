//! The short way through a handler: what most handlers are made of, each op in its common case.
//!
//! In: a seat, registers, the word to begin at. Out: the end, or the word where the full way is to go on. Invariant: an op is done whole or not begun,
//! only forward jumps are taken, and no register holds a string of the run's own.
//!
//! It is taken twice over: light, before the frame is entered, with four registers on the stack and without what needs a frame; and in the frame,
//! with its registers, so that the full way finds them where they are.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{CodeRef, Function};
use ktap_bytecode::op::{Op, Word};

use crate::builtin::{exponent, print_event, print_quickly, printf_quickly};
use crate::host::{FieldValue, Host};
use crate::number;
use crate::seat::Seat;
use crate::value::{Tag, Value};
use crate::verified::Place;
use crate::vm::Vm;
use crate::window::Window;

/// Registers of a light handler.
pub(crate) const LIGHT: usize = 4;

/// Registers by number.
pub(crate) trait Registers {
    /// True if they are those of an entered frame.
    const IN_FRAME: bool;
    /// The value of a register.
    fn get(&self, register: u8) -> Value;
    /// Sets a register.
    fn set(&mut self, register: u8, value: Value);
}

/// Registers of a light handler.
pub(crate) struct Light {
    pub(crate) values: [Value; LIGHT],
}

// The verifier has seen that a function names no register that it does not have, and a light handler has four at most.
impl Registers for Light {
    const IN_FRAME: bool = false;

    #[inline(always)]
    fn get(&self, register: u8) -> Value {
        self.values[register as usize % LIGHT]
    }

    #[inline(always)]
    fn set(&mut self, register: u8, value: Value) {
        self.values[register as usize % LIGHT] = value;
    }
}

impl Registers for Window<'_> {
    const IN_FRAME: bool = true;

    #[inline(always)]
    fn get(&self, register: u8) -> Value {
        Window::get(*self, register)
    }

    #[inline(always)]
    fn set(&mut self, register: u8, value: Value) {
        Window::set(*self, register, value);
    }
}

/// True if a function had better begin light: it is likely to end before it needs a frame.
pub(crate) fn may_begin_light(code: &CodeRef<'_>, function: &Function) -> bool {
    if function.regs as usize > LIGHT || function.params > 0 || function.vararg != 0 {
        return false;
    }
    let words = code.code.iter().skip(function.start as usize);
    for word in words.take(function.len as usize) {
        match word.op() {
            Some(Op::Return0 | Op::JmpT | Op::JmpF) => return true,
            Some(Op::LoadI | Op::LoadK | Op::GGet | Op::GAdd | Op::GInc | Op::EvField) => {}
            Some(Op::EqK | Op::LtK | Op::LeK | Op::GtK | Op::GeK) => {}
            Some(Op::CallBuiltin) if is_light(word.c()) => {}
            _ => return false,
        }
    }
    false
}

fn is_light(builtin: u8) -> bool {
    matches!(
        Builtin::from_number(builtin),
        Some(Builtin::Pid | Builtin::Tid | Builtin::Cpu | Builtin::Nsecs | Builtin::Log2)
    )
}

/// True for the call that prints what is in this register, and nothing else. What it was given is gone after it.
pub(crate) fn prints_alone(word: Word, register: u8) -> bool {
    word.0 as u8 == number::CALL_BUILTIN
        && word.c() == number::PRINT
        && word.b() == 1
        && word.a().wrapping_add(1) == register
}

impl<H: Host> Seat<'_, '_, H> {
    /// Goes the short way from a place on; nothing if the handler has ended, else the place at which it was left.
    #[inline(always)]
    pub(crate) fn go_short<R: Registers>(&self, registers: &mut R, place: Place) -> Option<Place> {
        let (vm, host) = (self.vm, self.host);
        let mut place = place;
        loop {
            let word = vm.words.word(place);
            match word.0 as u8 {
                number::RETURN0 => return None,
                number::LOAD_I => registers.set(word.a(), Value::int(word.sd() as i64)),
                number::LOAD_K => registers.set(word.a(), vm.constant(word.d() as usize)),
                number::MOVE => registers.set(word.a(), registers.get(word.b())),
                number::LOAD_NIL if word.b() == 1 => registers.set(word.a(), Value::NIL),
                number::G_GET => match vm.steady(word.d()) {
                    Some(value) => registers.set(word.a(), value),
                    None => break,
                },
                number::GINC => {
                    if !vm.add_steady(word.d(), word.a() as i64) {
                        break;
                    }
                }
                number::G_ADD => match registers.get(word.a()).as_int() {
                    Some(n) if vm.add_steady(word.d(), n) => {}
                    _ => break,
                },
                number::EV_FIELD => match vm.plain_field(host, word.d()) {
                    Some(value) => registers.set(word.a(), value),
                    None => break,
                },
                number::EQ_K => {
                    // No string here is a run's own, so that values are equal if their words are.
                    let equal = registers.get(word.b()) == vm.constant(word.c() as usize);
                    registers.set(word.a(), Value::boolean(equal));
                }
                number::LT_K | number::LE_K | number::GT_K | number::GE_K => {
                    let x = registers.get(word.b()).as_int();
                    let y = vm.constant(word.c() as usize).as_int();
                    let (Some(x), Some(y)) = (x, y) else { break };
                    let holds = match word.0 as u8 {
                        number::LT_K => x < y,
                        number::LE_K => x <= y,
                        number::GT_K => x > y,
                        _ => x >= y,
                    };
                    registers.set(word.a(), Value::boolean(holds));
                }
                number::SUB => {
                    let x = registers.get(word.b()).as_int();
                    let y = registers.get(word.c()).as_int();
                    let (Some(x), Some(y)) = (x, y) else { break };
                    registers.set(word.a(), Value::int(x.wrapping_sub(y)));
                }
                number::JMP_T => {
                    if registers.get(word.a()).truth() {
                        match place.jump(word) {
                            Some(target) => place = target,
                            None => break,
                        }
                        continue;
                    }
                }
                number::JMP_F => {
                    if !registers.get(word.a()).truth() {
                        match place.jump(word) {
                            Some(target) => place = target,
                            None => break,
                        }
                        continue;
                    }
                }
                number::T_INC if R::IN_FRAME => {
                    let (t, key) = (registers.get(word.a()), registers.get(word.b()));
                    if !self.add(t, key, word.c() as i64) {
                        break;
                    }
                }
                number::T_ADD if R::IN_FRAME => {
                    let (t, key) = (registers.get(word.a()), registers.get(word.b()));
                    match registers.get(word.c()).as_int() {
                        Some(n) if self.add(t, key, n) => {}
                        _ => break,
                    }
                }
                number::T_AGG if R::IN_FRAME => {
                    let (t, key) = (registers.get(word.a()), registers.get(word.b()));
                    match registers.get(word.c()).as_int() {
                        Some(n) if self.aggregate(t, key, n) == Ok(true) => {}
                        _ => break,
                    }
                }
                number::T_GET if R::IN_FRAME => {
                    let value = self.get(registers.get(word.b()), registers.get(word.c()));
                    if value.is(Tag::Missed) {
                        break;
                    }
                    registers.set(word.a(), value);
                }
                number::T_SET if R::IN_FRAME => {
                    let (t, key) = (registers.get(word.a()), registers.get(word.b()));
                    if !self.set(t, key, registers.get(word.c())) {
                        break;
                    }
                }
                number::CALL_BUILTIN => {
                    let value = match word.c() {
                        number::PID => Value::int(host.pid() as i64),
                        number::TID => Value::int(host.tid() as i64),
                        number::CPU => Value::int(host.cpu() as i64),
                        number::NSECS => Value::int(host.time_ns() as i64),
                        number::LOG2 if word.b() == 1 => match registers.get(word.a().wrapping_add(1)).as_int() {
                            Some(n) => Value::int(exponent(n)),
                            None => break,
                        },
                        number::EXECNAME if R::IN_FRAME => {
                            let name = self.known_execname();
                            if name.is(Tag::Missed) {
                                break;
                            }
                            name
                        }
                        number::PRINTF if R::IN_FRAME => {
                            let first = word.a().wrapping_add(1);
                            if !printf_quickly(self, registers, first, word.b()) {
                                break;
                            }
                            Value::NIL
                        }
                        number::PRINT if R::IN_FRAME => {
                            let first = word.a().wrapping_add(1);
                            if !print_quickly(self, registers, first, word.b()) {
                                break;
                            }
                            Value::NIL
                        }
                        // The event's text, if it is to be printed at once: no string is made of it.
                        number::ARGSTR if R::IN_FRAME => {
                            let print = vm.words.word(place.next());
                            if !prints_alone(print, word.a()) || !print_event(self) {
                                break;
                            }
                            place = place.next();
                            registers.set(print.a(), Value::NIL);
                            Value::NIL
                        }
                        _ => break,
                    };
                    registers.set(word.a(), value);
                }
                _ => break,
            }
            // What comes here is no return and no jump.
            place = place.next();
        }
        Some(place)
    }
}

impl Vm<'_> {
    /// A field of the event that is no text.
    #[inline(always)]
    pub(crate) fn plain_field<H: Host>(&self, host: &H, index: u16) -> Option<Value> {
        if !host.in_event() {
            return None;
        }
        let field = *self.code.fields.get(index as usize)?;
        match host.event_field(index, field) {
            FieldValue::Int(value) => Some(Value::int(value)),
            FieldValue::Bool(value) => Some(Value::boolean(value)),
            FieldValue::Nil => Some(Value::NIL),
            FieldValue::Str(_) => None,
        }
    }
}
