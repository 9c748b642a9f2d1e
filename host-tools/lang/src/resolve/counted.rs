//! Tables that are only ever counted into: each CPU may then keep counts of its own, merged when the table is read.
//!
//! In: the tree, its names bound. Out: the spans of the constructors of such tables, in [`Resolved`]. Invariant: a doubt makes an ordinary table:
//! the table has one name, which means it from one statement of main on, and nothing else can come to hold it.

use std::collections::HashMap;

use ktap_bytecode::builtin::Builtin;

use super::{AttachCall, Binding, Resolved, Storage, VarId};
use crate::ast::{BinaryOp, Block, Expression, ExpressionKind, FunctionBody, Statement, StatementKind};
use crate::source::Span;

/// Where a use stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A statement of main itself, in no block.
    Main,
    /// Where reading is rare: in a block of main, a tick, the end, a function.
    Calm,
    /// In a handler of events, where a read would merge every CPU's counts each time.
    Event,
}

/// What is known of a variable.
#[derive(Default)]
struct Uses {
    /// The constructor it is set to.
    init: Option<Span>,
    /// A use that counting tables do not allow.
    doubt: bool,
    adds: bool,
    aggregates: bool,
}

/// Finds the constructors of counting tables.
pub(super) fn find(block: &Block, resolved: &Resolved) -> Vec<Span> {
    let mut walk = Walk {
        resolved,
        uses: HashMap::new(),
        place: Place::Main,
    };
    for (index, statement) in block.statements.iter().enumerate() {
        if resolved.end_part == Some(index) {
            walk.place = Place::Calm;
        }
        walk.statement(statement);
    }
    let counting = |(id, uses): (VarId, Uses)| {
        let shared = matches!(resolved.variable(id).storage, Storage::Global(_));
        let one_way = uses.adds != uses.aggregates;
        uses.init.filter(|_| shared && one_way && !uses.doubt)
    };
    walk.uses.into_iter().filter_map(counting).collect()
}

struct Walk<'a> {
    resolved: &'a Resolved,
    uses: HashMap<VarId, Uses>,
    place: Place,
}

