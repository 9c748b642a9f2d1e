//! Expressions.
//!
//! In: tokens. Out: [`Expression`]. Invariant: every level of the tree is counted, those a chain of operators builds too.

use super::Parsed;
use super::cursor::Parser;
use super::operator::{UNARY, binary, unary};
use crate::ast::{Expression, ExpressionKind};
use crate::diagnostic::{Code, Diagnostic, Label};
use crate::source::Span;
use crate::token::TokenKind;

impl Parser<'_> {
    /// Reads an expression.
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.operation(0)
    }

    /// Reads operators that bind tighter than `limit`.
    fn operation(&mut self, limit: u8) -> Parsed<Expression> {
        self.deeper(|parser| parser.chain(|parser| parser.operation_chain(limit)))
    }

    fn operation_chain(&mut self, limit: u8) -> Parsed<Expression> {
        let mut left = self.operand()?;
        while let Some(binding) = binary(self.kind()).filter(|binding| binding.left > limit) {
            self.note_foreign_operator();
            self.take();
            let right = self.operation(binding.right)?;
            self.lift()?;
            let span = left.span.to(right.span);
            left = Expression {
                kind: ExpressionKind::Binary(binding.op, Box::new(left), Box::new(right)),
                span,
            };
        }
        Ok(left)
    }

    fn note_foreign_operator(&mut self) {
        let ours = match self.kind() {
            TokenKind::TildeEqual | TokenKind::NotEqualEqual => "!=",
            TokenKind::EqualEqualEqual => "==",
            _ => return,
        };
        let message = format!("unexpected symbol near '{}'", self.near());
        self.fail(Diagnostic::new(Code::UnexpectedSymbol, self.span(), message).help(format!("write `{ours}`")));
    }

    fn operand(&mut self) -> Parsed<Expression> {
        let start = self.span();
        if let Some(op) = unary(self.kind()) {
            self.take();
            let operand = self.operation(UNARY)?;
            let span = start.to(operand.span);
            return Ok(Expression {
                kind: ExpressionKind::Unary(op, Box::new(operand)),
                span,
            });
        }
        let kind = match self.kind() {
            TokenKind::Nil => ExpressionKind::Nil,
            TokenKind::True => ExpressionKind::Bool(true),
            TokenKind::False => ExpressionKind::Bool(false),
            TokenKind::Number(value) => ExpressionKind::Number(*value),
            TokenKind::Str(bytes) => ExpressionKind::Str(bytes.clone()),
            TokenKind::Ellipsis => ExpressionKind::Vararg,
            TokenKind::KernelSymbol(name) => ExpressionKind::KernelSymbol(name.clone()),
            TokenKind::LeftBrace => return self.table(),
            TokenKind::Function => {
                self.take();
                let function = self.function_rest(start)?;
                return Ok(Expression {
                    span: function.span,
                    kind: ExpressionKind::Function(Box::new(function)),
                });
            }
            _ => return self.chain(Self::suffixed),
        };
        self.take();
        Ok(Expression { kind, span: start })
    }

    /// Reads a name or a parenthesis and all indexes and calls on it.
    fn suffixed(&mut self) -> Parsed<Expression> {
        let mut expression = self.primary()?;
        while self.at_suffix() {
            let token = self.token();
            let start = expression.span;
            let object = Box::new(expression);
            let kind = match &token.kind {
                TokenKind::Dot => {
                    self.take();
                    ExpressionKind::Member(object, self.name()?)
                }
                TokenKind::LeftBracket => {
                    self.take();
                    let key = self.expression()?;
                    self.expect_close(&TokenKind::RightBracket, token.span)?;
                    ExpressionKind::Index(object, Box::new(key))
                }
                TokenKind::Colon => {
                    self.take();
                    let name = self.name()?;
                    ExpressionKind::MethodCall(object, name, self.arguments(start)?)
                }
                _ => ExpressionKind::Call(object, self.arguments(start)?),
            };
            self.lift()?;
            expression = Expression {
                kind,
                span: self.since(start),
            };
        }
        Ok(expression)
    }

    fn at_suffix(&self) -> bool {
        match self.kind() {
            TokenKind::Dot | TokenKind::LeftBracket | TokenKind::Colon | TokenKind::LeftParen | TokenKind::Str(_) => {
                true
            }
            // On a line of its own a brace opens a block.
            TokenKind::LeftBrace => !self.token().first_on_line,
            _ => false,
        }
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let start = self.span();
        match self.kind() {
            TokenKind::Name(text) => {
                self.take();
                Ok(Expression {
                    kind: ExpressionKind::Name(text.clone()),
                    span: start,
                })
            }
            TokenKind::LeftParen => {
                self.take();
                let inner = self.expression()?;
                let closer = self.expect_close(&TokenKind::RightParen, start)?;
                Ok(Expression {
                    kind: ExpressionKind::Paren(Box::new(inner)),
                    span: start.to(closer),
                })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Reads `(a, b)`, `"s"` or `{t}`.
    fn arguments(&mut self, callee: Span) -> Parsed<Vec<Expression>> {
        let token = self.token();
        match &token.kind {
            TokenKind::Str(bytes) => {
                self.take();
                Ok(vec![Expression {
                    kind: ExpressionKind::Str(bytes.clone()),
                    span: token.span,
                }])
            }
            TokenKind::LeftBrace => Ok(vec![self.table()?]),
            TokenKind::LeftParen => {
                if token.first_on_line {
                    let message = format!(
                        "ambiguous syntax (function call x new statement) near '{}'",
                        self.near()
                    );
                    let mut diagnostic = Diagnostic::new(Code::UnexpectedSymbol, token.span, message)
                        .help("put the parenthesis on the line of the function, or a `;` before it");
                    diagnostic.others.push(Label {
                        span: callee,
                        text: "is this the function?".into(),
                    });
                    self.fail(diagnostic);
                }
                self.take();
                let arguments = if self.is(&TokenKind::RightParen) {
                    Vec::new()
                } else {
                    self.expressions()?
                };
                self.expect_close(&TokenKind::RightParen, token.span)?;
                Ok(arguments)
            }
            _ => Err(self.expected("(")),
        }
    }
}
