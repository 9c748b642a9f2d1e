//! Statements and blocks.
//!
//! In: tokens. Out: [`Block`], [`Statement`]. Invariant: an error inside a statement costs that statement, not its block.

use super::cursor::Parser;
use super::operator::binary;
use super::{Failed, Parsed};
use crate::ast::{Block, Expression, ExpressionKind, Statement, StatementKind};
use crate::diagnostic::{Code, Diagnostic, Label};
use crate::source::Span;
use crate::token::TokenKind;

impl Parser<'_> {
    /// Reads the whole script.
    pub(super) fn script(&mut self) -> Block {
        let mut statements = Vec::new();
        while !self.is(&TokenKind::Eof) {
            self.statements_until(&mut statements, |_| false);
            if !self.is(&TokenKind::Eof) {
                // A closing brace nothing opened.
                self.unexpected();
                self.take();
            }
        }
        Block {
            statements,
            span: Span::new(0, self.source.text.len()),
        }
    }

    fn statements_until(&mut self, statements: &mut Vec<Statement>, ends: impl Fn(&TokenKind) -> bool) {
        while self.accept(&TokenKind::Semicolon) {}
        loop {
            if ends(self.kind()) || matches!(self.kind(), TokenKind::Eof | TokenKind::RightBrace) {
                return;
            }
            let (position, base, start) = (self.position(), self.open.len(), self.span());
            let kind = match self.deeper(Self::statement) {
                Ok(kind) => kind,
                Err(Failed) => {
                    self.synchronise(position, base);
                    if self.position() == position {
                        self.take();
                    }
                    StatementKind::Error
                }
            };
            let returned = matches!(kind, StatementKind::Return(_));
            statements.push(Statement {
                kind,
                span: start.to(self.last_span()),
            });
            while self.accept(&TokenKind::Semicolon) {}
            if returned && !ends(self.kind()) && !matches!(self.kind(), TokenKind::Eof | TokenKind::RightBrace) {
                let message = format!(
                    "'return' must be the last statement of its block, near '{}'",
                    self.near()
                );
                self.fail(Diagnostic::new(Code::UnexpectedSymbol, self.span(), message).label("never reached"));
            }
        }
    }

    fn statement(&mut self) -> Parsed<StatementKind> {
        let next = self.ahead();
        match self.kind() {
            TokenKind::If => self.if_statement(),
            TokenKind::While => self.while_statement(),
            TokenKind::Repeat => self.repeat_statement(),
            TokenKind::For => self.for_statement(),
            TokenKind::Do => {
                self.take();
                let start = self.last_span();
                let body = self.word_block(&TokenKind::End, start)?;
                Ok(StatementKind::Do(body))
            }
            TokenKind::LeftBrace => Ok(StatementKind::Do(self.block()?)),
            TokenKind::Function => self.function_statement(),
            TokenKind::Var | TokenKind::Local => self.local_statement(),
            TokenKind::Return => self.return_statement(),
            TokenKind::Break => {
                self.take();
                Ok(StatementKind::Break)
            }
            TokenKind::Continue => {
                self.take();
                Ok(StatementKind::Continue)
            }
            TokenKind::Goto => {
                self.take();
                Ok(StatementKind::Goto(self.name()?))
            }
            TokenKind::ColonColon => {
                self.take();
                let name = self.name()?;
                self.expect(&TokenKind::ColonColon)?;
                Ok(StatementKind::Label(name))
            }
            TokenKind::Trace => self.trace_statement(),
            TokenKind::Tick | TokenKind::Profile => self.timer_statement(),
            TokenKind::Name(text) if text == "trace_end" && Self::opens_end_handler(&next.kind) => {
                self.trace_end_statement()
            }
            _ => self.simple_statement(),
        }
    }

    /// Reads `{ ... }`.
    pub(super) fn block(&mut self) -> Parsed<Block> {
        let opener = self.expect(&TokenKind::LeftBrace)?;
        let base = self.open.len().saturating_sub(1);
        let words = std::mem::take(&mut self.word_blocks);
        let mut statements = Vec::new();
        self.statements_until(&mut statements, |_| false);
        self.word_blocks = words;
        if self.is(&TokenKind::RightBrace) {
            // What an error left open inside ends with the block.
            self.open.truncate(base + 1);
        }
        let closer = match self.expect_close(&TokenKind::RightBrace, opener) {
            Ok(closer) => closer,
            // The script ends here: what was read stands.
            Err(Failed) => self.span(),
        };
        Ok(Block {
            statements,
            span: opener.to(closer),
        })
    }

    /// Reads a block behind a statement's head, where a missing brace is the likeliest slip.
    pub(super) fn body(&mut self) -> Parsed<Block> {
        if self.is(&TokenKind::LeftBrace) {
            return self.block();
        }
        let failed = self.expected("{");
        if self.is(&TokenKind::Then) || self.is(&TokenKind::Do) {
            return Ok(self.foreign_block());
        }
        let token = self.token();
        if token.first_on_line || matches!(token.kind, TokenKind::Eof | TokenKind::RightBrace | TokenKind::End) {
            return Err(failed);
        }
        let start = self.span();
        let kind = self.deeper(Self::statement)?;
        let span = start.to(self.last_span());
        Ok(Block {
            statements: vec![Statement { kind, span }],
            span,
        })
    }

    /// Reads Lua's `then ... end` and `do ... end`, already complained about.
    fn foreign_block(&mut self) -> Block {
        let start = self.take().span;
        self.word_blocks += 1;
        let mut statements = Vec::new();
        self.statements_until(&mut statements, |kind| {
            matches!(kind, TokenKind::End | TokenKind::Else | TokenKind::ElseIf)
        });
        self.word_blocks -= 1;
        self.accept(&TokenKind::End);
        Block {
            statements,
            span: self.since(start),
        }
    }

    /// Reads statements up to the word that ends them.
    pub(super) fn word_block(&mut self, end: &TokenKind, start: Span) -> Parsed<Block> {
        self.word_blocks += 1;
        let mut statements = Vec::new();
        self.statements_until(&mut statements, |kind| kind == end);
        self.word_blocks -= 1;
        let span = start.to(self.last_span());
        self.expect_close(end, start)?;
        Ok(Block { statements, span })
    }

    fn if_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        let mut arms = vec![self.arm()?];
        let mut otherwise = None;
        loop {
            if self.accept(&TokenKind::ElseIf) {
                arms.push(self.arm()?);
            } else if self.is(&TokenKind::Else) && self.ahead().kind == TokenKind::If {
                self.take();
                self.take();
                arms.push(self.arm()?);
            } else if self.accept(&TokenKind::Else) {
                otherwise = Some(self.body()?);
                break;
            } else if self.is_word("elif") || self.is_word("elsif") {
                return Err(self.unexpected_but("did you mean `elseif`?".into()));
            } else {
                break;
            }
        }
        Ok(StatementKind::If { arms, otherwise })
    }

    fn arm(&mut self) -> Parsed<(Expression, Block)> {
        let condition = self.head(Self::condition)?.unwrap_or_else(|| Expression {
            kind: ExpressionKind::Error,
            span: self.span(),
        });
        Ok((condition, self.body()?))
    }

    /// Reads a statement's head; after an error in it, goes on at its block.
    pub(super) fn head<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        let base = self.open.len();
        match read(self) {
            Ok(head) => Ok(Some(head)),
            Err(Failed) => self.skip_to_block(base).map(|()| None),
        }
    }

    /// Reads `(exp)`.
    pub(super) fn condition(&mut self) -> Parsed<Expression> {
        let opener = self.expect(&TokenKind::LeftParen)?;
        let condition = self.expression()?;
        self.expect_close(&TokenKind::RightParen, opener)?;
        if binary(self.kind()).is_some() {
            let before = self.diagnostics.len();
            let failed = self.expected("{");
            if let Some(diagnostic) = self.diagnostics.get_mut(before) {
                diagnostic.others.push(Label {
                    span: opener,
                    text: "the condition began here".into(),
                });
                diagnostic
                    .help
                    .push("put the whole condition into one pair of parentheses".into());
            }
            return Err(failed);
        }
        Ok(condition)
    }

    fn return_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        let ends = matches!(
            self.kind(),
            TokenKind::Eof | TokenKind::RightBrace | TokenKind::Semicolon | TokenKind::End | TokenKind::Until
        );
        let values = if ends { Vec::new() } else { self.expressions()? };
        Ok(StatementKind::Return(values))
    }
}
