//! Arithmetic, comparison and concatenation.
//!
//! In: two values. Out: a value or a trap. Invariant: numbers are 64-bit and wrap; nil makes nil.

use core::cmp::Ordering;

use ktap_bytecode::op::Op;
use ktap_bytecode::trap::Trap;

use crate::host::Host;
use crate::run::{Ran, Run};
use crate::string;
use crate::value::{Tag, Value};

/// Computes `a + b`, `a - b` or `a * b`; apart from [`binary`], to be small where it is put into the interpreter's loop.
#[inline(always)]
pub(crate) fn quick(op: Op, a: Value, b: Value, number: fn(i64, i64) -> i64) -> Ran<Value> {
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return Ok(Value::int(number(x, y)));
    }
    binary(op, a, b)
}

/// Computes `a op b` for the arithmetic ops, in any of their forms.
#[inline(never)]
pub(crate) fn binary(op: Op, a: Value, b: Value) -> Ran<Value> {
    let (Some(x), Some(y)) = (a.as_int(), b.as_int()) else {
        return if a.is_nil() && (b.is_nil() || b.as_int().is_some()) || b.is_nil() && a.as_int().is_some() {
            Ok(Value::NIL)
        } else {
            Err(Trap::ArithType.into())
        };
    };
    Ok(Value::int(match op {
        Op::Add | Op::AddK => x.wrapping_add(y),
        Op::Sub | Op::SubK => x.wrapping_sub(y),
        Op::Mul | Op::MulK => x.wrapping_mul(y),
        Op::Div | Op::DivK => match y {
            0 => return Err(Trap::DivideByZero.into()),
            -1 => x.wrapping_neg(),
            _ => x.checked_div(y).unwrap_or(0),
        },
        Op::Mod | Op::ModK => match y {
            0 => return Err(Trap::ModuloByZero.into()),
            -1 => 0,
            _ => x.checked_rem(y).unwrap_or(0),
        },
        Op::BAnd => x & y,
        Op::BOr => x | y,
        Op::BXor => x ^ y,
        Op::Shl => x.wrapping_shl(y as u32),
        _ => x.wrapping_shr(y as u32),
    }))
}

/// The decimal digits of a number, at the end of `buffer`.
pub(crate) fn decimal(number: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut at = buffer.len();
    loop {
        at = at.wrapping_sub(1);
        if let Some(digit) = buffer.get_mut(at) {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at = at.wrapping_sub(1);
        if let Some(sign) = buffer.get_mut(at) {
            *sign = b'-';
        }
    }
    buffer.get(at..).unwrap_or_default()
}

impl<H: Host> Run<'_, '_, H> {
    /// `a == b`; never traps.
    pub(crate) fn equals(&self, a: Value, b: Value) -> bool {
        if a == b {
            return true;
        }
        // Retained strings are unique; a temporary one has to be looked at.
        a.is_string()
            && b.is_string()
            && (a.is(Tag::Temp) || b.is(Tag::Temp))
            && string::equal(&self.region, string::body(a), string::body(b))
    }

    /// Orders two numbers or two texts.
    #[inline(always)]
    pub(crate) fn order(&mut self, a: Value, b: Value) -> Ran<Ordering> {
        match (a.as_int(), b.as_int()) {
            (Some(x), Some(y)) => Ok(x.cmp(&y)),
            _ => self.order_texts(a, b),
        }
    }

    fn order_texts(&mut self, a: Value, b: Value) -> Ran<Ordering> {
        if !a.is_text() || !b.is_text() {
            return Err(Trap::CompareType.into());
        }
        let (a, b) = (self.bytes(a), self.bytes(b));
        self.charge(a.len().min(b.len()) / 8)?;
        Ok(a.cmp(b))
    }

    /// Concatenates the values of `count` slots from `first` on.
    pub(crate) fn concat(&mut self, first: usize, count: usize) -> Ran<Value> {
        let mut len = 0usize;
        for i in 0..count {
            let value = self.slot(first.wrapping_add(i));
            len = len.saturating_add(match value.as_int() {
                Some(number) => decimal(number, &mut [0; 20]).len(),
                None if value.is_text() => self.region.low(string::body(value)) as usize,
                None => return Err(Trap::ConcatType.into()),
            });
        }
        let mut joiner = self.begin_text(len)?;
        for i in 0..count {
            let value = self.slot(first.wrapping_add(i));
            match value.as_int() {
                Some(number) => joiner.push(decimal(number, &mut [0; 20])),
                None => joiner.push(self.bytes(value)),
            }
        }
        Ok(joiner.finish())
    }
}
