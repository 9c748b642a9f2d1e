//! The evaluator of print-format expressions.
//!
//! In: an expression, a raw record. Out: an [`Operand`]. Invariant: nothing rather than a guess: what only the running kernel
//! knows (its variables, its functions) makes no value.

use std::borrow::Cow;

use super::constants;
use super::event::EventFormat;
use super::expr::{Binary, CType, Expr, Unary};
use super::field::until_nul;
use super::operand::{Operand, compute, promote};
use super::tables;
use crate::abi::IntType;
use crate::symbol::Symbolize;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 600;
const BYTE: IntType = IntType {
    bytes: 1,
    signed: false,
};

/// Evaluates expressions on one record.
pub(super) struct Evaluator<'a> {
    event: &'a EventFormat,
    raw: &'a [u8],
    symbols: &'a dyn Symbolize,
    locals: Vec<(&'a str, Operand<'a>)>,
    depth: usize,
}

impl<'a> Evaluator<'a> {
    /// Makes an evaluator for a record of an event.
    pub fn new(event: &'a EventFormat, raw: &'a [u8], symbols: &'a dyn Symbolize) -> Evaluator<'a> {
        Evaluator {
            event,
            raw,
            symbols,
            locals: Vec::new(),
            depth: 0,
        }
    }

    /// Returns the value of `expr`.
    pub fn eval(&mut self, expr: &'a Expr) -> Option<Operand<'a>> {
        self.depth += 1;
        let value = if self.depth < MAX_DEPTH {
            self.eval_here(expr)
        } else {
            None
        };
        self.depth -= 1;
        value
    }

    fn eval_here(&mut self, expr: &'a Expr) -> Option<Operand<'a>> {
        match expr {
            Expr::Int(value, ty) => Some(Operand::int(*value, *ty)),
            Expr::Text(text) => Some(Operand::Text(Cow::Borrowed(text))),
            Expr::Field(name) => self.field(name),
            Expr::Name(name) => self.name(name),
            Expr::Unary(operator, operand) => self.unary(*operator, operand),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Conditional(condition, then, otherwise) => {
                let value = self.eval(condition)?;
                if !value.is_true() {
                    return self.eval(otherwise);
                }
                then.as_ref().map_or(Some(value), |then| self.eval(then))
            }
            Expr::Cast(ty, operand) => {
                let value = self.eval(operand)?;
                self.cast(*ty, value)
            }
            Expr::Index(array, index) => {
                let array = self.eval(array)?;
                let (index, _) = self.eval(index)?.number()?;
                array.element(index, self.event.abi)
            }
            Expr::Call(name, arguments) => self.call(name, arguments),
            Expr::Braces(_) => None,
            Expr::Comma(left, right) => {
                self.eval(left)?;
                self.eval(right)
            }
            Expr::Block(locals, value) => {
                let outer = self.locals.len();
                let result = self.block(locals, value);
                self.locals.truncate(outer);
                result
            }
        }
    }

    fn block(&mut self, locals: &'a [(String, CType, Expr)], value: &'a Expr) -> Option<Operand<'a>> {
        for (name, ty, value) in locals {
            let value = self.eval(value)?;
            let value = self.cast(*ty, value)?;
            self.locals.push((name, value));
        }
        self.eval(value)
    }

    fn field(&self, name: &str) -> Option<Operand<'a>> {
        let field = self.event.field(name)?;
        let bytes = field.bytes(self.raw, self.event.abi)?;
        if let Some(element) = field.element {
            return Some(Operand::Array(bytes, element));
        }
        match bytes.len() {
            1 | 2 | 4 | 8 => {
                let ty = IntType {
                    bytes: bytes.len() as u8,
                    signed: field.signed,
                };
                Some(Operand::int(self.event.abi.read(bytes), ty))
            }
            _ => Some(Operand::Array(bytes, BYTE)),
        }
    }

    fn name(&self, name: &str) -> Option<Operand<'a>> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Some(value.clone());
        }
        match name {
            "true" => Some(Operand::truth(true)),
            "false" => Some(Operand::truth(false)),
            "NULL" => Some(Operand::int(0, IntType::pointer(self.event.abi))),
            // An enumerator is an int in C, or wider where it has to be.
            _ => {
                let value = self.symbols.constant(name).or_else(|| constants::stable(name))?;
                let ty = if IntType::INT.wrap(value) == value {
                    IntType::INT
                } else {
                    IntType::LLONG
                };
                Some(Operand::int(value, ty))
            }
        }
    }

    fn unary(&mut self, operator: Unary, operand: &'a Expr) -> Option<Operand<'a>> {
        let value = self.eval(operand)?;
        match (operator, &value) {
            (Unary::Not, value) => return Some(Operand::truth(!value.is_true())),
            (Unary::Deref, value) => return value.element(0, self.event.abi),
            (Unary::AddressOf, Operand::Array(..)) => return Some(value),
            _ => {}
        }
        let (value, ty) = value.number()?;
        let (value, ty) = promote(value, ty);
        match operator {
            Unary::Plus => Some(Operand::int(value, ty)),
            Unary::Minus => Some(Operand::int(value.wrapping_neg(), ty)),
            Unary::Complement => Some(Operand::int(!value, ty)),
            // The address of a number in the record is a place in the record, which only `&REC->field` can name.
            Unary::AddressOf => match operand {
                Expr::Field(name) => {
                    let field = self.event.field(name)?;
                    Some(Operand::Array(field.bytes(self.raw, self.event.abi)?, ty))
                }
                _ => None,
            },
            Unary::Not | Unary::Deref => None,
        }
    }

    fn binary(&mut self, operator: Binary, left: &'a Expr, right: &'a Expr) -> Option<Operand<'a>> {
        let left = self.eval(left)?;
        match operator {
            Binary::AndAlso if !left.is_true() => return Some(Operand::truth(false)),
            Binary::OrElse if left.is_true() => return Some(Operand::truth(true)),
            Binary::AndAlso | Binary::OrElse => return Some(Operand::truth(self.eval(right)?.is_true())),
            _ => {}
        }
        let right = self.eval(right)?;
        match (operator, &left, &right) {
            (Binary::Add, Operand::Array(bytes, ty), Operand::Int(count, _)) => {
                let start = usize::try_from(*count).ok()?.checked_mul(usize::from(ty.bytes))?;
                Some(Operand::Array(bytes.get(start..)?, *ty))
            }
            // A place in the record is never null.
            (Binary::Eq, Operand::Array(..) | Operand::Text(_), Operand::Int(0, _)) => Some(Operand::truth(false)),
            (Binary::Ne, Operand::Array(..) | Operand::Text(_), Operand::Int(0, _)) => Some(Operand::truth(true)),
            _ => compute(operator, left.number()?, right.number()?),
        }
    }

    fn cast(&self, ty: CType, value: Operand<'a>) -> Option<Operand<'a>> {
        match (ty, value) {
            (CType::Unknown, value) => Some(value),
            (CType::Bool, value) => Some(Operand::int(u64::from(value.is_true()), BYTE)),
            (CType::Int(ty), value) => Some(Operand::int(value.number()?.0, ty)),
            (CType::Pointer(_), Operand::Int(value, _)) => Some(Operand::int(value, IntType::pointer(self.event.abi))),
            (CType::Pointer(Some(element)), Operand::Array(bytes, _)) => Some(Operand::Array(bytes, element)),
            (CType::Pointer(_), value) => Some(value),
        }
    }

    fn call(&mut self, name: &str, arguments: &'a [Expr]) -> Option<Operand<'a>> {
        match (name, arguments) {
            // Probes have arrays of strings: a word for each.
            ("__get_str", [Expr::Index(field, index)]) => {
                let Expr::Name(field) = &**field else { return None };
                let (index, _) = self.eval(index)?.number()?;
                let bytes =
                    self.event
                        .field(field)?
                        .dynamic_bytes(usize::try_from(index).ok()?, self.raw, self.event.abi)?;
                Some(Operand::Text(Cow::Borrowed(until_nul(bytes))))
            }
            ("__get_str" | "__get_rel_str", [Expr::Name(field)]) => {
                Some(Operand::Text(Cow::Borrowed(until_nul(self.dynamic(field)?.0))))
            }
            (
                "__get_dynamic_array" | "__get_rel_dynamic_array" | "__get_sockaddr" | "__get_rel_sockaddr",
                [Expr::Name(field)],
            ) => {
                let (bytes, element) = self.dynamic(field)?;
                Some(Operand::Array(bytes, element))
            }
            ("__get_dynamic_array_len" | "__get_rel_dynamic_array_len", [Expr::Name(field)]) => {
                Some(Operand::int(self.dynamic(field)?.0.len() as u64, IntType::INT))
            }
            ("__get_bitmask" | "__get_rel_bitmask" | "__get_cpumask" | "__get_rel_cpumask", [Expr::Name(field)]) => {
                Some(text(tables::bitmask(self.dynamic(field)?.0, self.event.abi)))
            }
            ("__print_symbolic" | "__print_symbolic_u64", [value, table @ ..]) => {
                let (value, _) = self.eval(value)?.number()?;
                let table = self.table(table)?;
                Some(text(tables::symbolic(self.unsigned_long(name, value), &table)))
            }
            ("__print_flags" | "__print_flags_u64", [value, delimiter, table @ ..]) => {
                let (value, _) = self.eval(value)?.number()?;
                let delimiter = self.eval(delimiter)?;
                let delimiter = self.string(&delimiter)?;
                let table = self.table(table)?;
                Some(text(tables::flags(self.unsigned_long(name, value), &delimiter, &table)))
            }
            ("__print_hex" | "__print_hex_str", [buffer, len]) => {
                let Operand::Array(bytes, _) = self.eval(buffer)? else {
                    return None;
                };
                let (len, _) = self.eval(len)?.number()?;
                let bytes = bytes.get(..usize::try_from(len).ok()?)?;
                Some(text(tables::hex(bytes, if name == "__print_hex" { " " } else { "" })))
            }
            ("__print_array", [buffer, count, size]) => {
                let Operand::Array(bytes, _) = self.eval(buffer)? else {
                    return None;
                };
                let (count, _) = self.eval(count)?.number()?;
                let (size, _) = self.eval(size)?.number()?;
                let (count, size) = (usize::try_from(count).ok()?, usize::try_from(size).ok()?);
                let bytes = bytes.get(..count.checked_mul(size)?)?;
                Some(text(tables::array(bytes, size, self.event.abi)?))
            }
            ("__print_dynamic_array", [Expr::Name(field), size]) => {
                let (size, _) = self.eval(size)?.number()?;
                let (bytes, _) = self.dynamic(field)?;
                Some(text(tables::array(bytes, usize::try_from(size).ok()?, self.event.abi)?))
            }
            ("__print_ns_to_secs", [ns]) => Some(Operand::int(
                self.eval(ns)?.number()?.0 / 1_000_000_000,
                IntType::ULLONG,
            )),
            ("__print_ns_without_secs", [ns]) => {
                Some(Operand::int(self.eval(ns)?.number()?.0 % 1_000_000_000, IntType::UINT))
            }
            ("__builtin_constant_p", [_]) => Some(Operand::truth(false)),
            ("__builtin_expect", [value, _]) => self.eval(value),
            ("sizeof", [operand]) => {
                let bytes = match self.eval(operand)? {
                    Operand::Int(_, ty) => usize::from(ty.bytes),
                    Operand::Array(bytes, _) => bytes.len(),
                    Operand::Text(text) => text.len() + 1,
                };
                Some(Operand::int(bytes as u64, IntType::pointer(self.event.abi)))
            }
            _ => None,
        }
    }

    /// The kernel passes `unsigned long` to its tables, unless they are the `_u64` ones.
    fn unsigned_long(&self, function: &str, value: u64) -> u64 {
        if function.ends_with("_u64") {
            value
        } else {
            IntType::pointer(self.event.abi).wrap(value)
        }
    }

    fn dynamic(&self, name: &str) -> Option<(&'a [u8], IntType)> {
        let field = self.event.field(name)?;
        Some((field.bytes(self.raw, self.event.abi)?, field.element.unwrap_or(BYTE)))
    }

    /// Returns the text a value is to C.
    pub fn string(&self, value: &Operand<'a>) -> Option<Cow<'a, [u8]>> {
        match value {
            Operand::Text(text) => Some(text.clone()),
            Operand::Array(bytes, _) => Some(Cow::Borrowed(until_nul(bytes))),
            Operand::Int(..) => None,
        }
    }

    fn table(&mut self, rows: &'a [Expr]) -> Option<Vec<(u64, Cow<'a, [u8]>)>> {
        let mut table = Vec::with_capacity(rows.len());
        for row in rows {
            let Expr::Braces(pair) = row else { return None };
            let [value, name] = pair.as_slice() else { return None };
            // A constant that nobody knows costs its own row only: its value is then shown as a number.
            let Some((value, _)) = self.eval(value).and_then(|value| value.number()) else {
                continue;
            };
            // The kernel ends its tables with { -1, NULL }.
            let name = self.eval(name)?;
            if !name.is_true() {
                break;
            }
            table.push((value, self.string(&name)?));
        }
        Some(table)
    }
}

fn text(text: Vec<u8>) -> Operand<'static> {
    Operand::Text(Cow::Owned(text))
}
