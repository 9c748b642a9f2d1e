//! Numbers: decimal, 0x hexadecimal, 0 octal, `_` between digits, suffixes of time and size.
//!
//! In: text that begins with a digit. Out: a signed 64-bit value. Invariant: what does not fit 64 bits becomes -1, with a
//! lint; 2^63 and above keep their bits, so that kernel addresses can be written.

use super::Lexer;
use super::cursor::is_name_byte;
use crate::diagnostic::{Code, Diagnostic};
use crate::token::TokenKind;

/// Suffixes and their factors: times in nanoseconds, sizes in powers of 1024.
const SUFFIXES: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
];

/// What a number's text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    value: i64,
    octal: bool,
    saturated: bool,
}

impl Lexer<'_> {
    pub(super) fn number(&mut self, start: usize) {
        self.skip_number();
        let text = String::from_utf8_lossy(self.cursor.since(start)).into_owned();
        let span = self.span_from(start);
        let Some(reading) = read(&text) else {
            let diagnostic = Diagnostic::new(Code::MalformedNumber, span, format!("malformed number near '{text}'"));
            let diagnostic = match () {
                () if text.contains('.') => diagnostic.help("ktap has whole numbers only"),
                () if text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) => {
                    diagnostic.help("a number with a leading 0 is octal; drop the 0 if it is decimal")
                }
                () => diagnostic.help("suffixes are ns us ms s K M G"),
            };
            self.complain(diagnostic);
            self.push(TokenKind::Number(0), start);
            return;
        };
        if reading.saturated {
            self.complain(
                Diagnostic::new(Code::SaturatedNumber, span, format!("number too large near '{text}'"))
                    .label("becomes -1"),
            );
        } else if reading.octal {
            self.complain(
                Diagnostic::new(Code::OctalNumber, span, format!("'{text}' is octal"))
                    .label(format!("this is {}", reading.value)),
            );
        }
        self.push(TokenKind::Number(reading.value), start);
    }

    /// Takes all that a reader would take for one number, so that a malformed one is one complaint.
    fn skip_number(&mut self) {
        let hexadecimal = matches!(self.cursor.rest(), [b'0', b'x' | b'X', ..]);
        while let Some(byte) = self.cursor.peek() {
            let next_is_digit = self.cursor.peek_at(1).is_some_and(|b| b.is_ascii_digit());
            let takes = match byte {
                b'.' => next_is_digit,
                b'+' | b'-' => !hexadecimal && next_is_digit && matches!(self.cursor.before(), Some(b'e' | b'E')),
                byte => is_name_byte(byte),
            };
            if !takes {
                return;
            }
            self.cursor.skip(1);
        }
    }
}

fn read(text: &str) -> Option<Reading> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'0'..=b'9' | b'_', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix) && c != '_')
        .unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    let factor = match suffix {
        "" => 1,
        suffix => SUFFIXES.iter().find(|(name, _)| *name == suffix)?.1,
    };
    // `_` stands between digits; the 0 of an octal number is one.
    let body = if radix == 8 {
        digits.trim_start_matches('_')
    } else {
        digits
    };
    if body.is_empty() || body.starts_with('_') || body.ends_with('_') || body.contains("__") {
        return None;
    }
    let digits: String = body.chars().filter(|&c| c != '_').collect();
    let value = u64::from_str_radix(&digits, radix)
        .ok()
        .and_then(|value| value.checked_mul(factor));
    Some(Reading {
        value: value.unwrap_or(u64::MAX) as i64,
        octal: radix == 8,
        saturated: value.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_the_reference_says() {
        let table: &[(&str, Option<i64>)] = &[
            ("0", Some(0)),
            ("42", Some(42)),
            ("1_000_000", Some(1_000_000)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("0xffff_ffff", Some(0xffff_ffff)),
            ("010", Some(8)),
            ("0_7", Some(7)),
            ("00", Some(0)),
            ("08", None),
            ("1.5", None),
            ("1e5", None),
            ("12abc", None),
            ("0x", None),
            ("1_", None),
            ("1__0", None),
            ("0xg", None),
            ("1ns", Some(1)),
            ("10us", Some(10_000)),
            ("10ms", Some(10_000_000)),
            ("2s", Some(2_000_000_000)),
            ("4K", Some(4096)),
            ("1M", Some(1 << 20)),
            ("2G", Some(2 << 30)),
            ("1k", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", Some(i64::MIN)),
            ("0xffffffff81000000", Some(-0x7f00_0000)),
            ("18446744073709551615", Some(-1)),
        ];
        for (text, value) in table {
            assert_eq!(read(text).map(|reading| reading.value), *value, "{text}");
        }
    }

    #[test]
    fn too_large_numbers_saturate_to_minus_one() {
        for text in [
            "22222222222222222222222222222222222222222",
            "18446744073709551616",
            "99999999999999999s",
        ] {
            assert_eq!(
                read(text),
                Some(Reading {
                    value: -1,
                    octal: false,
                    saturated: true
                }),
                "{text}"
            );
        }
    }
}
