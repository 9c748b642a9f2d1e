//! Operators that give a value.
//!
//! In: operator and operands. Out: code. Invariant: operands are evaluated from left to right.

use ktap_bytecode::op::Op;

use super::Lowering;
use super::fold::Value;
use crate::ast::{BinaryOp, Expression, ExpressionKind, UnaryOp};
use crate::source::Span;

/// Operands of one concatenation; more are concatenated in turn.
const MAX_CONCAT: usize = 100;

impl Lowering<'_> {
    pub(super) fn unary_to(&mut self, dest: u8, op: UnaryOp, operand: &Expression, span: Span) {
        let op = match op {
            UnaryOp::Neg => Op::Neg,
            UnaryOp::Not => Op::Not,
            UnaryOp::BitNot => Op::BNot,
        };
        let operand = self.expression_any(operand);
        self.abc(op, dest, operand, 0, span);
    }

    pub(super) fn binary_to(&mut self, dest: u8, op: BinaryOp, left: &Expression, right: &Expression, span: Span) {
        match op {
            BinaryOp::And | BinaryOp::Or => self.logic_to(dest, op, left, right, span),
            BinaryOp::Concat => self.concat_to(dest, left, right, span),
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                if self.compare_to(dest, op, left, right, span) {
                    self.abc(Op::Not, dest, dest, 0, span);
                }
            }
            _ => self.arithmetic_to(dest, op, left, right, span),
        }
    }

    fn arithmetic_to(&mut self, dest: u8, op: BinaryOp, left: &Expression, right: &Expression, span: Span) {
        // A constant on the left of a commutative operator serves as well as one on the right.
        if let (BinaryOp::Add | BinaryOp::Mul, Some(Value::Int(_)), None) = (op, self.fold(left), self.fold(right)) {
            return self.arithmetic_to(dest, op, right, left, span);
        }
        let left = self.expression_any(left);
        self.arithmetic_with(dest, op, left, right, span);
    }

    /// Computes `dest = left op right` with the left operand in a register.
    pub(super) fn arithmetic_with(&mut self, dest: u8, op: BinaryOp, left: u8, right: &Expression, span: Span) {
        if let (Some(op), Some(value @ Value::Int(_))) = (constant_form(op), self.fold(right))
            && !(matches!(op, Op::DivK | Op::ModK) && value == Value::Int(0))
            && let Some(constant) = self.const8(&value)
        {
            return self.abc(op, dest, left, constant, span);
        }
        let right = self.expression_any(right);
        self.abc(register_form(op), dest, left, right, span);
    }

    /// Computes a comparison; returns true if the result is to be inverted.
    pub(super) fn compare_to(
        &mut self,
        dest: u8,
        op: BinaryOp,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> bool {
        let inverted = op == BinaryOp::Ne;
        if let Some((op, constant)) = self.compare_constant(op, right) {
            let left = self.expression_any(left);
            self.abc(op, dest, left, constant, span);
            return inverted;
        }
        if let Some((op, constant)) = self.compare_constant(mirrored(op), left) {
            let right = self.expression_any(right);
            self.abc(op, dest, right, constant, span);
            return inverted;
        }
        let left = self.expression_any(left);
        let right = self.expression_any(right);
        let (op, a, b) = match op {
            BinaryOp::Ne => (Op::Ne, left, right),
            BinaryOp::Lt => (Op::Lt, left, right),
            BinaryOp::Le => (Op::Le, left, right),
            BinaryOp::Gt => (Op::Lt, right, left),
            BinaryOp::Ge => (Op::Le, right, left),
            _ => (Op::Eq, left, right),
        };
        self.abc(op, dest, a, b, span);
        false
    }

    /// Returns the op that compares with this operand as a constant. Only `==` takes strings: `<` is about numbers.
    fn compare_constant(&mut self, op: BinaryOp, operand: &Expression) -> Option<(Op, u8)> {
        let value = self.fold(operand)?;
        let op = match (op, &value) {
            (BinaryOp::Eq | BinaryOp::Ne, Value::Int(_) | Value::Str(_)) => Op::EqK,
            (BinaryOp::Lt, Value::Int(_)) => Op::LtK,
            (BinaryOp::Le, Value::Int(_)) => Op::LeK,
            (BinaryOp::Gt, Value::Int(_)) => Op::GtK,
            (BinaryOp::Ge, Value::Int(_)) => Op::GeK,
            _ => return None,
        };
        self.const8(&value).map(|constant| (op, constant))
    }

    /// `&&` and `||` yield an operand: the first that decides.
    fn logic_to(&mut self, dest: u8, op: BinaryOp, left: &Expression, right: &Expression, span: Span) {
        let decides = op == BinaryOp::Or;
        if let Some(value) = self.fold(left) {
            // A deciding constant would have been folded with the whole expression.
            debug_assert!(value.is_true() != decides);
            return self.expression_to(dest, right);
        }
        self.expression_to(dest, left);
        let end = self.jump(if decides { Op::JmpT } else { Op::JmpF }, dest, span);
        self.expression_to(dest, right);
        self.land(&[end]);
    }

    fn concat_to(&mut self, dest: u8, left: &Expression, right: &Expression, span: Span) {
        let mut operands = vec![left];
        let mut rest = right;
        while let ExpressionKind::Binary(BinaryOp::Concat, left, right) = &rest.kind
            && operands.len() < MAX_CONCAT
            && self.fold(rest).is_none()
        {
            operands.push(left);
            rest = right;
        }
        operands.push(rest);
        let first = self.alloc(span);
        self.expression_to(first, operands[0]);
        for operand in &operands[1..] {
            self.expression_next(operand);
        }
        self.abc(Op::Concat, dest, first, operands.len() as u8, span);
    }
}

/// Returns the op of three registers.
fn register_form(op: BinaryOp) -> Op {
    match op {
        BinaryOp::Sub => Op::Sub,
        BinaryOp::Mul => Op::Mul,
        BinaryOp::Div => Op::Div,
        BinaryOp::Mod => Op::Mod,
        BinaryOp::BitAnd => Op::BAnd,
        BinaryOp::BitOr => Op::BOr,
        BinaryOp::BitXor => Op::BXor,
        BinaryOp::Shl => Op::Shl,
        BinaryOp::Shr => Op::Shr,
        _ => Op::Add,
    }
}

/// Returns the op whose right operand is a number constant.
fn constant_form(op: BinaryOp) -> Option<Op> {
    match op {
        BinaryOp::Add => Some(Op::AddK),
        BinaryOp::Sub => Some(Op::SubK),
        BinaryOp::Mul => Some(Op::MulK),
        BinaryOp::Div => Some(Op::DivK),
        BinaryOp::Mod => Some(Op::ModK),
        _ => None,
    }
}

/// Returns the operator with its operands exchanged.
fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}
