//! Rules about the lists of a program.

use super::{Rule, VerifyError, require};
use crate::builtin::Builtin;
use crate::code::{CodeRef, ConstKind, Field, FieldKind};
use crate::event::EventMember;
use crate::limits::{MAX_CODE, MAX_CONSTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_PROBES, MAX_STRING};

/// Lists are as long as the contract allows.
pub(super) fn sizes(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    require(!code.functions.is_empty(), Rule::NoMain, 0)?;
    require(
        code.functions.len() <= MAX_FUNCTIONS,
        Rule::TooManyFunctions,
        code.functions.len(),
    )?;
    require(code.code.len() <= MAX_CODE, Rule::TooMuchCode, code.code.len())?;
    require(code.consts.len() <= MAX_CONSTS, Rule::TooManyConsts, code.consts.len())?;
    require(
        code.globals as usize <= MAX_GLOBALS,
        Rule::TooManyGlobals,
        code.globals as usize,
    )?;
    require(
        code.probes as usize <= MAX_PROBES,
        Rule::TooManyProbes,
        code.probes as usize,
    )
}

/// Constants are of a known kind and lead to what is there.
pub(super) fn consts(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    for (index, constant) in code.consts.iter().enumerate() {
        require(constant.reserved == 0, Rule::ConstKind, index)?;
        let value = constant.value as u64;
        match constant.kind {
            k if k == ConstKind::Int as u32 => {}
            k if k == ConstKind::Str as u32 => {
                let fits = code.str_const(index).is_some_and(|bytes| bytes.len() <= MAX_STRING);
                require(fits, Rule::ConstString, index)?;
            }
            k if k == ConstKind::Format as u32 => {
                require(value < code.formats.len() as u64, Rule::ConstFormat, index)?;
            }
            k if k == ConstKind::Builtin as u32 => {
                let known = value <= u8::MAX as u64 && Builtin::from_number(value as u8).is_some();
                require(known, Rule::ConstBuiltin, index)?;
            }
            _ => return require(false, Rule::ConstKind, index),
        }
    }
    Ok(())
}

/// Formats lead to argument classes.
pub(super) fn formats(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    for index in 0..code.formats.len() {
        // No call has more arguments; and formats may lie over one another, so that their bytes alone do not bound the time this takes.
        let known = |classes: &[u8]| {
            classes.len() <= u8::MAX as usize && classes.iter().all(|class| matches!(class, b'd' | b's' | b'p'))
        };
        require(
            code.format_classes(index).is_some_and(known),
            Rule::FormatClasses,
            index,
        )?;
    }
    Ok(())
}

/// Field references are of a known kind and have what it needs.
pub(super) fn fields(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    for (index, field) in code.fields.iter().enumerate() {
        let member = field.kind == FieldKind::Member as u8;
        let argument = field.kind == FieldKind::Arg as u8;
        let known = member || argument || field.kind == FieldKind::Name as u8;
        require(known && field.reserved == 0, Rule::FieldKind, index)?;
        let nameless = argument && field.name == Field::NO_NAME;
        require(
            nameless || code.str_const(field.name as usize).is_some(),
            Rule::FieldName,
            index,
        )?;
        if member {
            let number = field.number;
            let known = number <= u8::MAX as u16 && EventMember::from_number(number as u8).is_some();
            require(known, Rule::FieldMember, index)?;
        }
    }
    Ok(())
}

/// Captures are of a known kind.
pub(super) fn captures(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    for (index, capture) in code.captures.iter().enumerate() {
        require(capture.from_upvalue <= 1, Rule::CaptureKind, index)?;
    }
    Ok(())
}
