//! Loops: `while`, `repeat`, and the three kinds of `for`.
//!
//! In: tokens. Out: [`StatementKind`]. Invariant: after a broken head the body is still read.

use super::Parsed;
use super::cursor::Parser;
use crate::ast::{Block, Expression, ExpressionKind, Name, Statement, StatementKind};
use crate::token::TokenKind;

/// A `for`'s head, before its body is read.
enum ForHead {
    Numeric {
        variable: Name,
        first: Expression,
        last: Expression,
        step: Option<Expression>,
    },
    C {
        init: Option<Box<Statement>>,
        condition: Option<Expression>,
        step: Option<Box<Statement>>,
    },
    Pairs {
        names: Vec<Name>,
        iterator: Expression,
    },
}

impl ForHead {
    fn with(self, body: Block) -> StatementKind {
        match self {
            ForHead::Numeric {
                variable,
                first,
                last,
                step,
            } => StatementKind::NumericFor {
                variable,
                first,
                last,
                step,
                body,
            },
            ForHead::C { init, condition, step } => StatementKind::CFor {
                init,
                condition,
                step,
                body,
            },
            ForHead::Pairs { names, iterator } => StatementKind::PairsFor { names, iterator, body },
        }
    }
}

impl Parser<'_> {
    pub(super) fn while_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        let error = Expression {
            kind: ExpressionKind::Error,
            span: self.span(),
        };
        let condition = self.head(Self::condition)?.unwrap_or(error);
        Ok(StatementKind::While {
            condition,
            body: self.body()?,
        })
    }

    pub(super) fn repeat_statement(&mut self) -> Parsed<StatementKind> {
        let start = self.take().span;
        let body = self.word_block(&TokenKind::Until, start)?;
        Ok(StatementKind::Repeat {
            body,
            until: self.expression()?,
        })
    }

    pub(super) fn for_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        match self.head(Self::for_head)? {
            Some(head) => Ok(head.with(self.body()?)),
            None => {
                let condition = Expression {
                    kind: ExpressionKind::Error,
                    span: self.span(),
                };
                Ok(StatementKind::While {
                    condition,
                    body: self.body()?,
                })
            }
        }
    }

    fn for_head(&mut self) -> Parsed<ForHead> {
        let opener = self.expect(&TokenKind::LeftParen)?;
        let head = match (self.kind(), &self.ahead().kind) {
            (TokenKind::Name(_), TokenKind::In | TokenKind::Comma) => self.pairs_head()?,
            (TokenKind::Name(_), TokenKind::Assign) => self.numeric_or_c_head()?,
            _ => {
                let init = if self.is(&TokenKind::Semicolon) {
                    None
                } else {
                    Some(Box::new(self.bare_statement()?))
                };
                self.c_head(init)?
            }
        };
        self.expect_close(&TokenKind::RightParen, opener)?;
        Ok(head)
    }

    fn pairs_head(&mut self) -> Parsed<ForHead> {
        let mut names = vec![self.name()?];
        if self.accept(&TokenKind::Comma) {
            names.push(self.name()?);
        }
        self.expect(&TokenKind::In)?;
        Ok(ForHead::Pairs {
            names,
            iterator: self.expression()?,
        })
    }

    fn numeric_or_c_head(&mut self) -> Parsed<ForHead> {
        let variable = self.name()?;
        self.take();
        let first = self.expression()?;
        if !self.accept(&TokenKind::Comma) {
            if !self.is(&TokenKind::Semicolon) {
                return Err(self.expected(","));
            }
            let span = variable.span.to(first.span);
            let target = Expression {
                kind: ExpressionKind::Name(variable.text),
                span: variable.span,
            };
            let kind = StatementKind::Assign {
                targets: vec![target],
                values: vec![first],
            };
            return self.c_head(Some(Box::new(Statement { kind, span })));
        }
        let last = self.expression()?;
        let step = if self.accept(&TokenKind::Comma) {
            Some(self.expression()?)
        } else {
            None
        };
        Ok(ForHead::Numeric {
            variable,
            first,
            last,
            step,
        })
    }

    /// Reads `; condition; step`.
    fn c_head(&mut self, init: Option<Box<Statement>>) -> Parsed<ForHead> {
        self.expect(&TokenKind::Semicolon)?;
        let condition = if self.is(&TokenKind::Semicolon) {
            None
        } else {
            Some(self.expression()?)
        };
        self.expect(&TokenKind::Semicolon)?;
        let step = if self.is(&TokenKind::RightParen) {
            None
        } else {
            Some(Box::new(self.bare_statement()?))
        };
        Ok(ForHead::C { init, condition, step })
    }

    /// Reads a declaration, an assignment or a call.
    fn bare_statement(&mut self) -> Parsed<Statement> {
        let start = self.span();
        let declares = matches!(self.kind(), TokenKind::Var | TokenKind::Local);
        let kind = if declares {
            self.local_statement()?
        } else {
            self.simple_statement()?
        };
        Ok(Statement {
            kind,
            span: self.since(start),
        })
    }
}
