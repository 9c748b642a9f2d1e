//! `printf(fmt, ...)`: ktap's conversions, laid out as C does.
//!
//! In: a format's text and values. Out: [`PrintfFormat`] and the text it makes. Invariant: a format that parsed renders any values
//! or says which of them is wrong, counting the format itself as argument 1, as ktap always did.

use ktap_bytecode::record::RecordValue;

use crate::resolver::Resolver;
use crate::value;

/// Why a format and its arguments make no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintfError {
    /// The format is no string.
    #[error("wrong type of argument 1")]
    FormatType,
    /// A conversion that does not exist; the byte after `%`.
    #[error("invalid option '%{}' to 'format'", (*.0 as char).escape_default())]
    Conversion(u8),
    /// More flags than there are.
    #[error("invalid format (repeated flags)")]
    Flags,
    /// A width or precision of more than two digits.
    #[error("invalid format (width or precision too long)")]
    Width,
    /// The format ends inside a conversion.
    #[error("invalid format (ends with '%')")]
    Unfinished,
    /// An argument of the wrong type.
    #[error("wrong type of argument {0}")]
    Type(usize),
    /// An argument that is not there.
    #[error("bad argument #{0}: (no value)")]
    Missing(usize),
}

/// A parsed format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintfFormat {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Conversion(Spec, Conversion),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    Char,
    Signed,
    Octal,
    Unsigned,
    Hex,
    HexUpper,
    Text,
    Symbol,
}

impl PrintfFormat {
    /// Parses a format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(format: &[u8]) -> Result<PrintfFormat, PrintfError> {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut bytes = format.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if byte != b'%' || bytes.next_if_eq(&b'%').is_some() {
                text.push(byte);
                continue;
            }
            let spec = parse_spec(&mut bytes)?;
            let conversion = match bytes.next().ok_or(PrintfError::Unfinished)? {
                b'c' => Conversion::Char,
                b'd' | b'i' => Conversion::Signed,
                b'o' => Conversion::Octal,
                b'u' => Conversion::Unsigned,
                b'x' => Conversion::Hex,
                b'X' => Conversion::HexUpper,
                b's' => Conversion::Text,
                b'p' => Conversion::Symbol,
                other => return Err(PrintfError::Conversion(other)),
            };
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Conversion(spec, conversion));
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(PrintfFormat { pieces })
    }

    /// Returns true if a conversion names a kernel address.
    pub fn names_addresses(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Conversion(_, Conversion::Symbol)))
    }

    /// Renders the format with the values after it; too many values are no error.
    ///
    /// # Errors
    /// A value that is missing or of the wrong type.
    pub fn render(&self, values: &[RecordValue<'_>], resolver: &dyn Resolver) -> Result<Vec<u8>, PrintfError> {
        let mut out = Vec::new();
        let mut values = values.iter();
        // The format is argument 1.
        let mut number = 1;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Conversion(spec, conversion) => {
                    number += 1;
                    let value = values.next().ok_or(PrintfError::Missing(number))?;
                    convert(&mut out, *spec, *conversion, value, resolver).ok_or(PrintfError::Type(number))?;
                }
            }
        }
        Ok(out)
    }
}

