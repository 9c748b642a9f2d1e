//! Operators and how tightly they bind.
//!
//! In: a token. Out: its operator. Invariant: the levels are ktap's, with the bitwise ones put between comparisons and `..`.

use crate::ast::{BinaryOp, UnaryOp};
use crate::token::TokenKind;

/// A binary operator's strength on its left and its right; the right one smaller means right-associative.
pub(super) struct Binding {
    pub(super) op: BinaryOp,
    pub(super) left: u8,
    pub(super) right: u8,
}

/// What an operand of a unary operator binds at.
pub(super) const UNARY: u8 = 12;

/// Returns the binary operator a token is.
pub(super) fn binary(kind: &TokenKind) -> Option<Binding> {
    use BinaryOp as B;
    use TokenKind as T;
    let (op, left, right) = match kind {
        T::Or | T::OrOr => (B::Or, 1, 1),
        T::And | T::AndAnd => (B::And, 2, 2),
        T::EqualEqual | T::EqualEqualEqual => (B::Eq, 3, 3),
        T::NotEqual | T::TildeEqual | T::NotEqualEqual => (B::Ne, 3, 3),
        T::Less => (B::Lt, 3, 3),
        T::LessEqual => (B::Le, 3, 3),
        T::Greater => (B::Gt, 3, 3),
        T::GreaterEqual => (B::Ge, 3, 3),
        T::Pipe => (B::BitOr, 4, 4),
        T::Caret => (B::BitXor, 5, 5),
        T::Amp => (B::BitAnd, 6, 6),
        T::ShiftLeft => (B::Shl, 7, 7),
        T::ShiftRight => (B::Shr, 7, 7),
        T::Concat => (B::Concat, 9, 8),
        T::Plus => (B::Add, 10, 10),
        T::Minus => (B::Sub, 10, 10),
        T::Star => (B::Mul, 11, 11),
        T::Slash => (B::Div, 11, 11),
        T::Percent => (B::Mod, 11, 11),
        _ => return None,
    };
    Some(Binding { op, left, right })
}

/// Returns the unary operator a token is.
pub(super) fn unary(kind: &TokenKind) -> Option<UnaryOp> {
    Some(match kind {
        TokenKind::Minus => UnaryOp::Neg,
        TokenKind::Bang | TokenKind::Not => UnaryOp::Not,
        TokenKind::Tilde => UnaryOp::BitNot,
        _ => return None,
    })
}
