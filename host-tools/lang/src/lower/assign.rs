//! Places: what can be written to, and how.
//!
//! In: targets and values. Out: code. Invariant: an addition to a place that others may share is one atomic op.

use ktap_bytecode::builtin::Spelling;
use ktap_bytecode::op::Op;

use super::Lowering;
use super::fold::Value;
use crate::ast::{BinaryOp, Expression, ExpressionKind};
use crate::diagnostic::Code;
use crate::resolve::{Binding, Storage, VarId};
use crate::source::Span;

/// The key of a table entry.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Constant(u8),
    Register(u8),
}

/// What is added to a place.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// A small number, in the op itself.
    Small(u8),
    Register(u8),
}

/// A place whose parts have been evaluated.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A variable in a register; true if it can only hold a number.
    Register(u8, bool),
    /// A variable in a cell or a global slot.
    Shared(VarId),
    /// A table entry.
    Entry(u8, Key),
}

impl Lowering<'_> {
    /// `targets = values`.
    pub(super) fn assign(&mut self, targets: &[Expression], values: &[Expression], span: Span) {
        if let ([target], [value]) = (targets, values) {
            return self.assign_one(target, value, span);
        }
        let places: Vec<Option<Place>> = targets.iter().map(|target| self.place(target, true)).collect();
        let first = self.values_exactly(values, targets.len(), span);
        for (index, place) in places.iter().enumerate() {
            if let Some(place) = place {
                self.store(place, first.saturating_add(index as u8), targets[index].span);
            }
        }
    }

    fn assign_one(&mut self, target: &Expression, value: &Expression, span: Span) {
        if let Some(step) = self.step_of(target, value) {
            return self.compound(BinaryOp::Add, target, step, span);
        }
        match self.place(target, false) {
            Some(Place::Register(register, _)) => self.assign_register(register, value),
            Some(place) => {
                let value = self.expression_any(value);
                self.store(&place, value, span);
            }
            None => {
                self.expression_next(value);
            }
        }
    }

    /// Assigns to a variable in a register, directly if its old value is read before the new one is written.
    fn assign_register(&mut self, register: u8, value: &Expression) {
        if self.writes_last(value) {
            self.expression_to(register, value);
        } else {
            let temporary = self.expression_next(value);
            self.abc(Op::Move, register, temporary, 0, value.span);
        }
    }

    fn writes_last(&self, value: &Expression) -> bool {
        if self.fold(value).is_some() {
            return true;
        }
        match &value.kind {
            ExpressionKind::Paren(inner) => self.writes_last(inner),
            ExpressionKind::Binary(op, ..) => !matches!(op, BinaryOp::And | BinaryOp::Or),
            ExpressionKind::Call(..) => self.is_variable_call(value),
            ExpressionKind::Name(_)
            | ExpressionKind::Index(..)
            | ExpressionKind::Member(..)
            | ExpressionKind::Unary(..)
            | ExpressionKind::Function(_)
            | ExpressionKind::KernelSymbol(_) => true,
            _ => false,
        }
    }

    /// Returns true for `pid()` and its kin.
    fn is_variable_call(&self, expression: &Expression) -> bool {
        let ExpressionKind::Call(callee, arguments) = &expression.kind else {
            return false;
        };
        match self.resolved.bound(callee.span) {
            Some(Binding::Builtin(builtin)) => builtin.spelling() == Spelling::Variable && arguments.is_empty(),
            Some(Binding::EventArg(_)) => true,
            _ => false,
        }
    }

    /// `target op= value`.
    pub(super) fn compound(&mut self, op: BinaryOp, target: &Expression, value: &Expression, span: Span) {
        let Some(place) = self.place(target, false) else {
            self.expression_next(value);
            return;
        };
        let additive = matches!(op, BinaryOp::Add | BinaryOp::Sub);
        match place {
            Place::Register(register, number) => {
                if additive && !number {
                    // As everywhere, `+=` counts nil as 0.
                    let skip = self.jump(Op::JmpT, register, span);
                    self.load(register, &Value::Int(0), span);
                    self.land(&[skip]);
                }
                self.arithmetic_with(register, op, register, value, span);
            }
            _ if additive => {
                let step = self.step(op, value, span);
                self.add(&place, step, span);
            }
            _ => {
                let old = self.alloc(span);
                self.fetch(old, &place, target.span);
                self.arithmetic_with(old, op, old, value, span);
                self.store(&place, old, span);
            }
        }
    }

    /// Evaluates what is added: the value, or for `-=` its negative.
    fn step(&mut self, op: BinaryOp, value: &Expression, span: Span) -> Step {
        if op == BinaryOp::Add {
            return self.summand(value);
        }
        let step = self.alloc(span);
        match self.fold(value) {
            Some(Value::Int(number)) => self.load(step, &Value::Int(number.wrapping_neg()), span),
            _ => {
                let value = self.expression_any(value);
                self.abc(Op::Neg, step, value, 0, span);
            }
        }
        Step::Register(step)
    }

    /// Evaluates a value that is to be added.
    pub(super) fn summand(&mut self, value: &Expression) -> Step {
        match self.fold(value) {
            Some(Value::Int(number @ 0..=255)) => Step::Small(number as u8),
            _ => Step::Register(self.expression_any(value)),
        }
    }

    /// `target <<< value`.
    pub(super) fn aggregate(&mut self, target: &Expression, value: &Expression, span: Span) {
        let Some(Place::Entry(table, key)) = self.place(target, false) else {
            return self.error(Code::NotAssignable, target.span, "'<<<' needs a table entry");
        };
        let key = match key {
            Key::Register(register) => register,
            Key::Constant(constant) => {
                let register = self.alloc(span);
                self.ad(Op::LoadK, register, u32::from(constant), span);
                register
            }
        };
        let value = self.expression_any(value);
        self.abc(Op::TAgg, table, key, value, span);
    }

    /// Evaluates the parts of a place. With `copy` they are safe from assignments to variables that follow.
    pub(super) fn place(&mut self, target: &Expression, copy: bool) -> Option<Place> {
        match &target.kind {
            ExpressionKind::Name(_) => {
                let Binding::Variable(id) = self.resolved.binding(target.span) else {
                    return None;
                };
                let variable = self.resolved.variable(id);
                match variable.storage {
                    Storage::Register => self.register_of(id).map(|r| Place::Register(r, variable.number)),
                    Storage::Cell | Storage::Global(_) => Some(Place::Shared(id)),
                }
            }
            ExpressionKind::Index(object, key) if self.resolved.bound(target.span).is_none() => {
                if copy {
                    let table = self.expression_next(object);
                    return Some(Place::Entry(table, Key::Register(self.expression_next(key))));
                }
                Some(self.entry(object, key))
            }
            // `arg[N]` is known when the script is compiled.
            ExpressionKind::Index(..) => {
                self.error(
                    Code::NotAssignable,
                    target.span,
                    "the script's arguments cannot be assigned",
                );
                None
            }
            ExpressionKind::Member(object, name) => {
                if self.resolved.bound(target.span).is_some() {
                    self.error(Code::NotAssignable, target.span, "a library cannot be assigned to");
                    return None;
                }
                let table = if copy {
                    self.expression_next(object)
                } else {
                    self.expression_any(object)
                };
                let name_value = Value::Str(name.text.clone().into_bytes());
                Some(Place::Entry(table, self.known_key(&name_value, name.span)))
            }
            _ => None,
        }
    }

    /// Evaluates the parts of `object[key]`.
    pub(super) fn entry(&mut self, object: &Expression, key: &Expression) -> Place {
        let table = self.expression_any(object);
        let key = match self.fold(key) {
            Some(value) => self.known_key(&value, key.span),
            None => Key::Register(self.expression_any(key)),
        };
        Place::Entry(table, key)
    }

    fn known_key(&mut self, key: &Value, span: Span) -> Key {
        match self.const8(key) {
            Some(constant) => Key::Constant(constant),
            None => {
                let register = self.alloc(span);
                self.load(register, key, span);
                Key::Register(register)
            }
        }
    }

    fn fetch(&mut self, dest: u8, place: &Place, span: Span) {
        match *place {
            Place::Register(register, _) => self.abc(Op::Move, dest, register, 0, span),
            Place::Shared(id) => self.variable_to(dest, id, span),
            Place::Entry(table, Key::Constant(key)) => self.abc(Op::TGetK, dest, table, key, span),
            Place::Entry(table, Key::Register(key)) => self.abc(Op::TGet, dest, table, key, span),
        }
    }

    /// Writes a register to a place.
    pub(super) fn store(&mut self, place: &Place, value: u8, span: Span) {
        match *place {
            Place::Register(register, _) => self.abc(Op::Move, register, value, 0, span),
            Place::Shared(id) => self.store_variable(id, value, span),
            Place::Entry(table, Key::Constant(key)) => self.abc(Op::TSetK, table, key, value, span),
            Place::Entry(table, Key::Register(key)) => self.abc(Op::TSet, table, key, value, span),
        }
    }

    /// Writes a register to a variable.
    pub(super) fn store_variable(&mut self, id: VarId, value: u8, span: Span) {
        match (self.resolved.variable(id).storage, self.register_of(id)) {
            (Storage::Global(slot), _) => self.ad(Op::GSet, value, u32::from(slot), span),
            (Storage::Register, Some(register)) => self.abc(Op::Move, register, value, 0, span),
            (Storage::Cell, Some(cell)) => self.abc(Op::CellSet, cell, value, 0, span),
            (Storage::Cell, None) => {
                let upvalue = self.upvalue(id);
                self.abc(Op::UpSet, value, upvalue, 0, span);
            }
            (Storage::Register, None) => {}
        }
    }

    /// Adds to a place, atomically.
    pub(super) fn add(&mut self, place: &Place, step: Step, span: Span) {
        let value = match step {
            Step::Small(number) if self.increment(place, number, span) => return,
            Step::Small(number) => {
                let register = self.alloc(span);
                self.load(register, &Value::Int(number.into()), span);
                register
            }
            Step::Register(register) => register,
        };
        match *place {
            Place::Register(register, _) => self.abc(Op::Add, register, register, value, span),
            Place::Shared(id) => match (self.resolved.variable(id).storage, self.register_of(id)) {
                (Storage::Global(slot), _) => self.ad(Op::GAdd, value, u32::from(slot), span),
                (_, Some(cell)) => self.abc(Op::CellAdd, cell, value, 0, span),
                (_, None) => {
                    let upvalue = self.upvalue(id);
                    self.abc(Op::UpAdd, value, upvalue, 0, span);
                }
            },
            Place::Entry(table, Key::Constant(key)) => self.abc(Op::TAddK, table, key, value, span),
            Place::Entry(table, Key::Register(key)) => self.abc(Op::TAdd, table, key, value, span),
        }
    }

    /// Adds a small number to a place by one op; returns false where there is none.
    fn increment(&mut self, place: &Place, number: u8, span: Span) -> bool {
        match *place {
            Place::Register(..) => return false,
            Place::Shared(id) => match (self.resolved.variable(id).storage, self.register_of(id)) {
                (Storage::Global(slot), _) => self.ad(Op::GInc, number, u32::from(slot), span),
                (_, Some(_)) => return false,
                (_, None) => {
                    let upvalue = self.upvalue(id);
                    self.abc(Op::UpInc, number, upvalue, 0, span);
                }
            },
            Place::Entry(table, Key::Constant(key)) => self.abc(Op::TIncK, table, key, number, span),
            Place::Entry(table, Key::Register(key)) => self.abc(Op::TInc, table, key, number, span),
        }
        true
    }

    /// Returns n of `t[k] = t[k] + n`.
    fn step_of<'e>(&self, target: &Expression, value: &'e Expression) -> Option<&'e Expression> {
        let ExpressionKind::Binary(BinaryOp::Add, left, step) = &value.kind else {
            return None;
        };
        let entry = matches!(target.kind, ExpressionKind::Index(..) | ExpressionKind::Member(..));
        (entry && self.same(target, left)).then_some(step)
    }

    /// Returns true if two expressions name the same thing and reading it twice is the same as reading it once.
    fn same(&self, a: &Expression, b: &Expression) -> bool {
        match (&a.kind, &b.kind) {
            (ExpressionKind::Name(a), ExpressionKind::Name(b)) => a == b,
            (ExpressionKind::Number(a), ExpressionKind::Number(b)) => a == b,
            (ExpressionKind::Str(a), ExpressionKind::Str(b)) => a == b,
            (ExpressionKind::Index(a, i), ExpressionKind::Index(b, j)) => self.same(a, b) && self.same(i, j),
            (ExpressionKind::Member(a, i), ExpressionKind::Member(b, j)) => i.text == j.text && self.same(a, b),
            (ExpressionKind::Call(f, _), ExpressionKind::Call(g, _)) => {
                self.is_variable_call(a) && self.is_variable_call(b) && self.same(f, g)
            }
            _ => false,
        }
    }
}
