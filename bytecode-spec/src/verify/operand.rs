//! Rules about single operands: one per kind of the op table.

use super::{Rule, Site, VerifyError};
use crate::builtin::Builtin;
use crate::code::{Const, ConstKind};
use crate::op::{Op, Operand, Shape, Wide, Word};

/// Every operand of a word, by the kind the op table gives it.
pub(super) fn operands(site: &Site<'_>, op: Op, word: Word) -> Result<(), VerifyError> {
    match op.shape() {
        Shape::Abc(a, b, c) => {
            narrow(site, op, word, a, word.a())?;
            narrow(site, op, word, b, word.b())?;
            narrow(site, op, word, c, word.c())
        }
        Shape::Ad(a, wide_kind) => {
            narrow(site, op, word, a, word.a())?;
            wide(site, op, word, wide_kind)
        }
    }
}

fn narrow(site: &Site<'_>, op: Op, word: Word, kind: Operand, value: u8) -> Result<(), VerifyError> {
    match kind {
        Operand::None => site.require(value == 0, Rule::ReservedOperand),
        Operand::Read | Operand::Write | Operand::Update => site.require(value < site.function.regs, Rule::Register),
        // Counts are checked with the registers they count; immediates may be anything.
        Operand::Count | Operand::Imm => Ok(()),
        Operand::Const8 => constant(site, op, value as u16),
        Operand::Field8 => site.require((value as usize) < site.code.fields.len(), Rule::FieldIndex),
        Operand::Builtin => builtin(site, value, word.b()),
        Operand::Upvalue => site.require((value as u16) < site.function.captures, Rule::UpvalueIndex),
    }
}

fn wide(site: &Site<'_>, op: Op, word: Word, kind: Wide) -> Result<(), VerifyError> {
    let value = word.d();
    match kind {
        Wide::Const => constant(site, op, value),
        // Jumps have a rule of their own.
        Wide::Int | Wide::Jump => Ok(()),
        Wide::Global => site.require(value < site.code.globals, Rule::GlobalIndex),
        Wide::Function => closure(site, value),
        Wide::Probe => site.require(value < site.code.probes, Rule::ProbeIndex),
        Wide::Field => site.require((value as usize) < site.code.fields.len(), Rule::FieldIndex),
    }
}

/// A constant is there and of a kind the op can use.
fn constant(site: &Site<'_>, op: Op, index: u16) -> Result<(), VerifyError> {
    let Some(Const { kind, .. }) = site.code.consts.get(index as usize) else {
        return site.require(false, Rule::ConstIndex);
    };
    let is = |wanted: ConstKind| *kind == wanted as u32;
    let fits = match op {
        Op::AddK | Op::SubK | Op::MulK | Op::DivK | Op::ModK => is(ConstKind::Int),
        Op::LtK | Op::LeK | Op::GtK | Op::GeK => is(ConstKind::Int) || is(ConstKind::Str),
        Op::LoadK => true,
        _ => !is(ConstKind::Format),
    };
    site.require(fits, Rule::ConstFit)
}

/// A builtin is known and takes so many arguments.
fn builtin(site: &Site<'_>, number: u8, count: u8) -> Result<(), VerifyError> {
    let Some(builtin) = Builtin::from_number(number) else {
        return site.require(false, Rule::UnknownBuiltin);
    };
    let (least, most) = builtin.arity();
    site.require(count == Word::MULTI || (least..=most).contains(&count), Rule::Arity)
}

/// A closure is of another function, and the maker has what it captures.
fn closure(site: &Site<'_>, index: u16) -> Result<(), VerifyError> {
    let function = site.code.functions.get(index as usize);
    let Some(function) = function.filter(|_| index != 0) else {
        return site.require(false, Rule::FunctionIndex);
    };
    let captures = site
        .code
        .captures
        .iter()
        .skip(function.first_capture as usize)
        .take(function.captures as usize);
    for capture in captures {
        let there = match capture.from_upvalue {
            0 => capture.index < site.function.regs,
            _ => (capture.index as u16) < site.function.captures,
        };
        site.require(there, Rule::Capturable)?;
    }
    Ok(())
}
