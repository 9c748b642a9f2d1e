//! Loops.
//!
//! In: loop statements. Out: code. Invariant: a round of a loop takes one jump, at its end.

use ktap_bytecode::op::Op;

use super::Lowering;
use super::fold::Value;
use super::function::Jump;
use crate::ast::{Block, Expression, ExpressionKind, Name, Statement, StatementKind};
use crate::diagnostic::Code;
use crate::resolve::Binding;
use crate::source::Span;

impl Lowering<'_> {
    fn open_loop(&mut self) {
        self.f().loops.push(Default::default());
    }

    /// Lets `continue` lead to the next word.
    fn land_continues(&mut self) {
        let jumps = self
            .f()
            .loops
            .last_mut()
            .map(|l| std::mem::take(&mut l.continues))
            .unwrap_or_default();
        self.land(&jumps);
    }

    /// Ends a loop; `break` leads to the next word.
    fn close_loop(&mut self) {
        let jumps = self.f().loops.pop().map(|l| l.breaks).unwrap_or_default();
        self.land(&jumps);
    }

    /// Lets jumps leave the innermost loop, or go on with its next round.
    pub(super) fn leave_loop(&mut self, jumps: Vec<Jump>, statement: &Statement) {
        let leaves = statement.kind == StatementKind::Break;
        match self.f().loops.last_mut() {
            Some(innermost) if leaves => innermost.breaks.extend(jumps),
            Some(innermost) => innermost.continues.extend(jumps),
            None => {
                let word = if leaves { "break" } else { "continue" };
                self.error(Code::BreakOutside, statement.span, format!("'{word}' outside a loop"));
            }
        }
    }

    pub(super) fn while_loop(&mut self, condition: &Expression, body: &Block, span: Span) {
        self.bottom_tested(Some(condition), body, None, span);
    }

    /// A loop whose condition stands at its end, so that a round takes one jump.
    fn bottom_tested(&mut self, condition: Option<&Expression>, body: &Block, step: Option<&Statement>, span: Span) {
        let always = condition.is_none_or(|c| self.fold(c).is_some_and(|value| value.is_true()));
        let entry = (!always).then(|| self.jump(Op::Jmp, 0, span));
        let start = self.here();
        self.open_loop();
        self.block(body);
        self.land_continues();
        if let Some(step) = step {
            self.statement(step);
        }
        if let Some(entry) = entry {
            self.land(&[entry]);
        }
        match condition {
            Some(condition) => {
                let back = self.jump_if(condition, true);
                self.patch(&back, start);
            }
            None => self.jump_back(Op::Jmp, 0, start, span),
        }
        self.close_loop();
    }

    pub(super) fn repeat_loop(&mut self, body: &Block, until: &Expression) {
        let start = self.here();
        self.open_loop();
        let top = self.top();
        self.statements(&body.statements);
        self.land_continues();
        let back = self.jump_if(until, false);
        self.patch(&back, start);
        self.release(top);
        self.close_loop();
    }

    /// `for (v = first, last, step)`.
    pub(super) fn numeric_for(&mut self, variable: &Name, bounds: [Option<&Expression>; 3], body: &Block, span: Span) {
        let base = self.next_register();
        for bound in bounds {
            match bound {
                Some(bound) => {
                    self.expression_next(bound);
                }
                None => {
                    let register = self.alloc(span);
                    self.load(register, &Value::Int(1), span);
                }
            }
        }
        let value = self.alloc(variable.span);
        let skip = self.jump(Op::ForPrep, base, span);
        let start = self.here();
        self.open_loop();
        if let Some(id) = self.resolved.declared(variable.span) {
            self.declare_in(id, value, variable.span);
        }
        self.block(body);
        self.land_continues();
        self.jump_back(Op::ForLoop, base, start, span);
        self.land(&[skip]);
        self.close_loop();
    }

    /// `for (init; condition; step)`.
    pub(super) fn c_for(
        &mut self,
        init: Option<&Statement>,
        condition: Option<&Expression>,
        step: Option<&Statement>,
        body: &Block,
        span: Span,
    ) {
        if let Some(init) = init {
            self.statement(init);
        }
        self.bottom_tested(condition, body, step, span);
    }

    /// `for (k, v in pairs(t))`.
    pub(super) fn pairs_for(&mut self, names: &[Name], iterator: &Expression, body: &Block, span: Span) {
        let Some(table) = self.pairs_table(iterator) else {
            self.open_loop();
            self.block(body);
            return self.close_loop();
        };
        let base = self.expression_next(table);
        let cursor = self.alloc(span);
        self.load(cursor, &Value::Nil, span);
        let first = self.alloc_many(2, span);
        self.open_loop();
        let start = self.here();
        let end = self.jump(Op::Next, base, iterator.span);
        for (index, name) in names.iter().take(2).enumerate() {
            if let Some(id) = self.resolved.declared(name.span) {
                self.declare_in(id, first.saturating_add(index as u8), name.span);
            }
        }
        self.block(body);
        self.land_continues();
        self.jump_back(Op::Jmp, 0, start, span);
        self.land(&[end]);
        self.close_loop();
    }

    /// Returns t of `pairs(t)`; anything else is reported.
    fn pairs_table<'e>(&mut self, iterator: &'e Expression) -> Option<&'e Expression> {
        let ExpressionKind::Call(callee, arguments) = &iterator.kind else {
            self.error(Code::NotLowered, iterator.span, "ktap only support pairs iterator");
            return None;
        };
        match (self.resolved.bound(callee.span), &arguments[..]) {
            (Some(Binding::Iterator { sorted: false }), [table]) => return Some(table),
            (Some(Binding::Iterator { sorted: false }), _) => {
                self.error(
                    Code::WrongArity,
                    iterator.span,
                    format!("'pairs' takes 1 argument, {} given", arguments.len()),
                );
            }
            (Some(Binding::Iterator { sorted: true }), _) => self.not_lowered(iterator.span, "'sort_pairs'"),
            _ => self.error(Code::NotLowered, iterator.span, "ktap only support pairs iterator"),
        }
        None
    }
}
