//! Table constructors.
//!
//! In: tokens. Out: [`ExpressionKind::Table`]. Invariant: any word may be a key, reserved ones too.

use super::Parsed;
use super::cursor::Parser;
use crate::ast::{Expression, ExpressionKind, Name, TableItem};
use crate::token::TokenKind;

impl Parser<'_> {
    pub(super) fn table(&mut self) -> Parsed<Expression> {
        self.deeper(|parser| {
            let opener = parser.expect(&TokenKind::LeftBrace)?;
            let mut items = Vec::new();
            while !parser.is(&TokenKind::RightBrace) {
                items.push(parser.table_item()?);
                if !parser.accept(&TokenKind::Comma) && !parser.accept(&TokenKind::Semicolon) {
                    break;
                }
            }
            let closer = parser.expect_close(&TokenKind::RightBrace, opener)?;
            Ok(Expression {
                kind: ExpressionKind::Table(items),
                span: opener.to(closer),
            })
        })
    }

    fn table_item(&mut self) -> Parsed<TableItem> {
        if let Some(text) = self.key_word() {
            let name = Name {
                text,
                span: self.take().span,
            };
            self.take();
            return Ok(TableItem::Named(name, self.expression()?));
        }
        if self.is(&TokenKind::LeftBracket) {
            let opener = self.take().span;
            let key = self.expression()?;
            self.expect_close(&TokenKind::RightBracket, opener)?;
            self.expect(&TokenKind::Assign)?;
            return Ok(TableItem::Keyed(key, self.expression()?));
        }
        Ok(TableItem::Positional(self.expression()?))
    }

    /// Returns the current word if `=` follows it.
    fn key_word(&self) -> Option<String> {
        if self.ahead().kind != TokenKind::Assign {
            return None;
        }
        match self.kind() {
            TokenKind::Name(text) => Some(text.clone()),
            kind => TokenKind::WORDS.contains(&kind.text()).then(|| kind.text().to_string()),
        }
    }
}
