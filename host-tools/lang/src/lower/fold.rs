//! Constant folding: the value an expression has whatever happens at run time.
//!
//! In: [`Expression`]. Out: its [`Value`], if it is known now. Invariant: what would trap is never folded.

use ktap_bytecode::limits::MAX_STRING;

use super::Lowering;
use crate::ast::{BinaryOp, Expression, ExpressionKind, UnaryOp};
use crate::resolve::Binding;

/// A value known when the script is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Str(Vec<u8>),
}

impl Value {
    /// Only nil and false are false.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }
}

impl Lowering<'_> {
    /// Returns the value of an expression, if it is known now.
    pub(super) fn fold(&self, expression: &Expression) -> Option<Value> {
        match &expression.kind {
            ExpressionKind::Nil => Some(Value::Nil),
            ExpressionKind::Bool(value) => Some(Value::Bool(*value)),
            ExpressionKind::Number(value) => Some(Value::Int(*value)),
            ExpressionKind::Str(text) => Some(Value::Str(text.clone())),
            ExpressionKind::Paren(inner) => self.fold(inner),
            ExpressionKind::Name(_) => match self.resolved.binding(expression.span) {
                Binding::Variable(id) => self.constants.get(&id).cloned(),
                _ => None,
            },
            ExpressionKind::Index(..) => match self.resolved.binding(expression.span) {
                Binding::ScriptArg(number) => Some(self.script_arg(number)),
                _ => None,
            },
            ExpressionKind::Unary(op, operand) => fold_unary(*op, self.fold(operand)?),
            ExpressionKind::Binary(op, left, right) => {
                let left = self.fold(left)?;
                match op {
                    BinaryOp::And if !left.is_true() => Some(left),
                    BinaryOp::Or if left.is_true() => Some(left),
                    _ => fold_binary(*op, left, self.fold(right)?),
                }
            }
            _ => None,
        }
    }

    /// Returns `arg[number]`: the script's name, or an argument, a number if it reads as a decimal one.
    pub(super) fn script_arg(&self, number: i64) -> Value {
        let Ok(number) = usize::try_from(number) else {
            return Value::Nil;
        };
        let Some(index) = number.checked_sub(1) else {
            return Value::Str(self.options.script_name.clone().into_bytes());
        };
        match self.options.args.get(index) {
            None => Value::Nil,
            Some(text) => text
                .parse()
                .map_or_else(|_| Value::Str(text.clone().into_bytes()), Value::Int),
        }
    }
}

fn fold_unary(op: UnaryOp, operand: Value) -> Option<Value> {
    match (op, operand) {
        (UnaryOp::Not, value) => Some(Value::Bool(!value.is_true())),
        (UnaryOp::Neg, Value::Int(n)) => Some(Value::Int(n.wrapping_neg())),
        (UnaryOp::BitNot, Value::Int(n)) => Some(Value::Int(!n)),
        _ => None,
    }
}

fn fold_binary(op: BinaryOp, left: Value, right: Value) -> Option<Value> {
    match op {
        BinaryOp::And | BinaryOp::Or => Some(right),
        BinaryOp::Eq => Some(Value::Bool(left == right)),
        BinaryOp::Ne => Some(Value::Bool(left != right)),
        BinaryOp::Concat => concat(left, right),
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => compare(op, left, right),
        _ => match (left, right) {
            (Value::Int(left), Value::Int(right)) => arithmetic(op, left, right).map(Value::Int),
            _ => None,
        },
    }
}

fn arithmetic(op: BinaryOp, left: i64, right: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => Some(left.wrapping_add(right)),
        BinaryOp::Sub => Some(left.wrapping_sub(right)),
        BinaryOp::Mul => Some(left.wrapping_mul(right)),
        BinaryOp::Div if right != 0 => Some(left.wrapping_div(right)),
        BinaryOp::Mod if right != 0 => Some(left.wrapping_rem(right)),
        BinaryOp::BitAnd => Some(left & right),
        BinaryOp::BitOr => Some(left | right),
        BinaryOp::BitXor => Some(left ^ right),
        BinaryOp::Shl => Some(left.wrapping_shl(right as u32 & 63)),
        BinaryOp::Shr => Some(left.wrapping_shr(right as u32 & 63)),
        _ => None,
    }
}

fn compare(op: BinaryOp, left: Value, right: Value) -> Option<Value> {
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(&right),
        (Value::Str(left), Value::Str(right)) => left.cmp(&right),
        _ => return None,
    };
    Some(Value::Bool(match op {
        BinaryOp::Lt => order.is_lt(),
        BinaryOp::Le => order.is_le(),
        BinaryOp::Gt => order.is_gt(),
        _ => order.is_ge(),
    }))
}

fn concat(left: Value, right: Value) -> Option<Value> {
    let text = |value| match value {
        Value::Str(text) => Some(text),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    };
    let mut joined = text(left)?;
    joined.extend(text(right)?);
    (joined.len() <= MAX_STRING).then_some(Value::Str(joined))
}
