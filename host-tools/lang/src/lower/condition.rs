//! Conditions: jumps taken by the truth of an expression, without making the value where that can be avoided.
//!
//! In: [`Expression`]. Out: jumps to patch. Invariant: control falls through exactly when the jumps are not taken.

use ktap_bytecode::op::Op;

use super::Lowering;
use super::function::Jump;
use crate::ast::{BinaryOp, Expression, ExpressionKind, UnaryOp};

impl Lowering<'_> {
    /// Emits jumps that are taken if the truth of the condition is `when`.
    pub(super) fn jump_if(&mut self, condition: &Expression, when: bool) -> Vec<Jump> {
        let span = condition.span;
        if let Some(value) = self.fold(condition) {
            return if value.is_true() == when {
                vec![self.jump(Op::Jmp, 0, span)]
            } else {
                Vec::new()
            };
        }
        match &condition.kind {
            ExpressionKind::Paren(inner) => self.jump_if(inner, when),
            ExpressionKind::Unary(UnaryOp::Not, operand) => self.jump_if(operand, !when),
            ExpressionKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                // The truth of the left operand that decides the whole.
                let decides = *op == BinaryOp::Or;
                if decides == when {
                    let mut jumps = self.jump_if(left, when);
                    jumps.extend(self.jump_if(right, when));
                    return jumps;
                }
                let decided = self.jump_if(left, !when);
                let jumps = self.jump_if(right, when);
                self.land(&decided);
                jumps
            }
            ExpressionKind::Binary(
                op @ (BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge),
                left,
                right,
            ) => {
                let top = self.top();
                let result = self.alloc(span);
                let inverted = self.compare_to(result, *op, left, right, span);
                self.release(top);
                vec![self.jump(jump_on(when != inverted), result, span)]
            }
            _ => {
                let top = self.top();
                let value = self.expression_any(condition);
                self.release(top);
                vec![self.jump(jump_on(when), value, span)]
            }
        }
    }
}

fn jump_on(when: bool) -> Op {
    if when { Op::JmpT } else { Op::JmpF }
}
