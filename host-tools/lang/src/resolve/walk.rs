//! The walk over the tree that binds names.
//!
//! In: [`Block`]. Out: [`Resolved`]. Invariant: declarations become visible exactly where the language says, so that a
//! second walk over the same tree needs no scopes of its own.

use std::collections::HashSet;

use super::library;
use super::scope::{Origin, Scopes, Write};
use super::{AttachCall, Binding, Resolved};
use crate::ast::{Block, Expression, ExpressionKind, FunctionBody, Name, Statement, StatementKind};
use crate::diagnostic::{Code, Diagnostic};

/// The state of a walk.
pub(super) struct Walker {
    pub(super) scopes: Scopes,
    pub(super) resolved: Resolved,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Globals in the order of their first assignment.
    pub(super) globals: Vec<String>,
    /// Globals whose implicit declaration was reported.
    pub(super) linted: HashSet<String>,
    /// True while the part of main after `kdebug.probe_end` is walked.
    pub(super) end_part: bool,
}

impl Walker {
    pub(super) fn new(globals: Vec<String>) -> Walker {
        let mut scopes = Scopes::new();
        for name in &globals {
            scopes.declare(name, Origin::Global);
        }
        Walker {
            scopes,
            resolved: Resolved::default(),
            diagnostics: Vec::new(),
            globals,
            linted: HashSet::new(),
            end_part: false,
        }
    }

    pub(super) fn run(mut self, block: &Block) -> Walker {
        for (index, statement) in block.statements.iter().enumerate() {
            self.statement(statement);
            let rest = index + 1;
            if !self.end_part && rest < block.statements.len() && self.is_probe_end(statement) {
                self.resolved.end_part = Some(rest);
                self.end_part = true;
                self.scopes.open_function();
            }
        }
        self
    }

    pub(super) fn into_globals(self) -> Vec<String> {
        self.globals
    }

    pub(super) fn finish(mut self) -> (Resolved, Vec<Diagnostic>) {
        let mut names = std::mem::take(&mut self.resolved.globals);
        self.resolved.variables = self.scopes.finish(&mut names);
        self.resolved.globals = names;
        (self.resolved, self.diagnostics)
    }

    /// Returns true for `kdebug.probe_end(...)` of the library.
    fn is_probe_end(&self, statement: &Statement) -> bool {
        let StatementKind::Expression(Expression {
            kind: ExpressionKind::Call(callee, _),
            ..
        }) = &statement.kind
        else {
            return false;
        };
        self.resolved.binding(callee.span) == Binding::Attach(AttachCall::End)
    }

    fn block(&mut self, block: &Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    fn scoped(&mut self, block: &Block) {
        self.scopes.open();
        self.block(block);
        self.scopes.close();
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Local { names, values } => {
                self.expressions(values);
                for (index, name) in names.iter().enumerate() {
                    let write = values.get(index).map_or(Write::Other, |value| self.write_of(value));
                    self.declare(name, Origin::Local, write);
                }
            }
            StatementKind::LocalFunction { name, function } => {
                self.declare(name, Origin::Bound, Write::Other);
                self.function(function, None, false);
            }
            StatementKind::Function { path, method, function } => self.named_function(path, method.as_ref(), function),
            StatementKind::Assign { targets, values } => {
                self.expressions(values);
                for (index, target) in targets.iter().enumerate() {
                    self.target(
                        target,
                        values.get(index).map_or(Write::Other, |value| self.write_of(value)),
                    );
                }
            }
            StatementKind::Compound { target, value, .. } => {
                self.expression(value);
                let write = if self.is_number(value) {
                    Write::Compound
                } else {
                    Write::Other
                };
                self.target(target, write);
            }
            StatementKind::Aggregate { target, value } => {
                self.expression(value);
                self.expression(target);
            }
            StatementKind::Expression(expression) => self.expression(expression),
            StatementKind::If { arms, otherwise } => {
                for (condition, block) in arms {
                    self.expression(condition);
                    self.scoped(block);
                }
                if let Some(block) = otherwise {
                    self.scoped(block);
                }
            }
            StatementKind::While { condition, body } => {
                self.scopes.enter_loop();
                self.expression(condition);
                self.block(body);
                self.scopes.leave_loop();
            }
            StatementKind::Repeat { body, until } => {
                self.scopes.enter_loop();
                self.block(body);
                self.expression(until);
                self.scopes.leave_loop();
            }
            StatementKind::NumericFor {
                variable,
                first,
                last,
                step,
                body,
            } => {
                self.expression(first);
                self.expression(last);
                step.iter().for_each(|step| self.expression(step));
                self.scopes.enter_loop();
                self.declare(variable, Origin::Bound, Write::Number);
                self.block(body);
                self.scopes.leave_loop();
            }
            StatementKind::CFor {
                init,
                condition,
                step,
                body,
            } => {
                // The variable of `init` is one for all rounds: it is declared outside the loop.
                self.scopes.open();
                init.iter().for_each(|init| self.statement(init));
                self.scopes.enter_loop();
                condition.iter().for_each(|condition| self.expression(condition));
                self.scoped(body);
                step.iter().for_each(|step| self.statement(step));
                self.scopes.leave_loop();
                self.scopes.close();
            }
            StatementKind::PairsFor { names, iterator, body } => {
                self.expression(iterator);
                self.scopes.enter_loop();
                for name in names {
                    self.declare(name, Origin::Bound, Write::Other);
                }
                self.block(body);
                self.scopes.leave_loop();
            }
            StatementKind::Do(block) => self.scoped(block),
            StatementKind::Return(values) => self.expressions(values),
            StatementKind::Trace { body, .. } | StatementKind::Timer { body, .. } => {
                self.scopes.open_function();
                self.block(body);
                self.scopes.close_function();
            }
            StatementKind::TraceCall { event, handler } => {
                self.expression(event);
                self.handler(handler);
            }
            StatementKind::TraceEnd(handler) => self.handler(handler),
            StatementKind::Break
            | StatementKind::Continue
            | StatementKind::Goto(_)
            | StatementKind::Label(_)
            | StatementKind::Error => {}
        }
    }

