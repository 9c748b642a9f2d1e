//! Statements.
//!
//! In: [`Statement`]. Out: code. Invariant: after a statement no register is taken but those of declared variables.

use ktap_bytecode::op::{Op, Word};

use super::Lowering;
use super::fold::Value;
use super::function::When;
use crate::ast::{Block, Expression, ExpressionKind, FunctionBody, Name, Statement, StatementKind};
use crate::diagnostic::Code;
use crate::resolve::Storage;
use crate::source::Span;

impl Lowering<'_> {
    /// Lowers a block; its variables' registers are free afterwards.
    pub(super) fn block(&mut self, block: &Block) {
        let top = self.top();
        self.statements(&block.statements);
        self.release(top);
    }

    /// Lowers statements; the registers of their variables stay taken.
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    /// Lowers a statement.
    pub(super) fn statement(&mut self, statement: &Statement) {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Local { names, values } => return self.local(names, values, span),
            StatementKind::LocalFunction { name, function } => return self.local_function(name, function),
            _ => {}
        }
        let top = self.top();
        match &statement.kind {
            StatementKind::Function { path, method, function } => {
                self.named_function(path, method.as_ref(), function, span);
            }
            StatementKind::Assign { targets, values } => self.assign(targets, values, span),
            StatementKind::Compound { op, target, value } => self.compound(*op, target, value, span),
            StatementKind::Aggregate { target, value } => self.aggregate(target, value, span),
            StatementKind::Expression(expression) => self.expression_statement(expression),
            StatementKind::If { arms, otherwise } => self.if_statement(arms, otherwise.as_ref(), span),
            StatementKind::While { condition, body } => self.while_loop(condition, body, span),
            StatementKind::Repeat { body, until } => self.repeat_loop(body, until),
            StatementKind::NumericFor {
                variable,
                first,
                last,
                step,
                body,
            } => {
                self.numeric_for(variable, [Some(first), Some(last), step.as_ref()], body, span);
            }
            StatementKind::CFor {
                init,
                condition,
                step,
                body,
            } => {
                self.c_for(init.as_deref(), condition.as_ref(), step.as_deref(), body, span);
            }
            StatementKind::PairsFor { names, iterator, body } => self.pairs_for(names, iterator, body, span),
            StatementKind::Do(block) => self.block(block),
            StatementKind::Return(values) => self.return_statement(values, span),
            StatementKind::Break | StatementKind::Continue => {
                let jump = self.jump(Op::Jmp, 0, span);
                self.leave_loop(vec![jump], statement);
            }
            StatementKind::Goto(_) => self.not_lowered(span, "'goto'"),
            StatementKind::Trace { event, body } => self.trace(event, body, span),
            StatementKind::TraceCall { event, handler } => self.trace_call(event, handler, span),
            StatementKind::TraceEnd(handler) => self.trace_end(handler, span),
            StatementKind::Timer {
                profile,
                interval,
                body,
            } => self.timer(*profile, interval, body, span),
            StatementKind::Local { .. }
            | StatementKind::LocalFunction { .. }
            | StatementKind::Label(_)
            | StatementKind::Error => {}
        }
        self.release(top);
    }

    fn local(&mut self, names: &[Name], values: &[Expression], span: Span) {
        let open = values.len() < names.len() && values.last().is_some_and(|last| self.is_open(last));
        if open || values.len() > names.len() {
            let first = self.values_exactly(values, names.len(), span);
            for (index, name) in names.iter().enumerate() {
                if let Some(id) = self.resolved.declared(name.span) {
                    self.declare_in(id, first.saturating_add(index as u8), name.span);
                }
            }
            return;
        }
        for (index, name) in names.iter().enumerate() {
            self.local_one(name, values.get(index));
        }
    }

    fn local_one(&mut self, name: &Name, value: Option<&Expression>) {
        let Some(id) = self.resolved.declared(name.span) else {
            return;
        };
        let variable = self.resolved.variable(id);
        let known = value.map_or(Some(Value::Nil), |value| self.fold(value));
        if let (true, Some(known)) = (variable.written_once, known) {
            // Nobody ever writes it again: its uses are the value itself.
            self.constants.insert(id, known);
            return;
        }
        let top = self.top();
        match (variable.storage, value) {
            // A global slot is nil until its one declaration runs.
            (Storage::Global(_), None) => {}
            (Storage::Global(slot), Some(value)) => {
                let register = self.expression_any(value);
                self.ad(Op::GSet, register, u32::from(slot), name.span.to(value.span));
                self.release(top);
            }
            (_, Some(value)) => {
                let register = self.expression_next(value);
                self.declare_in(id, register, name.span);
            }
            (_, None) => {
                let register = self.alloc(name.span);
                self.load(register, &Value::Nil, name.span);
                self.declare_in(id, register, name.span);
            }
        }
    }

    fn local_function(&mut self, name: &Name, function: &FunctionBody) {
        let Some(id) = self.resolved.declared(name.span) else {
            return;
        };
        let register = self.alloc(name.span);
        let top = self.top();
        let storage = self.resolved.variable(id).storage;
        if storage == Storage::Cell {
            // The function may capture its own name, so the cell is there first.
            self.load(register, &Value::Nil, name.span);
        }
        if storage != Storage::Register {
            if storage == Storage::Cell {
                self.declare_in(id, register, name.span);
            }
            let closure = self.alloc(name.span);
            self.closure(closure, function, None, format!("function {}", name.text), name.span);
            self.store_variable(id, closure, name.span);
            return self.release(if storage == Storage::Cell { top } else { top - 1 });
        }
        self.closure(register, function, None, format!("function {}", name.text), name.span);
        self.declare_in(id, register, name.span);
    }

    fn closure(&mut self, dest: u8, function: &FunctionBody, method: Option<&Name>, name: String, span: Span) {
        let number = self.function(function, method, name, When::Main);
        self.ad(Op::Closure, dest, u32::from(number), span);
    }

    /// `function a.b:m() {}`.
    fn named_function(&mut self, path: &[Name], method: Option<&Name>, function: &FunctionBody, span: Span) {
        let Some((first, fields)) = path.split_first() else {
            return;
        };
        let mut target = Expression {
            kind: ExpressionKind::Name(first.text.clone()),
            span: first.span,
        };
        let mut title = first.text.clone();
        for field in fields.iter().chain(method) {
            title.push(if method.is_some_and(|m| m.span == field.span) {
                ':'
            } else {
                '.'
            });
            title.push_str(&field.text);
            let place = target.span.to(field.span);
            target = Expression {
                kind: ExpressionKind::Member(Box::new(target), field.clone()),
                span: place,
            };
        }
        let place = self.place(&target, false);
        let register = self.alloc(span);
        self.closure(register, function, method, format!("function {title}"), target.span);
        if let Some(place) = place {
            self.store(&place, register, target.span);
        }
    }

    fn expression_statement(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Call(..) | ExpressionKind::MethodCall(..) => self.call_statement(expression),
            ExpressionKind::Error => {}
            _ => {
                self.error(Code::UnusedResult, expression.span, "the value is not used");
                self.expression_next(expression);
            }
        }
    }

    fn if_statement(&mut self, arms: &[(Expression, Block)], otherwise: Option<&Block>, span: Span) {
        let mut ends = Vec::new();
        for (index, (condition, block)) in arms.iter().enumerate() {
            if let [
                leave @ Statement {
                    kind: StatementKind::Break | StatementKind::Continue,
                    ..
                },
            ] = &block.statements[..]
            {
                let jumps = self.jump_if(condition, true);
                self.leave_loop(jumps, leave);
                continue;
            }
            let next = self.jump_if(condition, false);
            self.block(block);
            if (index + 1 < arms.len() || otherwise.is_some()) && !self.f().ended() {
                ends.push(self.jump(Op::Jmp, 0, span));
            }
            self.land(&next);
        }
        if let Some(block) = otherwise {
            self.block(block);
        }
        self.land(&ends);
    }

    fn return_statement(&mut self, values: &[Expression], span: Span) {
        match values {
            [] => self.abc(Op::Return0, 0, 0, 0, span),
            [call] if self.is_open(call) && !matches!(call.kind, ExpressionKind::Vararg) => self.tail_call(call),
            [value] if !self.is_open(value) => {
                let register = self.expression_any(value);
                self.abc(Op::Return, register, 1, 0, span);
            }
            _ => {
                let first = self.next_register();
                let (count, open) = self.values_next(values.iter(), true);
                let count = if open {
                    Word::MULTI
                } else {
                    self.count_operand(count, span)
                };
                self.abc(Op::Return, first, count, 0, span);
            }
        }
    }
}
