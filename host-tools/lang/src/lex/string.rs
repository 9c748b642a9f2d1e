//! Strings: quoted ones with escapes, long ones without.
//!
//! In: text that begins with a quote or `[[`. Out: bytes. Invariant: an unfinished string ends with its line (a long one with
//! the text) and is one complaint.

use super::Lexer;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::token::TokenKind;

impl Lexer<'_> {
    pub(super) fn quoted(&mut self, start: usize, quote: u8) {
        self.cursor.skip(1);
        let mut bytes = Vec::new();
        loop {
            match self.cursor.peek() {
                None | Some(b'\n') => {
                    let span = self.span_from(start);
                    let near = if self.cursor.peek().is_none() {
                        "<eof>".into()
                    } else {
                        shown(self.cursor.since(start))
                    };
                    let closer = quote as char;
                    self.complain(
                        Diagnostic::new(Code::UnfinishedString, span, format!("unfinished string near '{near}'"))
                            .help(format!("close it with {closer} on the same line, or use [[ ]]")),
                    );
                    break;
                }
                Some(b'\\') => self.escape(&mut bytes),
                Some(byte) => {
                    self.cursor.skip(1);
                    if byte == quote {
                        break;
                    }
                    bytes.push(byte);
                }
            }
        }
        self.push(TokenKind::Str(bytes), start);
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let start = self.cursor.position();
        self.cursor.skip(1);
        let Some(byte) = self.cursor.peek() else { return };
        match byte {
            b'0'..=b'9' => return self.decimal_escape(start, bytes),
            b'\n' => bytes.push(b'\n'),
            b'\r' if self.cursor.peek_at(1) == Some(b'\n') => {
                self.cursor.skip(1);
                bytes.push(b'\n');
            }
            b'z' => {
                self.cursor.skip(1);
                self.cursor.skip_while(|b| b.is_ascii_whitespace());
                return;
            }
            b'x' => {
                let digit = |at| self.cursor.peek_at(at).and_then(|b| (b as char).to_digit(16));
                let (Some(high), Some(low)) = (digit(1), digit(2)) else {
                    self.cursor.skip(1);
                    return self.bad_escape(start, "\\x takes two hexadecimal digits");
                };
                bytes.push((high * 16 + low) as u8);
                self.cursor.skip(2);
            }
            byte => match simple_escape(byte) {
                Some(meant) => bytes.push(meant),
                None => {
                    self.cursor.skip(1);
                    return self.bad_escape(start, "write \\\\ for a backslash");
                }
            },
        }
        self.cursor.skip(1);
    }

    fn decimal_escape(&mut self, start: usize, bytes: &mut Vec<u8>) {
        let mut value = 0u32;
        for _ in 0..3 {
            let Some(digit) = self.cursor.peek().and_then(|b| (b as char).to_digit(10)) else {
                break;
            };
            value = value * 10 + digit;
            self.cursor.skip(1);
        }
        match u8::try_from(value) {
            Ok(byte) => bytes.push(byte),
            Err(_) => self.bad_escape(start, "a byte is at most \\255"),
        }
    }

    fn bad_escape(&mut self, start: usize, help: &str) {
        let span = self.span_from(start);
        let near = shown(self.cursor.since(start));
        self.complain(
            Diagnostic::new(
                Code::InvalidEscape,
                span,
                format!("invalid escape sequence near '{near}'"),
            )
            .help(help),
        );
    }

    /// Reads a long string, or the `[` of an index if it is none.
    pub(super) fn long_bracket(&mut self, start: usize) {
        let Some(level) = self.long_bracket_level(0) else {
            if self.cursor.peek_at(1) == Some(b'=') {
                self.cursor.skip(1);
                self.cursor.skip_while(|b| b == b'=');
                let span = self.span_from(start);
                self.complain(Diagnostic::new(
                    Code::UnexpectedSymbol,
                    span,
                    "invalid long string delimiter",
                ));
                self.push(TokenKind::Error, start);
            }
            return;
        };
        let text = self.long_text(level);
        if text.is_none() {
            let span = Span::new(start, start + level + 2);
            self.complain(
                Diagnostic::new(Code::UnfinishedString, span, "unfinished long string near '<eof>'")
                    .help(format!("close it with ]{}]", "=".repeat(level))),
            );
        }
        self.push(TokenKind::Str(text.unwrap_or_default()), start);
    }

    /// Returns the number of `=` if a long bracket opens `ahead` bytes on.
    pub(super) fn long_bracket_level(&self, ahead: usize) -> Option<usize> {
        let text = self.cursor.rest().get(ahead..)?;
        let level = text.strip_prefix(b"[")?.iter().take_while(|&&b| b == b'=').count();
        (text.get(level + 1) == Some(&b'[')).then_some(level)
    }

    /// Takes a long bracket's text to its end; `None` if the script ends first. A line break at once after the opening is dropped.
    pub(super) fn long_text(&mut self, level: usize) -> Option<Vec<u8>> {
        self.cursor.skip(level + 2);
        if self.cursor.rest().starts_with(b"\r\n") {
            self.cursor.skip(2);
        } else if self.cursor.peek() == Some(b'\n') {
            self.cursor.skip(1);
        }
        let closer = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
        let start = self.cursor.position();
        while self.cursor.peek().is_some() {
            if self.cursor.rest().starts_with(&closer) {
                let text = self.cursor.since(start).to_vec();
                self.cursor.skip(closer.len());
                return Some(text);
            }
            self.cursor.skip(1);
        }
        None
    }
}

