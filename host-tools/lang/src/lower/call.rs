//! Calls of the script's own functions, methods, and lists of values.
//!
//! In: callee and arguments. Out: code. Invariant: "up to top" is used only right after the op that sets top.

use ktap_bytecode::limits::MAX_REGS;
use ktap_bytecode::op::{Op, Word};

use super::Lowering;
use super::fold::Value;
use crate::ast::{Expression, ExpressionKind, Name};
use crate::diagnostic::Code;
use crate::resolve::Binding;
use crate::source::Span;

impl Lowering<'_> {
    /// Returns what a callee means if it is part of the language rather than a value.
    fn language_callee(&self, callee: &Expression) -> Option<Binding> {
        match callee.kind {
            ExpressionKind::Name(_) | ExpressionKind::Member(..) => match self.resolved.bound(callee.span)? {
                Binding::Variable(_) | Binding::ScriptArg(_) => None,
                binding => Some(binding),
            },
            _ => None,
        }
    }

    /// Returns true if the expression may give any number of values.
    pub(super) fn is_open(&self, expression: &Expression) -> bool {
        match &expression.kind {
            ExpressionKind::Vararg | ExpressionKind::MethodCall(..) => true,
            ExpressionKind::Call(callee, _) => {
                self.language_callee(callee).is_none() && self.event_method(callee).is_none()
            }
            _ => false,
        }
    }

    /// Calls for one value in a fresh register.
    pub(super) fn call_to(&mut self, dest: u8, expression: &Expression) {
        if self.language_call(Some(dest), expression) {
            return;
        }
        let base = if self.is_topmost(dest) {
            dest
        } else {
            self.alloc(expression.span)
        };
        self.call(base, expression, 1);
        if base != dest {
            self.abc(Op::Move, dest, base, 0, expression.span);
        }
    }

    /// Calls for no value.
    pub(super) fn call_statement(&mut self, expression: &Expression) {
        if !self.language_call(None, expression) {
            let base = self.alloc(expression.span);
            self.call(base, expression, 0);
        }
    }

    /// Returns a call's values, all of them, from a function; the frame is reused.
    pub(super) fn tail_call(&mut self, expression: &Expression) {
        let base = self.alloc(expression.span);
        let arguments = self.call_operands(base, expression);
        self.abc(Op::TailCall, base, arguments, 0, expression.span);
    }

    /// Evaluates an open expression for `results` values (255: all) from register `base` up, which is the topmost one.
    fn open_values(&mut self, base: u8, expression: &Expression, results: u8) {
        match &expression.kind {
            ExpressionKind::Vararg => {
                self.check_vararg(expression.span);
                self.abc(Op::Vararg, base, results, 0, expression.span);
            }
            _ => self.call(base, expression, results),
        }
    }

    /// Lowers a call that is a part of the language; returns false if it is none.
    fn language_call(&mut self, dest: Option<u8>, expression: &Expression) -> bool {
        let ExpressionKind::Call(callee, arguments) = &expression.kind else {
            return false;
        };
        if let Some(builtin) = self.event_method(callee) {
            self.event_call(dest, builtin, arguments, expression.span);
            return true;
        }
        let Some(binding) = self.language_callee(callee) else {
            return false;
        };
        self.bound_call(dest, binding, callee.span, arguments, expression.span);
        true
    }

    fn bound_call(&mut self, dest: Option<u8>, binding: Binding, name: Span, arguments: &[Expression], span: Span) {
        let top = self.top();
        match binding {
            Binding::Builtin(builtin) => self.builtin_call(dest, builtin, arguments, span),
            Binding::Backtrace { print } => self.backtrace_call(dest, print, arguments, span),
            Binding::EventArg(_) => {
                if !arguments.is_empty() {
                    self.error(Code::WrongArity, span, "an event's argument takes no arguments");
                }
                let dest = dest.unwrap_or_else(|| self.alloc(span));
                self.binding_to(dest, binding, "", span);
            }
            Binding::Attach(call) => {
                self.attach_call(call, arguments, span);
                self.no_value(dest, span);
            }
            Binding::Iterator { sorted } => {
                let word = if sorted { "sort_pairs" } else { "pairs" };
                self.error(Code::NotLowered, name, format!("'{word}' works only in a 'for'"));
            }
            Binding::Variable(_) | Binding::ScriptArg(_) | Binding::Unknown => {
                // Already reported at the name; the arguments may hold more errors.
                for argument in arguments {
                    self.expression_next(argument);
                }
            }
        }
        self.release(top);
    }

    /// A call that gives nothing where a value is wanted.
    pub(super) fn no_value(&mut self, dest: Option<u8>, span: Span) {
        if let Some(dest) = dest {
            self.load(dest, &Value::Nil, span);
        }
    }

    /// Calls a value; its results are in `base` and up.
    fn call(&mut self, base: u8, expression: &Expression, results: u8) {
        let arguments = self.call_operands(base, expression);
        self.abc(Op::Call, base, arguments, results, expression.span);
    }

    /// Puts the callee into `base` and the arguments after it; returns their count operand.
    fn call_operands(&mut self, base: u8, expression: &Expression) -> u8 {
        let top = self.top();
        let (arguments, own) = match &expression.kind {
            ExpressionKind::MethodCall(object, name, arguments) => {
                self.method(base, object, name);
                (arguments, 1)
            }
            ExpressionKind::Call(callee, arguments) => {
                self.expression_to(base, callee);
                (arguments, 0)
            }
            _ => return 0,
        };
        let (count, open) = self.values_next(arguments.iter(), true);
        self.release(top);
        if open {
            Word::MULTI
        } else {
            self.count_operand(count + own, expression.span)
        }
    }

    /// Puts a method into `base` and its object into the register after it, which is kept.
    fn method(&mut self, base: u8, object: &Expression, name: &Name) {
        let object = self.expression_next(object);
        self.member_of_register(base, object, &name.text, name.span);
    }

    /// Evaluates values into consecutive new registers, which are kept. If the last one is open and `open` allows it,
    /// all its values follow, and the second result is true.
    pub(super) fn values_next<'e>(
        &mut self,
        values: impl ExactSizeIterator<Item = &'e Expression>,
        open: bool,
    ) -> (usize, bool) {
        let count = values.len();
        for (index, value) in values.enumerate() {
            if open && index + 1 == count && self.is_open(value) {
                let base = self.alloc(value.span);
                self.open_values(base, value, Word::MULTI);
                return (count, true);
            }
            self.expression_next(value);
        }
        (count, false)
    }

    /// Evaluates values into exactly `want` consecutive new registers, which are kept; returns the first.
    pub(super) fn values_exactly(&mut self, values: &[Expression], want: usize, span: Span) -> u8 {
        let first = self.top();
        for (index, value) in values.iter().enumerate() {
            let missing = want.saturating_sub(index);
            if index + 1 == values.len() && missing > 1 && self.is_open(value) {
                let base = self.alloc(value.span);
                let results = self.count_operand(missing, value.span);
                self.open_values(base, value, results);
                self.alloc_many(missing - 1, value.span);
            } else {
                self.expression_next(value);
                if missing == 0 {
                    self.release(first + want);
                }
            }
        }
        let have = self.top() - first;
        if have < want {
            let register = self.alloc_many(want - have, span);
            let count = self.count_operand(want - have, span);
            self.abc(Op::LoadNil, register, count, 0, span);
        }
        first.min(MAX_REGS) as u8
    }

    pub(super) fn count_operand(&mut self, count: usize, span: Span) -> u8 {
        if count >= MAX_REGS {
            self.too_large(span, "a list of more than 250 values");
            return 0;
        }
        count as u8
    }
}
