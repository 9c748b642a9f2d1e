//! `--`: a comment in the last release, two minus signs in the first ones.
//!
//! In: the token before and the bytes around. Out: comments skipped. Invariant: `a--b` is `a - -b` and `x = --b` is `- -b`;
//! where a statement may start, and with blanks on both sides, `--` begins a comment.

use super::Lexer;
use super::cursor::is_blank;
use crate::diagnostic::{Code, Diagnostic};
use crate::token::TokenKind;

impl Lexer<'_> {
    /// Returns true if the text goes on with a `--` that begins a comment.
    pub(super) fn at_dash_comment(&self) -> bool {
        if !self.cursor.rest().starts_with(b"--") {
            return false;
        }
        let glued = self.cursor.before().is_some_and(|b| !is_blank(b) && b != b'\n');
        match self.last() {
            None => true,
            Some(TokenKind::RightBrace) => true,
            Some(kind) if kind.ends_operand() => !glued || self.long_bracket_level(2).is_some(),
            Some(kind) if starts_statement_after(kind) => true,
            Some(TokenKind::LeftBrace) => true,
            // An operand is due: a sign belongs to what follows at once, a remark stands apart.
            Some(_) => self
                .cursor
                .peek_at(2)
                .is_none_or(|b| is_blank(b) || b == b'\n' || b == b'-'),
        }
    }

    /// Skips a comment that begins with `--`, `--[[ ]]` included.
    pub(super) fn dash_comment(&mut self) {
        let start = self.cursor.position();
        let Some(level) = self.long_bracket_level(2) else {
            self.cursor.skip_line();
            return;
        };
        self.cursor.skip(2);
        let before = self.cursor.position();
        if self.long_text(level).is_none() {
            let span = self.span_from(start);
            self.complain(Diagnostic::new(
                Code::UnfinishedString,
                span,
                "unfinished long comment near '<eof>'",
            ));
        }
        if self.cursor.since(before).contains(&b'\n') {
            self.fresh_line = true;
        }
    }

    /// Returns true if a `--` that is no comment is meant as C's decrement: an operand before, nothing to negate after.
    pub(super) fn is_decrement(&self) -> bool {
        let operand = self.last().is_some_and(TokenKind::ends_operand);
        let after = self.cursor.rest()[2..].iter().find(|&&b| !is_blank(b));
        operand && after.is_none_or(|b| matches!(b, b'\n' | b')' | b';' | b'}' | b','))
    }
}

fn starts_statement_after(kind: &TokenKind) -> bool {
    use TokenKind::*;
    matches!(
        kind,
        Semicolon | Do | End | Else | Repeat | Break | Continue | ColonColon | Then
    )
}