fn simple_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' | b'\'' => byte,
        _ => return None,
    })
}

/// Returns source bytes fit for a message.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::lex::lex;
    use crate::source::Source;
    use crate::token::TokenKind;

    /// Returns the first token, if it is a string, and the messages.
    fn read(text: &str) -> (Option<Vec<u8>>, Vec<String>) {
        let (tokens, diagnostics) = lex(&Source::new("test", text));
        let value = match &tokens[0].kind {
            TokenKind::Str(bytes) => Some(bytes.clone()),
            _ => None,
        };
        (
            value,
            diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect(),
        )
    }

    #[test]
    fn strings_are_bytes() {
        let table: &[(&str, &[u8])] = &[
            ("\"\"", b""),
            ("'a\"b'", b"a\"b"),
            (r#""\a\b\f\n\r\t\v\\\"\'""#, b"\x07\x08\x0c\n\r\t\x0b\\\"'"),
            (r#""\x00\xfF""#, b"\x00\xff"),
            (r#""\0\65\065\2551""#, b"\x00AA\xff1"),
            ("\"a\\z  \n\t b\"", b"ab"),
            ("\"a\\\nb\"", b"a\nb"),
            ("\"a\\\r\nb\"", b"a\nb"),
            ("[[a]]", b"a"),
            ("[[\na\nb]]", b"a\nb"),
            ("[==[a]]b]==]", b"a]]b"),
            ("\"\u{e9}\"", "\u{e9}".as_bytes()),
        ];
        for (text, bytes) in table {
            assert_eq!(read(text), (Some(bytes.to_vec()), vec![]), "{text}");
        }
    }

    #[test]
    fn bad_strings_are_one_complaint() {
        for (text, message) in [
            ("\"abc", "unfinished string near '<eof>'"),
            ("'abc\nx", "unfinished string near ''abc'"),
            ("[[abc", "unfinished long string near '<eof>'"),
            ("[=abc", "invalid long string delimiter"),
            (r#""\q""#, "invalid escape sequence near '\\q'"),
            (r#""\x4""#, "invalid escape sequence near '\\x'"),
            (r#""\256""#, "invalid escape sequence near '\\256'"),
            ("\"\\", "unfinished string near '<eof>'"),
        ] {
            assert_eq!(read(text).1, [message], "{text}");
        }
    }
}
