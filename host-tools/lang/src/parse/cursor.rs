//! The parser's state: where it is, what is open, how deep.
//!
//! In: tokens, the last of them `Eof`. Out: [`Parser`]. Invariant: it never moves past `Eof`, and one place gets one complaint.

use super::{Failed, MAX_LEVELS, Parsed};
use crate::ast::Name;
use crate::diagnostic::{Code, Diagnostic, Label};
use crate::source::{Source, Span};
use crate::token::{Token, TokenKind};

pub(super) struct Parser<'a> {
    pub(super) source: &'a Source,
    tokens: &'a [Token],
    at: usize,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Brackets taken and not closed: where each opened.
    pub(super) open: Vec<usize>,
    /// Blocks around that end in a word: `do`, `repeat`.
    pub(super) word_blocks: u32,
    /// Where the last error is.
    last_error: Option<u32>,
    /// True once the rest of the script is given up.
    gave_up: bool,
    depth: u32,
    /// The deepest level reached in the construct at hand.
    deepest: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a Source, tokens: &'a [Token]) -> Parser<'a> {
        Parser {
            source,
            tokens,
            at: 0,
            diagnostics: Vec::new(),
            open: Vec::new(),
            word_blocks: 0,
            last_error: None,
            gave_up: false,
            depth: 0,
            deepest: 0,
        }
    }

    pub(super) fn token(&self) -> &'a Token {
        &self.tokens[self.at]
    }

    pub(super) fn kind(&self) -> &'a TokenKind {
        &self.token().kind
    }

    pub(super) fn span(&self) -> Span {
        self.token().span
    }

    /// Returns the token after the current one, `Eof` again at the end.
    pub(super) fn ahead(&self) -> &'a Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn token_at(&self, position: usize) -> &'a Token {
        &self.tokens[position]
    }

    /// Returns the span of the token taken last.
    pub(super) fn last_span(&self) -> Span {
        self.at
            .checked_sub(1)
            .map_or(Span::default(), |at| self.tokens[at].span)
    }

    pub(super) fn is(&self, kind: &TokenKind) -> bool {
        self.kind() == kind
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(text) if text == word)
    }

    /// Takes the current token.
    pub(super) fn take(&mut self) -> &'a Token {
        let token = self.token();
        match token.kind {
            TokenKind::Eof => return token,
            TokenKind::LeftParen | TokenKind::LeftBrace | TokenKind::LeftBracket => self.open.push(self.at),
            TokenKind::RightParen => self.close(&TokenKind::LeftParen),
            TokenKind::RightBrace => self.close(&TokenKind::LeftBrace),
            TokenKind::RightBracket => self.close(&TokenKind::LeftBracket),
            _ => {}
        }
        self.at += 1;
        token
    }

    fn close(&mut self, opener: &TokenKind) {
        if self.open.last().is_some_and(|&at| self.tokens[at].kind == *opener) {
            self.open.pop();
        }
    }

    /// Takes the current token if it is this one.
    pub(super) fn accept(&mut self, kind: &TokenKind) -> bool {
        let accepted = self.is(kind);
        if accepted {
            self.take();
        }
        accepted
    }

    pub(super) fn expect(&mut self, kind: &TokenKind) -> Parsed<Span> {
        if !self.is(kind) {
            return Err(self.expected(kind.text()));
        }
        Ok(self.take().span)
    }

    /// Takes the bracket that closes the one opened at `opener`.
    pub(super) fn expect_close(&mut self, kind: &TokenKind, opener: Span) -> Parsed<Span> {
        if self.is(kind) {
            return Ok(self.take().span);
        }
        let before = self.diagnostics.len();
        let failed = self.expected(kind.text());
        if let Some(diagnostic) = self.diagnostics.get_mut(before) {
            diagnostic.others.push(Label {
                span: opener,
                text: "opened here".into(),
            });
        }
        Err(failed)
    }

    pub(super) fn name(&mut self) -> Parsed<Name> {
        match self.kind() {
            TokenKind::Name(text) => Ok(Name {
                text: text.clone(),
                span: self.take().span,
            }),
            _ => Err(self.expected("<name>")),
        }
    }

    /// Complains that something is missing here.
    pub(super) fn expected(&mut self, what: &str) -> Failed {
        let what = if what.starts_with('<') {
            what.trim_matches(['<', '>']).to_string()
        } else {
            format!("'{what}'")
        };
        let message = format!("{what} expected near '{}'", self.near());
        self.fail(Diagnostic::new(Code::UnexpectedSymbol, self.span(), message))
    }

    /// Complains about the current token.
    pub(super) fn unexpected(&mut self) -> Failed {
        let message = format!("unexpected symbol near '{}'", self.near());
        let diagnostic = Diagnostic::new(Code::UnexpectedSymbol, self.span(), message);
        let diagnostic = match self.kind() {
            TokenKind::PlusPlus => diagnostic.help("write `x += 1`"),
            TokenKind::MinusMinus => diagnostic.help("write `x -= 1`"),
            TokenKind::Assign => diagnostic.help("comparison is `==`"),
            TokenKind::Slash => diagnostic.help("comments begin with #"),
            TokenKind::Plus => diagnostic.help("there is no sign +"),
            _ => diagnostic,
        };
        self.fail(diagnostic)
    }

    /// Complains about the current token and says what may have been meant.
    pub(super) fn unexpected_but(&mut self, help: String) -> Failed {
        let before = self.diagnostics.len();
        let failed = self.unexpected();
        if let Some(diagnostic) = self.diagnostics.get_mut(before) {
            diagnostic.help.push(help);
        }
        failed
    }

    /// Writes a diagnostic, unless its place has one already or the lexer has complained there.
    pub(super) fn fail(&mut self, diagnostic: Diagnostic) -> Failed {
        let start = diagnostic.primary.span.start;
        let known = self.last_error == Some(start) || self.is(&TokenKind::Error);
        self.last_error = Some(start);
        if !known && !self.gave_up {
            self.diagnostics.push(diagnostic);
        }
        Failed
    }

    /// Writes a diagnostic about something the parser can go on after.
    pub(super) fn complain(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Returns the current token as messages name it.
    pub(super) fn near(&self) -> String {
        if self.is(&TokenKind::Eof) {
            return "<eof>".into();
        }
        let span = self.span();
        let text = self
            .source
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(40) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line.into(),
        }
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_LEVELS {
            return Err(self.too_deep());
        }
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Runs `read`, which builds a tree from its leaves up and calls [`Parser::lift`] for each level it puts on top.
    pub(super) fn chain<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.deepest, self.depth);
        let result = read(self);
        self.deepest = self.deepest.max(outer);
        result
    }

    /// Counts one level put on top of what the chain has read.
    pub(super) fn lift(&mut self) -> Parsed<()> {
        if self.deepest >= MAX_LEVELS {
            return Err(self.too_deep());
        }
        self.deepest += 1;
        Ok(())
    }

    /// Complains once and gives up the rest of the script: behind this, nothing would be read aright.
    fn too_deep(&mut self) -> Failed {
        let message = format!("chunk has too many syntax levels (limit is {MAX_LEVELS})");
        let failed = self.fail(Diagnostic::new(Code::TooDeep, self.span(), message));
        self.at = self.tokens.len() - 1;
        self.gave_up = true;
        failed
    }
}
