//! Format strings of printf, checked where they are known.
//!
//! In: format and arguments. Out: one class per conversion. Invariant: classes are those of `Format::classes`.

use super::Lowering;
use super::fold::Value;
use crate::ast::Expression;
use crate::diagnostic::Code;
use crate::source::Span;

/// A fault in a format string.
struct FormatError {
    /// Bytes of the format, from the `%`.
    start: usize,
    end: usize,
    message: String,
}

/// Returns the class of every conversion.
fn parse(format: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut classes = Vec::new();
    let mut at = 0;
    while at < format.len() {
        let start = at;
        at += 1;
        if format[start] != b'%' {
            continue;
        }
        if format.get(at) == Some(&b'%') {
            at += 1;
            continue;
        }
        let flags = run(format, at, |b| b"-+ #0".contains(&b));
        let width = run(format, at + flags, |b| b.is_ascii_digit());
        at += flags + width;
        let mut precision = 0;
        if format.get(at) == Some(&b'.') {
            precision = run(format, at + 1, |b| b.is_ascii_digit());
            at += 1 + precision;
        }
        let fault = |message: String| FormatError {
            start,
            end: (at + 1).min(format.len()),
            message,
        };
        if flags > 5 || width > 2 || precision > 2 {
            return Err(fault(
                "invalid format (repeated flags, or width or precision too long)".to_string(),
            ));
        }
        let class = match format.get(at) {
            Some(b'c' | b'd' | b'i' | b'o' | b'u' | b'x' | b'X') => b'd',
            Some(b's') => b's',
            Some(b'p') => b'p',
            Some(other) => {
                let other = other.escape_ascii();
                return Err(fault(format!("invalid option '%{other}' to 'format'")));
            }
            None => return Err(fault("the format ends inside a conversion".to_string())),
        };
        classes.push(class);
        at += 1;
    }
    Ok(classes)
}

fn run(bytes: &[u8], from: usize, accept: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(from).take_while(|b| accept(**b)).count()
}

impl Lowering<'_> {
    /// Checks a format against its arguments; returns its classes.
    pub(super) fn check_format(&mut self, format: &[u8], place: Span, rest: &[Expression], call: Span) -> Vec<u8> {
        let classes = match parse(format) {
            Ok(classes) => classes,
            Err(fault) => {
                let span = self.place_in_literal(place, fault.start, fault.end);
                self.error(Code::BadFormat, span, fault.message);
                return Vec::new();
            }
        };
        for (index, class) in classes.iter().enumerate() {
            // The format is argument 1.
            let number = index + 2;
            match rest.get(index) {
                Some(argument) => {
                    let wrong = match self.fold(argument) {
                        Some(Value::Str(_) | Value::Bool(_)) => *class != b's',
                        _ => false,
                    };
                    if wrong {
                        self.error(
                            Code::ArgumentType,
                            argument.span,
                            format!("wrong type of argument {number}"),
                        );
                    }
                }
                None if rest.last().is_some_and(|last| self.is_open(last)) => break,
                None => {
                    self.error(Code::BadFormat, call, format!("bad argument #{number}: (no value)"));
                    break;
                }
            }
        }
        classes
    }

    /// Returns the place of bytes `start..end` of a string literal's value; the whole place if it is no plain literal.
    fn place_in_literal(&self, literal: Span, start: usize, end: usize) -> Span {
        let text = self
            .source
            .text
            .get(literal.start as usize..literal.end as usize)
            .unwrap_or_default();
        let (Some(b'"' | b'\''), true) = (text.first(), text.len() >= 2) else {
            return literal;
        };
        let mut offsets = Vec::new();
        let mut at = 1;
        while at + 1 < text.len() {
            let from = at;
            at += escape_len(&text[at..]);
            if !text[from..].starts_with(b"\\z") {
                offsets.push(from);
            }
        }
        offsets.push(text.len() - 1);
        let offset = |index: usize| literal.start as usize + offsets[index.min(offsets.len() - 1)];
        Span::new(offset(start), offset(end))
    }
}

/// Returns the bytes of source that make the next byte of a literal's value.
fn escape_len(text: &[u8]) -> usize {
    match text {
        [b'\\', b'x', ..] => 4,
        [b'\\', b'z', ..] => 2 + run(text, 2, |b| b.is_ascii_whitespace()),
        [b'\\', b'0'..=b'9', ..] => 1 + run(text, 1, |b| b.is_ascii_digit()).min(3),
        [b'\\', _, ..] => 2,
        _ => 1,
    }
}
