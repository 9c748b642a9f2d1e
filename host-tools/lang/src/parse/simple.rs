//! Statements without a body: declarations, assignments, calls.
//!
//! In: tokens. Out: [`StatementKind`]. Invariant: a target that cannot be assigned is complained about here and nowhere else.

use super::Parsed;
use super::cursor::Parser;
use crate::ast::{BinaryOp, Expression, ExpressionKind, StatementKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::suggest::suggest;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn local_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        if self.is(&TokenKind::Function) {
            let start = self.take().span;
            let name = self.name()?;
            let function = self.function_rest(start)?;
            return Ok(StatementKind::LocalFunction { name, function });
        }
        let mut names = vec![self.name()?];
        while self.accept(&TokenKind::Comma) {
            names.push(self.name()?);
        }
        let values = if self.accept(&TokenKind::Assign) {
            self.expressions()?
        } else {
            Vec::new()
        };
        Ok(StatementKind::Local { names, values })
    }

    pub(super) fn simple_statement(&mut self) -> Parsed<StatementKind> {
        // A statement that begins with what the lexer refused is refused as a whole.
        if !self.starts_expression() || self.is(&TokenKind::Error) {
            return Err(self.unexpected());
        }
        let start = self.position();
        let first = self.expression()?;
        if let Some(op) = compound(self.kind()) {
            let target = self.target(first)?;
            self.take();
            let value = self.expression()?;
            self.refuse_more_values()?;
            return Ok(StatementKind::Compound { op, target, value });
        }
        match self.kind() {
            TokenKind::Assign | TokenKind::Comma => self.assignment(first),
            TokenKind::Aggregate => {
                let target = self.target(first)?;
                self.take();
                let value = self.expression()?;
                self.refuse_more_values()?;
                Ok(StatementKind::Aggregate { target, value })
            }
            TokenKind::PlusPlus | TokenKind::MinusMinus => self.step_by_one(first),
            _ => self.lone_expression(start, first),
        }
    }

    fn assignment(&mut self, first: Expression) -> Parsed<StatementKind> {
        let mut targets = vec![self.target(first)?];
        while self.accept(&TokenKind::Comma) {
            let target = self.expression()?;
            targets.push(self.target(target)?);
        }
        if compound(self.kind()).is_some() || self.is(&TokenKind::Aggregate) {
            let message = format!("don't allow multi-assign for {}", self.kind().text());
            return Err(self.fail(Diagnostic::new(Code::UnexpectedSymbol, self.span(), message)));
        }
        self.expect(&TokenKind::Assign)?;
        Ok(StatementKind::Assign {
            targets,
            values: self.expressions()?,
        })
    }

    fn refuse_more_values(&mut self) -> Parsed<()> {
        if self.is(&TokenKind::Comma) {
            return Err(self.unexpected());
        }
        Ok(())
    }

    /// C's `x++`: one complaint, read as `x += 1`.
    fn step_by_one(&mut self, first: Expression) -> Parsed<StatementKind> {
        self.unexpected();
        let op = if self.is(&TokenKind::PlusPlus) {
            BinaryOp::Add
        } else {
            BinaryOp::Sub
        };
        let span = self.take().span;
        let target = self.target(first)?;
        Ok(StatementKind::Compound {
            op,
            target,
            value: Expression {
                kind: ExpressionKind::Number(1),
                span,
            },
        })
    }

    fn target(&mut self, expression: Expression) -> Parsed<Expression> {
        match expression.kind {
            ExpressionKind::Name(_)
            | ExpressionKind::Index(..)
            | ExpressionKind::Member(..)
            | ExpressionKind::Error => Ok(expression),
            _ => Err(self.fail(Diagnostic::new(
                Code::NotAssignable,
                expression.span,
                "cannot assign to this expression",
            ))),
        }
    }

    /// A call; or an expression on its own, which does nothing and often is a misspelt word.
    fn lone_expression(&mut self, start: usize, expression: Expression) -> Parsed<StatementKind> {
        if matches!(
            expression.kind,
            ExpressionKind::Call(..) | ExpressionKind::MethodCall(..) | ExpressionKind::Error
        ) {
            return Ok(StatementKind::Expression(expression));
        }
        let next = self.token();
        let ends = next.first_on_line
            || matches!(
                next.kind,
                TokenKind::Eof
                    | TokenKind::Semicolon
                    | TokenKind::RightBrace
                    | TokenKind::RightParen
                    | TokenKind::End
                    | TokenKind::Until
            );
        if ends {
            let diagnostic = Diagnostic::new(Code::UnusedResult, expression.span, "the value is not used");
            self.complain(diagnostic);
            return Ok(StatementKind::Expression(expression));
        }
        let word = match (&self.token_at(start).kind, self.position() - start) {
            (TokenKind::Name(word), 1) => Some(word.as_str()),
            _ => None,
        };
        let words = TokenKind::WORDS.iter().copied().chain(["trace", "trace_end"]);
        Err(match word.and_then(|word| suggest(word, words)) {
            Some(meant) => self.unexpected_but(format!("did you mean `{meant}`?")),
            None => self.unexpected(),
        })
    }

    /// Returns true if an expression can begin with the current token.
    pub(super) fn starts_expression(&self) -> bool {
        use TokenKind::*;
        matches!(
            self.kind(),
            Name(_)
                | Number(_)
                | Str(_)
                | KernelSymbol(_)
                | Error
                | Nil
                | True
                | False
                | Ellipsis
                | Function
                | LeftBrace
                | LeftParen
        ) || matches!(self.kind(), Minus | Bang | Not | Tilde | MinusMinus)
    }

    /// Reads one or more expressions, separated by commas.
    pub(super) fn expressions(&mut self) -> Parsed<Vec<Expression>> {
        let mut expressions = vec![self.expression()?];
        while self.accept(&TokenKind::Comma) {
            expressions.push(self.expression()?);
        }
        Ok(expressions)
    }

    /// Returns the span from `start` to what was taken last.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }
}

fn compound(kind: &TokenKind) -> Option<BinaryOp> {
    Some(match kind {
        TokenKind::PlusAssign => BinaryOp::Add,
        TokenKind::MinusAssign => BinaryOp::Sub,
        TokenKind::StarAssign => BinaryOp::Mul,
        TokenKind::SlashAssign => BinaryOp::Div,
        TokenKind::PercentAssign => BinaryOp::Mod,
        _ => return None,
    })
}
