//! Calls of builtins.
//!
//! In: builtin and arguments. Out: code. Invariant: the number of arguments is checked here, with the signature as help.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::{Op, Word};

use super::Lowering;
use super::assign::Step;
use super::fold::Value;
use crate::ast::Expression;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// Frames `backtrace` takes unless told.
const STACK_DEPTH: i64 = 10;

impl Lowering<'_> {
    /// Calls a builtin; without `dest` its value is not wanted.
    pub(super) fn builtin_call(&mut self, dest: Option<u8>, builtin: Builtin, arguments: &[Expression], span: Span) {
        let (least, most) = builtin.arity();
        // Builtins with any number of arguments take all values of a last open one.
        let variadic = most >= 254;
        let open = variadic && arguments.last().is_some_and(|last| self.is_open(last));
        if arguments.len() > most as usize || (arguments.len() < least as usize && !open) {
            self.wrong_arity(builtin, arguments.len(), span);
        }
        match (builtin, arguments) {
            (Builtin::Count | Builtin::TableCount, [table, key, rest @ ..]) => {
                self.count_call(table, key, rest.first(), span);
                self.no_value(dest, span);
            }
            (Builtin::Printf, [format, rest @ ..]) => self.printf_call(dest, format, rest, span),
            (Builtin::TableNew, _) if self.resolved.counting.contains(&span) => {
                let dest = dest.unwrap_or_else(|| self.alloc(span));
                let mut room = [0; 2];
                for (room, argument) in room.iter_mut().zip(arguments) {
                    match self.fold(argument) {
                        Some(Value::Int(number)) => *room = number.clamp(0, 255) as u8,
                        _ => {
                            self.expression_next(argument);
                        }
                    }
                }
                self.abc(Op::NewCounts, dest, room[0], room[1], span);
            }
            (_, []) => {
                let dest = dest.unwrap_or_else(|| self.alloc(span));
                self.abc(Op::CallBuiltin, dest, 0, builtin as u8, span);
            }
            _ => {
                let base = self.call_base(dest, span);
                let (count, open) = self.values_next(arguments.iter(), variadic);
                self.finish_call(dest, base, builtin, count, open, span);
            }
        }
    }

    /// `stack` with the arguments of older releases: skip, then depth.
    pub(super) fn backtrace_call(&mut self, dest: Option<u8>, print: bool, arguments: &[Expression], span: Span) {
        if arguments.len() > 2 {
            self.wrong_arity(Builtin::Stack, arguments.len(), span);
        }
        let outer = self.call_base(dest, span);
        let base = if print { self.alloc(span) } else { outer };
        if let Some(skip) = arguments.first() {
            let depth = self.alloc(span);
            match arguments.get(1) {
                Some(given) => self.expression_to(depth, given),
                None => self.load(depth, &Value::Int(STACK_DEPTH), span),
            }
            self.expression_next(skip);
        }
        let count = if arguments.is_empty() { 0 } else { 2 };
        self.abc(Op::CallBuiltin, base, count, Builtin::Stack as u8, span);
        if print {
            self.finish_call(dest, outer, Builtin::Print, 1, false, span);
        } else {
            self.move_result(dest, outer, span);
        }
    }

    fn printf_call(&mut self, dest: Option<u8>, format: &Expression, rest: &[Expression], span: Span) {
        let base = self.call_base(dest, span);
        let first = self.alloc(format.span);
        match self.fold(format) {
            Some(Value::Str(text)) => {
                let classes = self.check_format(&text, format.span, rest, span);
                let constant = self.pool.format(&text, &classes);
                self.ad(Op::LoadK, first, constant, format.span);
            }
            Some(_) => self.error(
                Code::ArgumentType,
                format.span,
                "wrong type of argument 1: printf needs a format",
            ),
            None => self.expression_to(first, format),
        }
        let (count, open) = self.values_next(rest.iter(), true);
        self.finish_call(dest, base, Builtin::Printf, count + 1, open, span);
    }

    /// `t[k] += n` in one atomic update; n is 1 unless given.
    fn count_call(&mut self, table: &Expression, key: &Expression, step: Option<&Expression>, span: Span) {
        let top = self.top();
        let place = self.entry(table, key);
        let step = step.map_or(Step::Small(1), |step| self.summand(step));
        self.add(&place, step, span);
        self.release(top);
    }

    /// The register a call is built on: the wanted one if it is topmost, else a new one.
    fn call_base(&mut self, dest: Option<u8>, span: Span) -> u8 {
        match dest {
            Some(dest) if self.is_topmost(dest) => dest,
            _ => self.alloc(span),
        }
    }

    fn finish_call(&mut self, dest: Option<u8>, base: u8, builtin: Builtin, count: usize, open: bool, span: Span) {
        let count = if open {
            Word::MULTI
        } else {
            self.count_operand(count, span)
        };
        self.abc(Op::CallBuiltin, base, count, builtin as u8, span);
        self.move_result(dest, base, span);
    }

    fn move_result(&mut self, dest: Option<u8>, base: u8, span: Span) {
        if let Some(dest) = dest
            && dest != base
        {
            self.abc(Op::Move, dest, base, 0, span);
        }
    }

    fn wrong_arity(&mut self, builtin: Builtin, given: usize, span: Span) {
        let wanted = match builtin.arity() {
            (0, 0) => "no arguments".to_string(),
            (1, 1) => "1 argument".to_string(),
            (least, most) if least == most => format!("{most} arguments"),
            (least, 254..) => format!("at least {least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        let name = builtin.name();
        let message = format!("'{name}' takes {wanted}, {given} given");
        let diagnostic = Diagnostic::new(Code::WrongArity, span, message);
        self.diagnostics
            .push(diagnostic.help(format!("its signature is {}", builtin.signature())));
    }
}
