//! The kernel's printf.
//!
//! In: a format string, evaluated arguments. Out: text, as lib/vsprintf.c makes it. Invariant: nothing rather than a wrong text:
//! a conversion or an argument that cannot be followed ends it.

use super::eval::Evaluator;
use super::expr::Expr;
use super::operand::Operand;
use super::pointer;
use crate::abi::{Abi, IntType};
use crate::symbol::Symbolize;

/// Flags, width and precision of a conversion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spec {
    pub left: bool,
    pub plus: bool,
    pub space: bool,
    pub alternate: bool,
    pub zero: bool,
    pub width: Option<usize>,
    pub precision: Option<usize>,
}

/// Widest field that is made; the kernel's own buffer is no larger.
const MAX_WIDTH: usize = 4096;

/// Renders `format` with `arguments` of a record.
pub(super) fn render<'a>(
    format: &[u8],
    arguments: &'a [Expr],
    evaluator: &mut Evaluator<'a>,
    symbols: &dyn Symbolize,
    abi: Abi,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut arguments = arguments.iter();
    let mut bytes = format.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'%' || bytes.next_if_eq(&b'%').is_some() {
            out.push(byte);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = bytes.next_if(|byte| b"-+ #0".contains(byte)) {
            match flag {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        let mut next = || evaluator.eval(arguments.next()?);
        if bytes.next_if_eq(&b'*').is_some() {
            let width = IntType::INT.wrap(next()?.number()?.0) as i64;
            spec.left |= width < 0;
            spec.width = Some(usize::try_from(width.unsigned_abs()).ok()?);
        } else {
            spec.width = digits(&mut bytes);
        }
        if bytes.next_if_eq(&b'.').is_some() {
            spec.precision = if bytes.next_if_eq(&b'*').is_some() {
                // A negative precision is none.
                usize::try_from(IntType::INT.wrap(next()?.number()?.0) as i64).ok()
            } else {
                Some(digits(&mut bytes).unwrap_or(0))
            };
        }
        let width = spec.width.unwrap_or(0).max(spec.precision.unwrap_or(0));
        // `%*ph` and `%*pb` take a length as their width, and they have bounds of their own.
        if width > MAX_WIDTH && bytes.peek() != Some(&b'p') && bytes.peek() != Some(&b's') {
            return None;
        }
        let ty = size(&mut bytes, abi);
        let argument = next()?;
        match bytes.next()? {
            b'd' | b'i' => integer(
                &mut out,
                spec,
                10,
                false,
                IntType { signed: true, ..ty }.wrap(argument.number()?.0),
                true,
            ),
            b'u' => integer(&mut out, spec, 10, false, unsigned(ty, &argument)?, false),
            b'x' => integer(&mut out, spec, 16, false, unsigned(ty, &argument)?, false),
            b'X' => integer(&mut out, spec, 16, true, unsigned(ty, &argument)?, false),
            b'o' => integer(&mut out, spec, 8, false, unsigned(ty, &argument)?, false),
            b'c' => pad(&mut out, spec, &[argument.number()?.0 as u8]),
            b's' => string(&mut out, spec, &argument, evaluator, symbols),
            b'p' => {
                let mut kind = Vec::new();
                while let Some(letter) = bytes.next_if(u8::is_ascii_alphanumeric) {
                    kind.push(letter);
                }
                pointer::write(&mut out, spec, &kind, &argument, symbols, abi)?;
            }
            _ => return None,
        }
    }
    Some(out)
}

fn digits(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> Option<usize> {
    let mut value = None;
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        value = Some(
            value
                .unwrap_or(0usize)
                .saturating_mul(10)
                .saturating_add(usize::from(digit - b'0')),
        );
    }
    value
}

/// Eats the size qualifier; the type is the unsigned one.
fn size(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>, abi: Abi) -> IntType {
    let qualifier = bytes.next_if(|byte| b"hlLqzZtj".contains(byte));
    let twice = qualifier.is_some_and(|first| b"hl".contains(&first) && bytes.next_if_eq(&first).is_some());
    let bytes = match (qualifier, twice) {
        (None, _) => 4,
        (Some(b'h'), true) => 1,
        (Some(b'h'), false) => 2,
        (Some(b'l'), true) | (Some(b'L' | b'q' | b'j'), _) => 8,
        _ => abi.long_bytes,
    };
    IntType { bytes, signed: false }
}

fn unsigned(ty: IntType, argument: &Operand<'_>) -> Option<u64> {
    Some(ty.wrap(argument.number()?.0))
}

/// The kernel's number(): unlike C, `0` works with a precision too, and zero keeps its digit.
pub(super) fn integer(out: &mut Vec<u8>, spec: Spec, base: u32, upper: bool, bits: u64, signed: bool) {
    let negative = signed && (bits as i64) < 0;
    let magnitude = if negative { (bits as i64).unsigned_abs() } else { bits };
    let digits = match (base, upper) {
        (16, false) => format!("{magnitude:x}"),
        (16, true) => format!("{magnitude:X}"),
        (8, _) => format!("{magnitude:o}"),
        _ => magnitude.to_string(),
    };
    let sign = match (negative, signed && spec.plus, signed && spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let prefix = match (spec.alternate, base, upper) {
        (true, 16, false) => "0x",
        (true, 16, true) => "0X",
        (true, 8, _) if bits != 0 => "0",
        _ => "",
    };
    let precision = spec.precision.unwrap_or(0).max(digits.len());
    let blanks = spec
        .width
        .unwrap_or(0)
        .saturating_sub(sign.len() + prefix.len() + precision);
    let zero = spec.zero && !spec.left;
    if !zero && !spec.left {
        out.resize(out.len() + blanks, b' ');
    }
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(prefix.as_bytes());
    let zeros = precision - digits.len() + if zero { blanks } else { 0 };
    out.resize(out.len() + zeros, b'0');
    out.extend_from_slice(digits.as_bytes());
    if spec.left {
        out.resize(out.len() + blanks, b' ');
    }
}

/// Appends `text` within the width.
pub(super) fn pad(out: &mut Vec<u8>, spec: Spec, text: &[u8]) {
    let blanks = spec.width.unwrap_or(0).min(MAX_WIDTH).saturating_sub(text.len());
    if !spec.left {
        out.resize(out.len() + blanks, b' ');
    }
    out.extend_from_slice(text);
    if spec.left {
        out.resize(out.len() + blanks, b' ');
    }
}

fn string<'a>(
    out: &mut Vec<u8>,
    spec: Spec,
    argument: &Operand<'a>,
    evaluator: &Evaluator<'a>,
    symbols: &dyn Symbolize,
) {
    let text = match (evaluator.string(argument), argument) {
        (Some(text), _) => text.into_owned(),
        (None, Operand::Int(0, _)) => b"(null)".to_vec(),
        // Memory of the kernel that the record only points to.
        (None, Operand::Int(address, _)) => match symbols.string(*address) {
            Some(text) => text.to_vec(),
            None => format!("{address:#x}").into_bytes(),
        },
        (None, _) => Vec::new(),
    };
    pad(
        out,
        spec,
        spec.precision
            .and_then(|precision| text.get(..precision))
            .unwrap_or(&text),
    );
}
