//! The light way to begin a handler: no frame, no epoch, four registers on the stack.
//!
//! In: an attachment and its event. Out: the end of the handler, or where the full way is to go on with which registers. Invariant: a light
//! register holds what nobody counts or what stays for the whole session: a number, a constant, the value of a steady global.
//!
//! Most filters and plain counters end here. What is no light op, and what would need the heap, is left to the full way, which goes on at that op.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{CodeRef, Function};
use ktap_bytecode::op::Op;

use crate::builtin::exponent;
use crate::host::{FieldValue, Host};
use crate::number;
use crate::value::Value;
use crate::vm::Vm;

/// Registers of a light handler.
pub(crate) const REGISTERS: usize = 4;

/// Registers of a handler that left the light way, and the word it is at.
pub(crate) struct Left {
    pub(crate) pc: usize,
    pub(crate) registers: [Value; REGISTERS],
}

/// True if a function had better begin light: it is likely to end before it needs more.
pub(crate) fn may_begin(code: &CodeRef<'_>, function: &Function) -> bool {
    if function.regs as usize > REGISTERS || function.params > 0 || function.vararg != 0 {
        return false;
    }
    let words = code
        .code
        .iter()
        .skip(function.start as usize)
        .take(function.len as usize);
    for word in words {
        match word.op() {
            Some(Op::Return0 | Op::JmpT | Op::JmpF) => return true,
            Some(Op::LoadI | Op::LoadK | Op::GGet | Op::GAdd | Op::GInc | Op::EqK | Op::EvField) => {}
            Some(Op::LtK | Op::LeK | Op::GtK | Op::GeK) => {}
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

impl Vm<'_> {
    /// Runs a handler as far as it goes without a frame; nothing if it has ended.
    #[inline(always)]
    pub(crate) fn run_light<H: Host>(&self, host: &H, start: usize) -> Option<Left> {
        let code = self.code.code;
        let mut registers = [Value::NIL; REGISTERS];
        let mut pc = start;
        loop {
            // Code does not run off its end; see `go`.
            let word = *code.get(pc)?;
            // The verifier has seen that the function has no other registers.
            let (a, b) = (word.a() as usize % REGISTERS, word.b() as usize % REGISTERS);
            let value = match word.0 as u8 {
                number::RETURN0 => return None,
                number::GINC if self.add_steady(word.d(), word.a() as i64) => {
                    pc = pc.wrapping_add(1);
                    continue;
                }
                number::JMP_T | number::JMP_F if word.sd() >= 0 => {
                    let jumps = registers[a].truth() == (word.0 as u8 == number::JMP_T);
                    pc = pc
                        .wrapping_add(1)
                        .wrapping_add(if jumps { word.sd() as usize } else { 0 });
                    continue;
                }
                number::CALL_BUILTIN => match word.c() {
                    number::PID => Value::int(host.pid() as i64),
                    number::TID => Value::int(host.tid() as i64),
                    number::CPU => Value::int(host.cpu() as i64),
                    number::NSECS => Value::int(host.time_ns() as i64),
                    number::LOG2 if word.b() == 1 => match registers[a.wrapping_add(1) % REGISTERS].as_int() {
                        Some(n) => Value::int(exponent(n)),
                        None => break,
                    },
                    _ => break,
                },
                number::EV_FIELD => match self.light_field(host, word.d()) {
                    Some(value) => value,
                    None => break,
                },
                number::EQ_K => {
                    // Constants are retained strings, as light ones are: equal if their words are.
                    Value::boolean(registers[b] == self.constant(word.c() as usize))
                }
                number::LT_K | number::LE_K | number::GT_K | number::GE_K => {
                    let (x, y) = (registers[b].as_int(), self.constant(word.c() as usize).as_int());
                    let (Some(x), Some(y)) = (x, y) else { break };
                    Value::boolean(match word.0 as u8 {
                        number::LT_K => x < y,
                        number::LE_K => x <= y,
                        number::GT_K => x > y,
                        _ => x >= y,
                    })
                }
                number::LOAD_I => Value::int(word.sd() as i64),
                number::LOAD_K => self.constant(word.d() as usize),
                number::G_GET => match self.steady(word.d()) {
                    Some(value) => value,
                    None => break,
                },
                number::G_ADD => match registers[a].as_int() {
                    Some(n) if self.add_steady(word.d(), n) => {
                        pc = pc.wrapping_add(1);
                        continue;
                    }
                    _ => break,
                },
                _ => break,
            };
            registers[a] = value;
            pc = pc.wrapping_add(1);
        }
        Some(Left { pc, registers })
    }

    /// A field of the event that is no text.
    #[inline(always)]
    fn light_field<H: Host>(&self, host: &H, index: u16) -> Option<Value> {
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
