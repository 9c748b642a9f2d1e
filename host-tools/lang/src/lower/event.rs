//! The event object and members.
//!
//! In: `object.name`. Out: code. Invariant: the handler's own event parameter is read without looking at the register;
//! any other object may be a table or an event, which the board decides.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::event::EventMember;
use ktap_bytecode::op::Op;

use super::Lowering;
use super::fold::Value;
use crate::ast::{Expression, ExpressionKind, Name};
use crate::diagnostic::{Code, Diagnostic};
use crate::resolve::{Binding, Storage, Variable};
use crate::source::Span;

impl Lowering<'_> {
    fn variable_of(&self, object: &Expression) -> Option<&Variable> {
        match (&object.kind, self.resolved.bound(object.span)) {
            (ExpressionKind::Name(_), Some(Binding::Variable(id))) => Some(self.resolved.variable(id)),
            _ => None,
        }
    }

    /// Returns true for the event parameter of the running handler.
    fn is_own_event(&self, object: &Expression) -> bool {
        self.variable_of(object)
            .is_some_and(|v| v.event && v.storage == Storage::Register)
    }

    /// Returns true if the object cannot be an event.
    fn is_table(&self, object: &Expression) -> bool {
        match &object.kind {
            ExpressionKind::Table(_) => true,
            ExpressionKind::Paren(inner) => self.is_table(inner),
            _ => self.variable_of(object).is_some_and(|v| v.only_tables),
        }
    }

    /// Returns the builtin that serves a method of the handler's own event.
    pub(super) fn event_method(&self, callee: &Expression) -> Option<Builtin> {
        let ExpressionKind::Member(object, name) = &callee.kind else {
            return None;
        };
        let builtin = match EventMember::from_name(&name.text)? {
            EventMember::ToString => Builtin::EventText,
            EventMember::Field => Builtin::EventField,
            EventMember::SetRetval => Builtin::EventSetRetval,
            _ => return None,
        };
        self.is_own_event(object).then_some(builtin)
    }

    /// Calls a method of the handler's own event.
    pub(super) fn event_call(&mut self, dest: Option<u8>, builtin: Builtin, arguments: &[Expression], span: Span) {
        if let (Builtin::EventField, [argument]) = (builtin, arguments)
            && let Some(Value::Int(number)) = self.fold(argument)
            && let Ok(number @ 0..=0xfffe) = u16::try_from(number.wrapping_sub(1))
        {
            let top = self.top();
            let field = self.pool.field_numbered(number);
            let dest = dest.unwrap_or_else(|| self.alloc(span));
            self.ad(Op::EvField, dest, field, span);
            return self.release(top);
        }
        if builtin == Builtin::EventSetRetval {
            self.changes_kernel(span);
        }
        self.builtin_call(dest, builtin, arguments, span);
    }

    /// Reports what only a session with `--unsafe` may do.
    fn changes_kernel(&mut self, span: Span) {
        if !self.options.allow_unsafe {
            let diagnostic = Diagnostic::new(Code::ChangesKernel, span, "'set_retval' changes the kernel");
            self.diagnostics.push(diagnostic.help("say --unsafe if you mean it"));
        }
    }

    /// Reads `object.name`.
    pub(super) fn member_to(&mut self, dest: u8, object: &Expression, name: &Name, span: Span) {
        if let Some(binding) = self.resolved.bound(span) {
            return self.binding_to(dest, binding, &name.text, span);
        }
        if self.is_own_event(object) {
            match EventMember::from_name(&name.text) {
                Some(EventMember::Name) => {
                    return self.abc(Op::CallBuiltin, dest, 0, Builtin::Probename as u8, span);
                }
                // A method as a value is a builtin, which only `Member` gives.
                Some(EventMember::SetRetval) => self.changes_kernel(span),
                Some(EventMember::ToString | EventMember::Field) => {}
                _ => {
                    let field = self.pool.field_named(&name.text);
                    return self.ad(Op::EvField, dest, field, span);
                }
            }
        }
        let table = self.is_table(object);
        let object = self.expression_any(object);
        if table {
            let key = Value::Str(name.text.clone().into_bytes());
            self.constant_index(dest, object, &key, span);
        } else {
            self.member_of_register(dest, object, &name.text, span);
        }
    }

    /// Reads a member of a table or event in a register.
    pub(super) fn member_of_register(&mut self, dest: u8, object: u8, name: &str, span: Span) {
        match u8::try_from(self.pool.field_named(name)) {
            Ok(field) => self.abc(Op::Member, dest, object, field, span),
            Err(_) => self.too_large(span, "more than 256 different members"),
        }
    }

    fn constant_index(&mut self, dest: u8, table: u8, key: &Value, span: Span) {
        match self.const8(key) {
            Some(constant) => self.abc(Op::TGetK, dest, table, constant, span),
            None => {
                let register = self.alloc(span);
                self.load(register, key, span);
                self.abc(Op::TGet, dest, table, register, span);
            }
        }
    }
}