    fn named_function(&mut self, path: &[Name], method: Option<&Name>, function: &FunctionBody) {
        if let [name] = path
            && method.is_none()
        {
            self.assign_name(&name.text, name.span, Write::Other, true);
        } else if let Some(name) = path.first() {
            self.name(&name.text, name.span);
        }
        self.function(function, method, false);
    }

    /// Walks a function that is attached where it is written.
    fn handler(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Function(function) => self.function(function, None, true),
            _ => self.expression(expression),
        }
    }

    fn function(&mut self, function: &FunctionBody, method: Option<&Name>, handler: bool) {
        self.scopes.open_function();
        if let Some(method) = method {
            let id = self.scopes.declare("self", Origin::Bound);
            self.scopes.write(id, Write::Other);
            self.resolved.declarations.insert(method.span, id);
        }
        for (index, parameter) in function.parameters.iter().enumerate() {
            let origin = if handler && index == 0 {
                Origin::Event
            } else {
                Origin::Bound
            };
            self.declare(parameter, origin, Write::Other);
        }
        self.block(&function.body);
        self.scopes.close_function();
    }

    fn declare(&mut self, name: &Name, origin: Origin, write: Write) {
        if library::is_variable(&name.text) {
            self.lint_shadow(&name.text, name.span);
        }
        let id = self.scopes.declare(&name.text, origin);
        self.scopes.write(id, write);
        self.resolved.declarations.insert(name.span, id);
    }

    /// Binds what an assignment writes to.
    fn target(&mut self, target: &Expression, write: Write) {
        match &target.kind {
            ExpressionKind::Name(name) => self.assign_name(name, target.span, write, false),
            ExpressionKind::Index(..) | ExpressionKind::Member(..) => self.expression(target),
            _ => {
                self.expression(target);
                let message = "only variables and table entries can be assigned";
                self.diagnostics
                    .push(Diagnostic::new(Code::NotAssignable, target.span, message));
            }
        }
    }

    fn expressions(&mut self, expressions: &[Expression]) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    pub(super) fn expression(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Name(name) => self.name(name, expression.span),
            ExpressionKind::Function(function) => self.function(function, None, false),
            ExpressionKind::Index(object, key) => self.index(expression.span, object, key),
            ExpressionKind::Member(object, name) => self.member(expression.span, object, name),
            ExpressionKind::Call(callee, arguments) => {
                self.expression(callee);
                let attaches = matches!(self.resolved.binding(callee.span), Binding::Attach(_));
                for argument in arguments {
                    if attaches {
                        self.handler(argument)
                    } else {
                        self.expression(argument)
                    }
                }
            }
            kind => kind.parts(&mut |part| self.expression(part)),
        }
    }
}
