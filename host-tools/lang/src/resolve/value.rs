//! What kind of value an expression gives, as far as the tree tells.
//!
//! In: an expression whose names are bound. Out: [`Write`]. Invariant: a doubt is [`Write::Other`].

use ktap_bytecode::builtin::{Builtin, Spelling};

use super::Binding;
use super::scope::Write;
use super::walk::Walker;
use crate::ast::{BinaryOp, Expression, ExpressionKind, UnaryOp};

impl Walker {
    /// Returns true if the value, already walked, can be nothing but a number.
    pub(super) fn is_number(&self, value: &Expression) -> bool {
        match &value.kind {
            ExpressionKind::Number(_) => true,
            ExpressionKind::Paren(inner) => self.is_number(inner),
            ExpressionKind::Name(_) | ExpressionKind::Member(..) => {
                matches!(self.resolved.bound(value.span), Some(Binding::Builtin(b)) if b.spelling() == Spelling::Variable && gives_number(b))
            }
            ExpressionKind::Call(callee, _) => {
                matches!(self.resolved.bound(callee.span), Some(Binding::Builtin(b)) if gives_number(b))
            }
            ExpressionKind::Unary(UnaryOp::Neg | UnaryOp::BitNot, operand) => self.is_number(operand),
            ExpressionKind::Binary(op, left, right) if is_arithmetic(*op) => {
                self.is_number(left) && self.is_number(right)
            }
            _ => false,
        }
    }

    pub(super) fn write_of(&self, value: &Expression) -> Write {
        match &value.kind {
            ExpressionKind::Table(_) => Write::Table,
            _ if self.is_number(value) => Write::Number,
            _ => Write::Other,
        }
    }
}

/// Returns true for operators that give a number, given numbers.
fn is_arithmetic(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Add | Sub | Mul | Div | Mod | BitAnd | BitOr | BitXor | Shl | Shr)
}

/// Returns true for builtins that give a number wherever they are called.
fn gives_number(builtin: Builtin) -> bool {
    use Builtin::*;
    matches!(
        builtin,
        Len | Pid
            | Tid
            | Uid
            | Cpu
            | GettimeofdayNs
            | GettimeofdayUs
            | GettimeofdayMs
            | GettimeofdayS
            | Nsecs
            | Log2
            | NumCpus
    )
}
