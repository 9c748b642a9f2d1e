//! Functions: named ones, anonymous ones, parameters.
//!
//! In: tokens. Out: [`FunctionBody`]. Invariant: a broken parameter list does not cost the body.

use super::Parsed;
use super::cursor::Parser;
use crate::ast::{FunctionBody, Name, StatementKind};
use crate::source::Span;
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn function_statement(&mut self) -> Parsed<StatementKind> {
        let start = self.take().span;
        let mut path = vec![self.name()?];
        while self.accept(&TokenKind::Dot) {
            path.push(self.name()?);
        }
        let method = if self.accept(&TokenKind::Colon) {
            Some(self.name()?)
        } else {
            None
        };
        let function = self.function_rest(start)?;
        Ok(StatementKind::Function { path, method, function })
    }

    /// Reads `(a, b, ...) { }`.
    pub(super) fn function_rest(&mut self, start: Span) -> Parsed<FunctionBody> {
        let (parameters, vararg) = self.head(Self::parameters)?.unwrap_or_default();
        let words = std::mem::take(&mut self.word_blocks);
        let body = self.deeper(Self::body);
        self.word_blocks = words;
        Ok(FunctionBody {
            parameters,
            vararg,
            body: body?,
            span: self.since(start),
        })
    }

    fn parameters(&mut self) -> Parsed<(Vec<Name>, bool)> {
        let opener = self.expect(&TokenKind::LeftParen)?;
        let mut parameters = Vec::new();
        let mut vararg = false;
        while !self.is(&TokenKind::RightParen) && !vararg {
            vararg = self.accept(&TokenKind::Ellipsis);
            if !vararg {
                parameters.push(self.name()?);
            }
            if !self.accept(&TokenKind::Comma) {
                break;
            }
        }
        self.expect_close(&TokenKind::RightParen, opener)?;
        Ok((parameters, vararg))
    }
}
