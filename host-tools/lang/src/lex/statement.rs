//! Words that mean something only where a statement starts: `trace`, `tick-`, `profile-`, and the raw text behind them.
//!
//! In: the token before, the text behind. Out: the word and its [`TokenKind::EventText`]. Invariant: elsewhere, and where
//! an operator follows, they are ordinary names.

use super::Lexer;
use super::cursor::{is_blank, is_name_byte, is_name_start};
use crate::token::TokenKind;

/// Bytes of raw text looked at; a kernel filter alone may have 4096. What is longer has lost its brace.
const MAX_EVENT_TEXT: usize = 16 * 1024;

/// Bytes looked through for the brace behind an interval.
const MAX_INTERVAL: usize = 256;

impl Lexer<'_> {
    /// Pushes the tokens of `trace`, `tick-` or `profile-` if the word just read is one; its end is the cursor.
    pub(super) fn statement_word(&mut self, word: &str, start: usize) -> bool {
        let kind = match word {
            "trace" => TokenKind::Trace,
            "tick" => TokenKind::Tick,
            "profile" => TokenKind::Profile,
            _ => return false,
        };
        if !self.statement_may_start() {
            return false;
        }
        if kind == TokenKind::Trace {
            self.trace(start)
        } else {
            self.timer(kind, start)
        }
    }

    fn statement_may_start(&self) -> bool {
        use TokenKind::*;
        // At the start of a line it is a statement even if a parenthesis before was forgotten.
        if !self.fresh_line && self.braces.last().is_some_and(|&(_, statements)| !statements) {
            return false;
        }
        match self.last() {
            None => true,
            Some(Semicolon | LeftBrace | Do | End | Else | Repeat | Break | Continue | ColonColon | Then | Error) => {
                true
            }
            Some(kind) => kind.ends_operand(),
        }
    }

    fn timer(&mut self, kind: TokenKind, start: usize) -> bool {
        if !(self.cursor.peek() == Some(b'-') && self.cursor.peek_at(1).is_some_and(|b| b.is_ascii_alphanumeric())) {
            return false;
        }
        let rest = &self.cursor.rest()[1..];
        let rest = &rest[..rest.len().min(MAX_INTERVAL)];
        let length = rest
            .iter()
            .position(|&b| matches!(b, b'{' | b'\n' | b';' | b'}'))
            .unwrap_or(rest.len());
        // `x = y  tick-1 ...` without a brace on its line or the next is arithmetic on a variable of that name.
        if rest[length..].iter().find(|&&b| !is_blank(b) && b != b'\n') != Some(&b'{')
            && self.last().is_some()
            && !self.fresh_line
        {
            return false;
        }
        self.cursor.skip(1);
        self.push(kind, start);
        self.event_text(length);
        true
    }

    fn trace(&mut self, start: usize) -> bool {
        let rest = self.cursor.rest();
        let blanks = rest.iter().take_while(|&&b| is_blank(b) || b == b'\n').count();
        let text = &rest[blanks..];
        match text.first() {
            Some(b'"' | b'\'') => {
                self.push(TokenKind::Trace, start);
                return true;
            }
            // `trace ("a" .. b) f`, but a call of something named trace elsewhere.
            Some(b'(') if call_form(text) => {
                self.push(TokenKind::Trace, start);
                return true;
            }
            None
            | Some(b'=' | b',' | b';' | b'}' | b'.' | b')' | b']' | b'+' | b'-' | b'(' | b'[' | b'/' | b'<' | b'%') => {
                return false;
            }
            Some(b':') if text.starts_with(b"::") => return false,
            Some(_) => {}
        }
        self.push(TokenKind::Trace, start);
        if !call_form(text) {
            let length = raw_length(text);
            self.event_text(blanks + length);
        }
        true
    }

    /// Pushes the next `length` bytes, trimmed, as raw text.
    fn event_text(&mut self, length: usize) {
        let from = self.cursor.position();
        let raw = &self.cursor.rest()[..length];
        let lead = raw.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let trimmed = raw.trim_ascii();
        self.cursor.skip(lead + trimmed.len());
        let text = String::from_utf8_lossy(trimmed).into_owned();
        self.push(TokenKind::EventText(text), from + lead);
        // The brace belongs to the line of its text: the blanks between may hold a line break.
        self.fresh_line = false;
    }
}

/// Returns the length of an EVENTDEF: up to its brace, but not past what can stand in none. Braces in quotes do not count.
fn raw_length(text: &[u8]) -> usize {
    let text = &text[..text.len().min(MAX_EVENT_TEXT)];
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'{' | b'}' | b';' => break,
            b'\n' if line_starts_statement(&text[at + 1..]) => break,
            quote @ (b'"' | b'\'') => {
                let rest = &text[at + 1..];
                let close = rest.iter().take_while(|&&b| b != b'\n').position(|&b| b == quote);
                at += close.map_or(1, |close| close + 2);
            }
            _ => at += 1,
        }
    }
    at
}

/// Returns true if a line cannot go on with an EVENTDEF: a brace was forgotten before it.
fn line_starts_statement(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let word = &line[..line.iter().take_while(|&&b| is_name_byte(b)).count()];
    let Ok(text) = std::str::from_utf8(word) else {
        return false;
    };
    let call = !word.is_empty() && line.get(word.len()) == Some(&b'(');
    call || text == "trace" || text == "trace_end" || TokenKind::word(text).is_some()
}

/// Returns true if `trace` is followed by expressions, not by a bare EVENTDEF: `trace event function (e) {}`, `trace event handler`.
fn call_form(text: &[u8]) -> bool {
    let raw = &text[..raw_length(text)];
    if raw.first() == Some(&b'(') || raw.first().is_some_and(|&b| is_name_start(b)) {
        for (at, window) in raw.windows(8).enumerate() {
            let apart =
                at > 0 && !is_name_byte(raw[at - 1]) && !matches!(raw[at - 1], b':' | b'*' | b'?' | b'-' | b'.');
            let opens = raw[at + 8..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'(');
            if window == b"function" && apart && opens {
                return true;
            }
        }
    }
    let line = raw.split(|&b| b == b'\n').next().unwrap_or_default();
    let ends_before_brace = text.get(line.len()) != Some(&b'{');
    if raw.first() == Some(&b'(') {
        return false;
    }
    let words: Vec<&[u8]> = line
        .split(|b| b.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    ends_before_brace
        && words.len() == 2
        && words
            .iter()
            .all(|word| is_name_start(word[0]) && word.iter().all(|&b| is_name_byte(b)))
}