fn parse_spec(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> Result<Spec, PrintfError> {
    let mut spec = Spec::default();
    let mut flags = 0;
    while let Some(flag) = bytes.next_if(|byte| b"-+ #0".contains(byte)) {
        match flag {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            _ => spec.zero = true,
        }
        flags += 1;
        if flags > 5 {
            return Err(PrintfError::Flags);
        }
    }
    spec.width = parse_digits(bytes)?;
    if bytes.next_if_eq(&b'.').is_some() {
        spec.precision = Some(parse_digits(bytes)?);
    }
    Ok(spec)
}

fn parse_digits(bytes: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> Result<usize, PrintfError> {
    let mut value = 0;
    let mut digits = 0;
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        value = value * 10 + usize::from(digit - b'0');
        digits += 1;
        if digits > 2 {
            return Err(PrintfError::Width);
        }
    }
    Ok(value)
}

/// Appends one converted value; nothing if its type does not fit.
fn convert(
    out: &mut Vec<u8>,
    spec: Spec,
    conversion: Conversion,
    value: &RecordValue<'_>,
    resolver: &dyn Resolver,
) -> Option<()> {
    match (conversion, value) {
        // nil fits everywhere: fields that an event has not are nil.
        (_, RecordValue::Nil) => pad_text(out, spec, b"nil"),
        (Conversion::Text, RecordValue::Bool(_) | RecordValue::Int(_) | RecordValue::Format(_)) => return None,
        (Conversion::Text, value) => pad_text(out, spec, &value::text(value, resolver)),
        (_, RecordValue::Symbol(address)) if conversion != Conversion::Symbol => {
            return convert(out, spec, conversion, &RecordValue::Int(*address as i64), resolver);
        }
        (Conversion::Symbol, RecordValue::Int(n)) => pad_text(out, spec, value::symbol(*n as u64, resolver).as_bytes()),
        (Conversion::Symbol, RecordValue::Symbol(n)) => pad_text(out, spec, value::symbol(*n, resolver).as_bytes()),
        (Conversion::Char, RecordValue::Int(n)) => pad_text(
            out,
            Spec {
                precision: None,
                ..spec
            },
            &[*n as u8],
        ),
        (Conversion::Signed, RecordValue::Int(n)) => {
            let sign = match (*n < 0, spec.plus, spec.space) {
                (true, ..) => "-",
                (_, true, _) => "+",
                (_, _, true) => " ",
                _ => "",
            };
            pad_number(
                out,
                spec,
                sign,
                &digits_unless_void(*n == 0, spec, n.unsigned_abs().to_string()),
            );
        }
        (_, RecordValue::Int(n)) => {
            let n = *n as u64;
            let (prefix, digits) = match conversion {
                Conversion::Octal => ("", octal(n, spec)),
                Conversion::Hex => ("0x", digits_unless_void(n == 0, spec, format!("{n:x}"))),
                Conversion::HexUpper => ("0X", digits_unless_void(n == 0, spec, format!("{n:X}"))),
                _ => ("", digits_unless_void(n == 0, spec, n.to_string())),
            };
            pad_number(out, spec, if spec.alternate && n != 0 { prefix } else { "" }, &digits);
        }
        _ => return None,
    }
    Some(())
}

/// `#` makes an octal number begin with 0, by a longer precision as in C.
fn octal(n: u64, spec: Spec) -> String {
    let digits = format!("{n:o}");
    let enough = spec.precision.is_some_and(|precision| precision > digits.len());
    match spec.alternate {
        true if n == 0 || enough => digits,
        true => format!("0{digits}"),
        false => digits_unless_void(n == 0, spec, digits),
    }
}

/// A zero with precision 0 has no digit at all.
fn digits_unless_void(zero: bool, spec: Spec, digits: String) -> String {
    if zero && spec.precision == Some(0) {
        String::new()
    } else {
        digits
    }
}

fn pad_text(out: &mut Vec<u8>, spec: Spec, text: &[u8]) {
    let text = spec
        .precision
        .and_then(|precision| text.get(..precision))
        .unwrap_or(text);
    pad(out, spec.width, spec.left, text.len(), |out| {
        out.extend_from_slice(text)
    });
}

fn pad_number(out: &mut Vec<u8>, spec: Spec, prefix: &str, digits: &str) {
    let least = match spec.precision {
        Some(precision) => precision,
        None if spec.zero && !spec.left => spec.width.saturating_sub(prefix.len()),
        None => 0,
    };
    let zeros = least.saturating_sub(digits.len());
    pad(out, spec.width, spec.left, prefix.len() + zeros + digits.len(), |out| {
        out.extend_from_slice(prefix.as_bytes());
        out.resize(out.len() + zeros, b'0');
        out.extend_from_slice(digits.as_bytes());
    });
}

fn pad(out: &mut Vec<u8>, width: usize, left: bool, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
    let blanks = width.saturating_sub(len);
    if !left {
        out.resize(out.len() + blanks, b' ');
    }
    write(out);
    if left {
        out.resize(out.len() + blanks, b' ');
    }
}
