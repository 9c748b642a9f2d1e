//! The lexer: text to tokens.
//!
//! In: [`Source`]. Out: tokens, the last of them [`TokenKind::Eof`], and diagnostics. Invariant: spans lie inside the text, in
//! order, and no byte sequence makes it panic or stop before the end.
//!
//! The token before decides what a few spellings mean: see [`statement`] for `trace`, `tick-`, `profile-` and
//! [`comment`] for `--`.

mod comment;
mod cursor;
mod number;
mod statement;
mod string;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Source, Span};
use crate::token::{Token, TokenKind};
use cursor::{Cursor, is_name_byte, is_name_start};

/// Makes tokens of a script; complaints come beside them, never instead.
pub fn lex(source: &Source) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer {
        cursor: Cursor::new(&source.text),
        tokens: Vec::new(),
        diagnostics: Vec::new(),
        braces: Vec::new(),
        fresh_line: true,
    };
    lexer.run();
    (lexer.tokens, lexer.diagnostics)
}

struct Lexer<'a> {
    cursor: Cursor<'a>,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
    /// For every bracket still open: which, and true if statements may stand in it.
    braces: Vec<(u8, bool)>,
    /// True until the line has a token.
    fresh_line: bool,
}

impl Lexer<'_> {
    fn run(&mut self) {
        if self.cursor.rest().starts_with(b"\xef\xbb\xbf") {
            self.cursor.skip(3);
        }
        loop {
            self.skip_blanks_and_comments();
            let start = self.cursor.position();
            let Some(byte) = self.cursor.peek() else {
                self.push(TokenKind::Eof, start);
                return;
            };
            match byte {
                _ if is_name_start(byte) => self.name(start),
                b'0'..=b'9' => self.number(start),
                b'.' if self.cursor.peek_at(1).is_some_and(|b| b.is_ascii_digit()) => self.number(start),
                b'"' | b'\'' => self.quoted(start, byte),
                b'[' if matches!(self.cursor.peek_at(1), Some(b'[' | b'=')) => self.long_bracket(start),
                b'`' => self.kernel_symbol(start),
                _ => self.symbol(start, byte),
            }
        }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            match self.cursor.peek() {
                Some(b'\n' | b'\r') => {
                    self.fresh_line = true;
                    self.cursor.skip(1);
                }
                Some(b' ' | b'\t' | 0x0b | 0x0c) => self.cursor.skip(1),
                Some(b'#') => self.cursor.skip_line(),
                Some(b'-') if self.at_dash_comment() => self.dash_comment(),
                _ => return,
            }
        }
    }

    fn name(&mut self, start: usize) {
        self.cursor.skip_while(is_name_byte);
        let text = String::from_utf8_lossy(self.cursor.since(start)).into_owned();
        if self.statement_word(&text, start) {
            return;
        }
        // After a dot every word is a name: `e.end` reads a field.
        let member = matches!(self.last(), Some(TokenKind::Dot | TokenKind::Colon));
        let word = if member { None } else { TokenKind::word(&text) };
        self.push(word.unwrap_or(TokenKind::Name(text)), start);
    }

    fn kernel_symbol(&mut self, start: usize) {
        self.cursor.skip(1);
        let from = self.cursor.position();
        self.cursor.skip_while(|b| !matches!(b, b'`' | b'\n'));
        let text = String::from_utf8_lossy(self.cursor.since(from)).into_owned();
        if self.cursor.peek() == Some(b'`') {
            self.cursor.skip(1);
        } else {
            let span = self.span_from(start);
            self.complain(
                Diagnostic::new(Code::UnfinishedString, span, "unfinished kernel symbol").help("close it with `"),
            );
        }
        self.push(TokenKind::KernelSymbol(text), start);
    }

    fn symbol(&mut self, start: usize, byte: u8) {
        let Some((kind, length)) = TokenKind::symbol(self.cursor.rest()) else {
            self.unknown_symbol(start, byte);
            return;
        };
        // `--` that is no comment is two signs, unless nothing it could be applied to follows.
        let (kind, length) = match kind {
            TokenKind::MinusMinus if !self.is_decrement() => (TokenKind::Minus, 1),
            kind => (kind, length),
        };
        self.cursor.skip(length);
        match kind {
            TokenKind::LeftBrace => {
                let table = self.last().is_some_and(|before| !self.brace_opens_block(before));
                self.braces.push((byte, !table));
            }
            TokenKind::LeftParen | TokenKind::LeftBracket => self.braces.push((byte, false)),
            // A brace closes what was forgotten inside it; a parenthesis never closes a brace.
            TokenKind::RightBrace => while self.braces.pop().is_some_and(|(open, _)| open != b'{') {},
            TokenKind::RightParen | TokenKind::RightBracket
                if self.braces.last().is_some_and(|&(open, _)| open != b'{') =>
            {
                self.braces.pop();
            }
            _ => {}
        }
        self.push(kind, start);
    }

    /// Returns true if a brace after this token opens a block, not a table.
    fn brace_opens_block(&self, before: &TokenKind) -> bool {
        use TokenKind::*;
        before.ends_operand()
            || matches!(
                before,
                Else | Do | Repeat | Semicolon | EventText(_) | ColonColon | Break | Continue | End | Then
            )
            || (matches!(before, LeftBrace) && self.braces.last().is_some_and(|&(_, statements)| statements))
    }

    fn unknown_symbol(&mut self, start: usize, byte: u8) {
        self.cursor.skip(1);
        self.cursor.skip_while(|b| b == byte);
        let shown = String::from_utf8_lossy(self.cursor.since(start))
            .escape_debug()
            .to_string();
        let span = self.span_from(start);
        let diagnostic = Diagnostic::new(
            Code::UnexpectedSymbol,
            span,
            format!("unexpected symbol near '{shown}'"),
        );
        let diagnostic = match byte {
            b'?' => diagnostic.help("there is no `?:`; write `condition && this || that`"),
            b'$' => diagnostic.help("script arguments are `arg[1]`, `arg[2]`, ..."),
            _ => diagnostic,
        };
        self.complain(diagnostic);
        self.push(TokenKind::Error, start);
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let token = Token {
            kind,
            span: self.span_from(start),
            first_on_line: self.fresh_line,
        };
        self.fresh_line = false;
        self.tokens.push(token);
    }

    fn last(&self) -> Option<&TokenKind> {
        self.tokens.last().map(|token| &token.kind)
    }

    fn span_from(&self, start: usize) -> Span {
        Span::new(start, self.cursor.position())
    }

    fn complain(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
