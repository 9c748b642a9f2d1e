//! Going on after an error.
//!
//! In: the place a statement began and failed. Out: the parser stands where the next statement probably begins. Invariant: at least one
//! token is passed, and no bracket of an enclosing block is taken.

use super::cursor::Parser;
use super::{Failed, Parsed};
use crate::token::TokenKind;

/// Tokens of a statement's head looked through for its block.
const MAX_HEAD: usize = 256;

impl Parser<'_> {
    /// Skips what is left of a statement that began at token `start` with `base` brackets open.
    pub(super) fn synchronise(&mut self, start: usize, base: usize) {
        loop {
            let token = self.token();
            let moved = self.position() > start;
            match &token.kind {
                TokenKind::Eof => break,
                TokenKind::RightBrace if !self.close_brace(base) => break,
                TokenKind::RightBrace => {
                    if self.open.len() <= base {
                        break;
                    }
                    continue;
                }
                TokenKind::End | TokenKind::Until if moved && self.word_blocks > 0 && self.open.len() <= base => break,
                _ => {}
            }
            if moved && starts_statement(&token.kind) {
                let own_line = token.first_on_line && self.column(self.position()) <= self.column(start);
                let level = self.open.len() <= base;
                if own_line || (level && (token.first_on_line || is_statement_word(&token.kind))) {
                    break;
                }
            }
            if self.is(&TokenKind::Semicolon) && self.open.len() <= base {
                self.take();
                break;
            }
            self.take();
        }
        self.open.truncate(base);
    }

    /// Takes a closing brace if it closes one opened after `base`; unclosed parentheses inside are given up.
    fn close_brace(&mut self, base: usize) -> bool {
        let opener = self
            .open
            .iter()
            .rposition(|&at| self.token_at(at).kind == TokenKind::LeftBrace);
        match opener {
            Some(at) if at >= base => {
                self.open.truncate(at + 1);
                self.take();
                true
            }
            _ => false,
        }
    }

    /// After an error in the head of a statement: moves to its block, if the same line has one; the head's brackets are given up.
    pub(super) fn skip_to_block(&mut self, base: usize) -> Parsed<()> {
        let mut at = self.position();
        let limit = at + MAX_HEAD;
        loop {
            let token = self.token_at(at);
            match token.kind {
                TokenKind::LeftBrace => break,
                _ if at == limit => return Err(Failed),
                TokenKind::Eof | TokenKind::RightBrace | TokenKind::Semicolon => return Err(Failed),
                _ if token.first_on_line && at > self.position() => return Err(Failed),
                _ => at += 1,
            }
        }
        while self.position() < at {
            self.take();
        }
        self.open.truncate(base);
        Ok(())
    }

    fn column(&self, position: usize) -> usize {
        let before = &self.source.text[..self.token_at(position).span.start as usize];
        before.iter().rev().take_while(|&&b| b != b'\n').count()
    }
}

/// A literal starts no good statement, but a line that begins with one is an error of its own.
fn starts_statement(kind: &TokenKind) -> bool {
    use TokenKind::*;
    matches!(
        kind,
        Name(_) | Number(_) | Str(_) | ColonColon | LeftParen | LeftBrace | Else | ElseIf | End | Error
    ) || is_statement_word(kind)
}

fn is_statement_word(kind: &TokenKind) -> bool {
    use TokenKind::*;
    matches!(
        kind,
        Break
            | Continue
            | Do
            | For
            | Goto
            | If
            | Local
            | Repeat
            | Return
            | Var
            | While
            | Trace
            | Tick
            | Profile
            | Function
    )
}