impl Walk<'_> {
    fn uses(&mut self, id: VarId) -> &mut Uses {
        self.uses.entry(id).or_default()
    }

    /// Returns the variable a name means.
    fn variable(&self, expression: &Expression) -> Option<VarId> {
        match (&expression.kind, self.resolved.bound(expression.span)) {
            (ExpressionKind::Name(_), Some(Binding::Variable(id))) => Some(id),
            _ => None,
        }
    }

    /// Returns the variable and the key of `t[k]` and `t.k`.
    fn entry<'e>(&self, expression: &'e Expression) -> Option<(VarId, Option<&'e Expression>)> {
        if self.resolved.bound(expression.span).is_some() {
            return None;
        }
        match &expression.kind {
            ExpressionKind::Index(object, key) => Some((self.variable(object)?, Some(key))),
            ExpressionKind::Member(object, _) => Some((self.variable(object)?, None)),
            _ => None,
        }
    }

    fn is_empty_table(&self, value: &Expression) -> bool {
        match &value.kind {
            ExpressionKind::Table(items) => items.is_empty(),
            ExpressionKind::Call(callee, _) => {
                self.resolved.bound(callee.span) == Some(Binding::Builtin(Builtin::TableNew))
            }
            _ => false,
        }
    }

    /// A variable is given a value; `value` is nothing if it is not known which.
    fn write(&mut self, id: VarId, value: Option<&Expression>) {
        let table = value.filter(|value| self.is_empty_table(value)).map(|value| value.span);
        let in_main = self.place == Place::Main;
        let uses = self.uses(id);
        match table {
            Some(span) if in_main && uses.init.is_none() => uses.init = Some(span),
            _ => uses.doubt = true,
        }
    }

    fn read(&mut self, id: VarId) {
        let often = self.place == Place::Event;
        self.uses(id).doubt |= often;
    }

    /// `t[k] += n` and its kin.
    fn counts(&mut self, target: &Expression, aggregates: bool) -> bool {
        let Some((id, key)) = self.entry(target) else {
            return false;
        };
        let uses = self.uses(id);
        uses.aggregates |= aggregates;
        uses.adds |= !aggregates;
        if let Some(key) = key {
            self.expression(key);
        }
        true
    }

    fn at(&mut self, place: Place, inner: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.place, place);
        inner(self);
        self.place = outer;
    }

    fn block(&mut self, block: &Block) {
        let place = if self.place == Place::Main {
            Place::Calm
        } else {
            self.place
        };
        self.at(place, |walk| block.statements.iter().for_each(|s| walk.statement(s)));
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Local { names, values } => {
                let known = names.len() == values.len();
                for (index, name) in names.iter().enumerate() {
                    if let Some(id) = self.resolved.declared(name.span) {
                        self.write(id, values.get(index).filter(|_| known));
                    }
                }
                self.expressions(values);
            }
            StatementKind::Assign { targets, values } => {
                let known = targets.len() == values.len();
                for (index, target) in targets.iter().enumerate() {
                    match self.variable(target) {
                        Some(id) => self.write(id, values.get(index).filter(|_| known)),
                        None => self.stored_into(target),
                    }
                }
                self.expressions(values);
            }
            StatementKind::Compound { op, target, value } => {
                let adds = matches!(op, BinaryOp::Add | BinaryOp::Sub);
                if !(adds && self.counts(target, false)) {
                    self.stored_into(target);
                }
                self.expression(value);
            }
            StatementKind::Aggregate { target, value } => {
                if !self.counts(target, true) {
                    self.stored_into(target);
                }
                self.expression(value);
            }
            StatementKind::LocalFunction { function, .. } => self.function(function, Place::Calm),
            StatementKind::Function { path, function, .. } => {
                if let Some(Binding::Variable(id)) = path.first().and_then(|name| self.resolved.bound(name.span)) {
                    self.uses(id).doubt = true;
                }
                self.function(function, Place::Calm);
            }
            StatementKind::Expression(expression) => self.expression(expression),
            StatementKind::If { arms, otherwise } => {
                for (condition, block) in arms {
                    self.expression(condition);
                    self.block(block);
                }
                otherwise.iter().for_each(|block| self.block(block));
            }
            StatementKind::While { condition, body } | StatementKind::Repeat { body, until: condition } => {
                self.expression(condition);
                self.block(body);
            }
            StatementKind::NumericFor {
                first,
                last,
                step,
                body,
                ..
            } => {
                [Some(first), Some(last), step.as_ref()]
                    .into_iter()
                    .flatten()
                    .for_each(|bound| self.expression(bound));
                self.block(body);
            }
            StatementKind::CFor {
                init,
                condition,
                step,
                body,
            } => self.at(self.calm(), |walk| {
                init.iter().chain(step).for_each(|s| walk.statement(s));
                condition.iter().for_each(|c| walk.expression(c));
                walk.block(body);
            }),
            StatementKind::PairsFor { iterator, body, .. } => {
                self.expression(iterator);
                self.block(body);
            }
            StatementKind::Do(block) => self.block(block),
            StatementKind::Return(values) => self.expressions(values),
            StatementKind::Trace { body, .. } => self.at(Place::Event, |walk| walk.block(body)),
            StatementKind::Timer { profile, body, .. } => {
                let place = if *profile { Place::Event } else { Place::Calm };
                self.at(place, |walk| walk.block(body));
            }
            StatementKind::TraceCall { event, handler } => {
                self.expression(event);
                self.handler(handler, Place::Event);
            }
            StatementKind::TraceEnd(handler) => self.handler(handler, Place::Calm),
            StatementKind::Break
            | StatementKind::Continue
            | StatementKind::Goto(_)
            | StatementKind::Label(_)
            | StatementKind::Error => {}
        }
    }

    fn calm(&self) -> Place {
        match self.place {
            Place::Main => Place::Calm,
            other => other,
        }
    }

    fn function(&mut self, function: &FunctionBody, place: Place) {
        self.at(place, |walk| walk.block(&function.body));
    }

    fn handler(&mut self, handler: &Expression, place: Place) {
        match &handler.kind {
            ExpressionKind::Function(function) => self.function(function, place),
            _ => self.expression(handler),
        }
    }

    /// A place something is stored into, other than by counting.
    fn stored_into(&mut self, target: &Expression) {
        if let Some((id, key)) = self.entry(target) {
            self.uses(id).doubt = true;
            key.into_iter().for_each(|key| self.expression(key));
        } else {
            self.expression(target);
        }
    }

    fn expressions(&mut self, expressions: &[Expression]) {
        expressions.iter().for_each(|e| self.expression(e));
    }

    fn expression(&mut self, expression: &Expression) {
        if let Some((id, key)) = self.entry(expression) {
            self.read(id);
            return key.into_iter().for_each(|key| self.expression(key));
        }
        match &expression.kind {
            ExpressionKind::Name(_) => {
                // The table itself: what becomes of it is not followed.
                if let Some(id) = self.variable(expression) {
                    self.uses(id).doubt = true;
                }
            }
            ExpressionKind::Function(function) => self.function(function, Place::Calm),
            // `arg[N]` of the script's arguments has no parts.
            ExpressionKind::Index(..) if self.resolved.bound(expression.span).is_some() => {}
            ExpressionKind::Member(..) if self.resolved.bound(expression.span).is_some() => {}
            ExpressionKind::Call(callee, arguments) => self.call(callee, arguments),
            kind => kind.parts(&mut |part| self.expression(part)),
        }
    }

    fn call(&mut self, callee: &Expression, arguments: &[Expression]) {
        let rest = match (self.resolved.bound(callee.span), arguments) {
            (Some(Binding::Attach(call)), _) => {
                let place = match call {
                    AttachCall::Probe | AttachCall::ProfileText => Place::Event,
                    AttachCall::End | AttachCall::Timer(_) | AttachCall::TickText => Place::Calm,
                };
                return arguments.iter().for_each(|argument| self.handler(argument, place));
            }
            (Some(Binding::Builtin(Builtin::Count | Builtin::TableCount)), [table, key, rest @ ..]) => {
                match self.variable(table) {
                    Some(id) => self.uses(id).adds = true,
                    None => self.expression(table),
                }
                self.expression(key);
                rest
            }
            (Some(Binding::Builtin(builtin)), [table, rest @ ..]) if looks_at(builtin, arguments.len()) => {
                match self.variable(table) {
                    Some(id) => self.read(id),
                    None => self.expression(table),
                }
                rest
            }
            (Some(Binding::Iterator { .. }), [table, rest @ ..]) => {
                match self.variable(table) {
                    Some(id) => self.read(id),
                    None => self.expression(table),
                }
                rest
            }
            (bound, _) => {
                if bound.is_none() || matches!(bound, Some(Binding::Variable(_))) {
                    self.expression(callee);
                }
                arguments
            }
        };
        self.expressions(rest);
    }
}

/// Returns true if a builtin only reads its first argument, or empties it.
fn looks_at(builtin: Builtin, arguments: usize) -> bool {
    match builtin {
        Builtin::PrintHist | Builtin::Histogram | Builtin::Len => true,
        Builtin::Delete => arguments == 1,
        _ => false,
    }
}
