//! `trace`, `trace_end`, `tick-` and `profile-`.
//!
//! In: tokens. Out: [`StatementKind`]. Invariant: the EVENTDEF is kept as written; what it means is [`crate::probe`]'s.

use super::Parsed;
use super::cursor::Parser;
use crate::ast::{EventText, Expression, ExpressionKind, FunctionBody, StatementKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn trace_statement(&mut self) -> Parsed<StatementKind> {
        self.take();
        if let TokenKind::EventText(_) = self.kind() {
            let event = self.event_text()?;
            let body = self.deeper(Self::body)?;
            return Ok(StatementKind::Trace { event, body });
        }
        if let (TokenKind::Str(bytes), TokenKind::LeftBrace) = (self.kind(), &self.ahead().kind) {
            let text = String::from_utf8_lossy(bytes).trim().to_string();
            let event = EventText {
                text,
                span: self.take().span,
            };
            let body = self.deeper(Self::body)?;
            return Ok(StatementKind::Trace { event, body });
        }
        let event = self.expression()?;
        let handler = self.expression()?;
        Ok(StatementKind::TraceCall { event, handler })
    }

    /// Returns true if this token after `trace_end` makes it the statement.
    pub(super) fn opens_end_handler(next: &TokenKind) -> bool {
        matches!(next, TokenKind::LeftBrace | TokenKind::Function | TokenKind::Name(_))
    }

    pub(super) fn trace_end_statement(&mut self) -> Parsed<StatementKind> {
        let start = self.take().span;
        if !self.is(&TokenKind::LeftBrace) {
            return Ok(StatementKind::TraceEnd(self.expression()?));
        }
        let body = self.deeper(Self::body)?;
        let span = self.since(start);
        let function = FunctionBody {
            parameters: Vec::new(),
            vararg: false,
            body,
            span,
        };
        Ok(StatementKind::TraceEnd(Expression {
            kind: ExpressionKind::Function(Box::new(function)),
            span,
        }))
    }

    pub(super) fn timer_statement(&mut self) -> Parsed<StatementKind> {
        let profile = self.is(&TokenKind::Profile);
        self.take();
        let interval = self.event_text()?;
        let body = self.deeper(Self::body)?;
        Ok(StatementKind::Timer {
            profile,
            interval,
            body,
        })
    }

    fn event_text(&mut self) -> Parsed<EventText> {
        let span = self.span();
        let TokenKind::EventText(text) = self.kind() else {
            return Err(self.expected("{"));
        };
        self.take();
        if text.is_empty() {
            self.fail(Diagnostic::new(Code::BadEventDef, span, "eventdef expected near '{'"));
        }
        Ok(EventText {
            text: text.clone(),
            span,
        })
    }
}
