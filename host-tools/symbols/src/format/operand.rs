//! Values of print-format expressions, with C's arithmetic on them.
//!
//! In: integers of any C type, arrays in a record, texts. Out: [`Operand`]. Invariant: an integer's bits are always wrapped to its type.

use std::borrow::Cow;

use super::expr::Binary;
use crate::abi::{Abi, IntType};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand<'a> {
    /// A number or an address of the kernel.
    Int(u64, IntType),
    /// A C string that is no part of the record.
    Text(Cow<'a, [u8]>),
    /// A place in the record: its bytes, and the type of what is there.
    Array(&'a [u8], IntType),
}

impl<'a> Operand<'a> {
    /// A number of a type.
    pub fn int(value: u64, ty: IntType) -> Operand<'static> {
        Operand::Int(ty.wrap(value), ty)
    }

    /// The result of a comparison.
    pub fn truth(value: bool) -> Operand<'static> {
        Operand::Int(u64::from(value), IntType::INT)
    }

    /// Returns true where C's `if` would go on: a pointer into the record is never null.
    pub fn is_true(&self) -> bool {
        !matches!(self, Operand::Int(0, _))
    }

    /// Returns the number; nothing for what has an address that only the kernel knew.
    pub fn number(&self) -> Option<(u64, IntType)> {
        match self {
            Operand::Int(value, ty) => Some((*value, *ty)),
            _ => None,
        }
    }

    /// Returns the element at `index`; text ends with a NUL as in C.
    pub fn element(&self, index: u64, abi: Abi) -> Option<Operand<'a>> {
        let index = usize::try_from(index).ok()?;
        match self {
            Operand::Array(bytes, ty) => {
                let start = index.checked_mul(usize::from(ty.bytes))?;
                let element = bytes.get(start..start.checked_add(usize::from(ty.bytes))?)?;
                Some(Operand::int(abi.read(element), *ty))
            }
            Operand::Text(text) if index <= text.len() => Some(Operand::int(
                u64::from(text.get(index).copied().unwrap_or(0)),
                IntType {
                    bytes: 1,
                    signed: false,
                },
            )),
            _ => None,
        }
    }
}

/// Returns the type after C's integer promotion.
fn promoted(ty: IntType) -> IntType {
    if ty.bytes < IntType::INT.bytes {
        IntType::INT
    } else {
        ty
    }
}

/// Returns the type both operands convert to.
pub(super) fn common(a: IntType, b: IntType) -> IntType {
    let (a, b) = (promoted(a), promoted(b));
    if a.bytes == b.bytes {
        return IntType {
            bytes: a.bytes,
            signed: a.signed && b.signed,
        };
    }
    if a.bytes > b.bytes { a } else { b }
}

/// Returns the value promoted.
pub(super) fn promote(value: u64, ty: IntType) -> (u64, IntType) {
    let ty = promoted(ty);
    (ty.wrap(value), ty)
}

/// Computes with two numbers; nothing where C has no answer.
pub(super) fn compute(operator: Binary, left: (u64, IntType), right: (u64, IntType)) -> Option<Operand<'static>> {
    if matches!(operator, Binary::Shl | Binary::Shr) {
        let (value, ty) = promote(left.0, left.1);
        let count = right.0 as u32 & (u32::from(ty.bytes) * 8 - 1);
        // Wrapped values carry their sign up to bit 63, so an arithmetic shift of 64 bits is right for every type.
        return Some(Operand::int(
            match operator {
                Binary::Shl => value << count,
                _ if ty.signed => (value as i64 >> count) as u64,
                _ => value >> count,
            },
            ty,
        ));
    }
    let ty = common(left.1, right.1);
    let (a, b) = (ty.wrap(left.0), ty.wrap(right.0));
    let (signed_a, signed_b) = (a as i64, b as i64);
    let order = if ty.signed { signed_a.cmp(&signed_b) } else { a.cmp(&b) };
    Some(match operator {
        Binary::Lt => Operand::truth(order.is_lt()),
        Binary::Gt => Operand::truth(order.is_gt()),
        Binary::Le => Operand::truth(order.is_le()),
        Binary::Ge => Operand::truth(order.is_ge()),
        Binary::Eq => Operand::truth(order.is_eq()),
        Binary::Ne => Operand::truth(order.is_ne()),
        Binary::Add => Operand::int(a.wrapping_add(b), ty),
        Binary::Sub => Operand::int(a.wrapping_sub(b), ty),
        Binary::Mul => Operand::int(a.wrapping_mul(b), ty),
        Binary::Div | Binary::Rem if b == 0 => return None,
        Binary::Div if ty.signed => Operand::int(signed_a.wrapping_div(signed_b) as u64, ty),
        Binary::Div => Operand::int(a / b, ty),
        Binary::Rem if ty.signed => Operand::int(signed_a.wrapping_rem(signed_b) as u64, ty),
        Binary::Rem => Operand::int(a % b, ty),
        Binary::And => Operand::int(a & b, ty),
        Binary::Or => Operand::int(a | b, ty),
        Binary::Xor => Operand::int(a ^ b, ty),
        Binary::Shl | Binary::Shr | Binary::AndAlso | Binary::OrElse => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_as_c() {
        let minus_one = (u64::MAX, IntType::INT);
        let one = (1, IntType::UINT);
        // -1 < 1u is false, -1 < 1ll true, (u8)255 + 1 an int.
        assert_eq!(compute(Binary::Lt, minus_one, one), Some(Operand::truth(false)));
        assert_eq!(
            compute(Binary::Lt, minus_one, (1, IntType::LLONG)),
            Some(Operand::truth(true))
        );
        let byte = IntType {
            bytes: 1,
            signed: false,
        };
        assert_eq!(
            compute(Binary::Add, (255, byte), (1, byte)),
            Some(Operand::Int(256, IntType::INT))
        );
        assert_eq!(
            compute(Binary::Shl, (1, IntType::INT), (31, IntType::INT)),
            Some(Operand::int(1 << 31, IntType::INT))
        );
        assert_eq!(
            compute(Binary::Shr, minus_one, (4, IntType::INT)),
            Some(Operand::Int(u64::MAX, IntType::INT))
        );
        assert_eq!(
            compute(Binary::Shr, (0xffff_fff0, IntType::UINT), (4, IntType::INT)),
            Some(Operand::Int(0xfff_ffff, IntType::UINT))
        );
        assert_eq!(compute(Binary::Div, (7, IntType::INT), (0, IntType::INT)), None);
        assert_eq!(
            compute(Binary::Rem, ((-7i64) as u64, IntType::INT), (3, IntType::INT)),
            Some(Operand::Int(u64::MAX, IntType::INT))
        );
    }
}
