//! Expressions: their value in a register.
//!
//! In: [`Expression`]. Out: code. Invariant: a destination given to `expression_to` is fresh: nothing reads it before.

use ktap_bytecode::builtin::{Builtin, Spelling};
use ktap_bytecode::op::Op;

use super::Lowering;
use super::fold::Value;
use super::function::When;
use crate::ast::{Expression, ExpressionKind};
use crate::diagnostic::Code;
use crate::resolve::{Binding, Storage, VarId};
use crate::source::Span;

impl Lowering<'_> {
    /// Evaluates into the next free register, and keeps it.
    pub(super) fn expression_next(&mut self, expression: &Expression) -> u8 {
        let register = self.alloc(expression.span);
        self.expression_to(register, expression);
        register
    }

    /// Evaluates into any register: a variable's own, or a temporary.
    pub(super) fn expression_any(&mut self, expression: &Expression) -> u8 {
        match &expression.kind {
            ExpressionKind::Paren(inner) => self.expression_any(inner),
            ExpressionKind::Name(_) => match self.binding_register(expression.span) {
                Some(register) => register,
                None => self.expression_next(expression),
            },
            _ => self.expression_next(expression),
        }
    }

    /// Returns the register of a name that means a variable kept in one.
    pub(super) fn binding_register(&mut self, span: Span) -> Option<u8> {
        let Binding::Variable(id) = self.resolved.binding(span) else {
            return None;
        };
        match self.resolved.variable(id).storage {
            Storage::Register => self.register_of(id),
            Storage::Cell | Storage::Global(_) => None,
        }
    }

    /// Evaluates into a fresh register.
    pub(super) fn expression_to(&mut self, dest: u8, expression: &Expression) {
        let span = expression.span;
        if let Some(value) = self.fold(expression) {
            return self.load(dest, &value, span);
        }
        let top = self.top();
        match &expression.kind {
            ExpressionKind::Name(name) => {
                let binding = self.resolved.binding(span);
                self.binding_to(dest, binding, name, span);
            }
            ExpressionKind::Index(object, key) => self.index_to(dest, object, key, span),
            ExpressionKind::Member(object, name) => self.member_to(dest, object, name, span),
            ExpressionKind::Call(..) | ExpressionKind::MethodCall(..) => self.call_to(dest, expression),
            ExpressionKind::Function(function) => {
                let number = self.function(function, None, "function".to_string(), When::Main);
                self.ad(Op::Closure, dest, u32::from(number), span);
            }
            ExpressionKind::Table(items) => self.table_to(dest, items, span),
            ExpressionKind::Unary(op, operand) => self.unary_to(dest, *op, operand, span),
            ExpressionKind::Binary(op, left, right) => self.binary_to(dest, *op, left, right, span),
            ExpressionKind::Paren(inner) => self.expression_to(dest, inner),
            ExpressionKind::Vararg => {
                self.check_vararg(span);
                self.abc(Op::Vararg, dest, 1, 0, span);
            }
            ExpressionKind::KernelSymbol(name) => {
                let constant = self.pool.symbol(name, span);
                self.ad(Op::LoadK, dest, constant, span);
            }
            // These fold, or were reported by the parser.
            ExpressionKind::Nil
            | ExpressionKind::Bool(_)
            | ExpressionKind::Number(_)
            | ExpressionKind::Str(_)
            | ExpressionKind::Error => {}
        }
        self.release(top);
    }

    /// Loads a known value.
    pub(super) fn load(&mut self, dest: u8, value: &Value, span: Span) {
        match value {
            Value::Nil => self.abc(Op::LoadNil, dest, 1, 0, span),
            Value::Bool(value) => self.abc(Op::LoadBool, dest, u8::from(*value), 0, span),
            Value::Int(value) => match i16::try_from(*value) {
                Ok(small) => self.ad(Op::LoadI, dest, u32::from(small as u16), span),
                Err(_) => {
                    let constant = self.pool.int(*value);
                    self.ad(Op::LoadK, dest, constant, span);
                }
            },
            Value::Str(text) => {
                let constant = self.pool.string(text);
                self.ad(Op::LoadK, dest, constant, span);
            }
        }
    }

    /// Returns the index of a number or string constant, if it fits an 8-bit operand.
    pub(super) fn const8(&mut self, value: &Value) -> Option<u8> {
        let index = match value {
            Value::Int(number) => self.pool.int(*number),
            Value::Str(text) => self.pool.string(text),
            Value::Nil | Value::Bool(_) => return None,
        };
        u8::try_from(index).ok()
    }

    /// Returns the constant of an expression known to be a number or a string.
    pub(super) fn folded8(&mut self, expression: &Expression) -> Option<u8> {
        let value = self.fold(expression)?;
        self.const8(&value)
    }

    /// Evaluates what a name or a library member means.
    pub(super) fn binding_to(&mut self, dest: u8, binding: Binding, name: &str, span: Span) {
        match binding {
            Binding::Variable(id) => self.variable_to(dest, id, span),
            Binding::Builtin(builtin) if builtin.spelling() == Spelling::Variable => {
                self.abc(Op::CallBuiltin, dest, 0, builtin as u8, span);
            }
            Binding::Builtin(builtin) => {
                let constant = self.pool.builtin(builtin);
                self.ad(Op::LoadK, dest, constant, span);
            }
            Binding::Backtrace { print: false } => {
                let constant = self.pool.builtin(Builtin::Stack);
                self.ad(Op::LoadK, dest, constant, span);
            }
            Binding::EventArg(number) => {
                let field = self.pool.field_numbered(number);
                self.ad(Op::EvField, dest, field, span);
            }
            Binding::ScriptArg(number) => {
                let value = self.script_arg(number);
                self.load(dest, &value, span);
            }
            Binding::Iterator { .. } => self.error(Code::NotLowered, span, format!("'{name}' works only in a 'for'")),
            Binding::Attach(_) | Binding::Backtrace { print: true } => {
                self.not_lowered(span, &format!("'{name}' as a value"));
            }
            Binding::Unknown => {}
        }
    }

    /// Reads a variable.
    pub(super) fn variable_to(&mut self, dest: u8, id: VarId, span: Span) {
        if let Some(value) = self.constants.get(&id).cloned() {
            return self.load(dest, &value, span);
        }
        match (self.resolved.variable(id).storage, self.register_of(id)) {
            (Storage::Global(slot), _) => self.ad(Op::GGet, dest, u32::from(slot), span),
            (Storage::Register, Some(register)) if register == dest => {}
            (Storage::Register, Some(register)) => self.abc(Op::Move, dest, register, 0, span),
            (Storage::Cell, Some(register)) => self.abc(Op::CellGet, dest, register, 0, span),
            (Storage::Cell, None) => {
                let upvalue = self.upvalue(id);
                self.abc(Op::UpGet, dest, upvalue, 0, span);
            }
            // Only a declaration that could not be lowered leaves a variable without a register.
            (Storage::Register, None) => {}
        }
    }

    fn index_to(&mut self, dest: u8, object: &Expression, key: &Expression, span: Span) {
        let table = self.expression_any(object);
        match self.folded8(key) {
            Some(constant) => self.abc(Op::TGetK, dest, table, constant, span),
            None => {
                let key = self.expression_any(key);
                self.abc(Op::TGet, dest, table, key, span);
            }
        }
    }

    /// Reports `...` where there are no varargs.
    pub(super) fn check_vararg(&mut self, span: Span) {
        if !self.f().vararg {
            self.error(Code::VarargOutside, span, "cannot use '...' outside a vararg function");
        }
    }
}
