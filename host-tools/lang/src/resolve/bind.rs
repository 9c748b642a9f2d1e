//! Binding one name, or one library member, to what it means.
//!
//! In: a name and its place. Out: its [`Binding`] in [`super::Resolved`]. Invariant: what cannot be bound is reported here, once.

use ktap_bytecode::builtin::{Builtin, Context};

use super::library::{self, Known};
use super::scope::{Origin, Write};
use super::walk::Walker;
use super::{Binding, VarId};
use crate::ast::{Expression, ExpressionKind, Name};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::suggest::suggest;

impl Walker {
    pub(super) fn lint_shadow(&mut self, name: &str, span: Span) {
        let message = format!("'{name}' hides the builtin variable");
        self.diagnostics
            .push(Diagnostic::new(Code::ShadowedVariable, span, message));
    }

    pub(super) fn assign_name(&mut self, name: &str, span: Span, write: Write, declares: bool) {
        let found = self.scopes.use_name(name);
        if found.is_none() && library::is_library(name) {
            let message = format!("'{name}' is a library");
            self.diagnostics
                .push(Diagnostic::new(Code::NotAssignable, span, message));
            return;
        }
        let id = found.unwrap_or_else(|| self.scopes.declare(name, Origin::Global));
        if found.is_none() {
            self.globals.push(name.to_string());
        }
        self.scopes.write(id, write);
        self.resolved.bindings.insert(span, Binding::Variable(id));
        if self.scopes.is_global(id) && self.linted.insert(name.to_string()) {
            if library::is_variable(name) {
                self.lint_shadow(name, span);
            }
            if !declares {
                let message = format!("'{name}' is not declared and becomes a global");
                let lint = Diagnostic::new(Code::ImplicitGlobal, span, message);
                self.diagnostics
                    .push(lint.help(format!("write `var {name}` to declare it")));
            }
        }
    }

    /// `arg[N]` is known now; any other use of `arg` needs the table.
    pub(super) fn index(&mut self, span: Span, object: &Expression, key: &Expression) {
        match (&object.kind, &key.kind) {
            (ExpressionKind::Name(name), ExpressionKind::Number(n))
                if name == "arg" && self.scopes.lookup(name).is_none() =>
            {
                self.resolved.bindings.insert(span, Binding::ScriptArg(*n));
            }
            _ => {
                self.expression(object);
                self.expression(key);
            }
        }
    }

    pub(super) fn member(&mut self, span: Span, object: &Expression, name: &Name) {
        match &object.kind {
            ExpressionKind::Name(library) if self.scopes.lookup(library).is_none() && library::is_library(library) => {
                let binding = self.known(&format!("{library}.{}", name.text), span);
                self.resolved.bindings.insert(span, binding);
            }
            _ => self.expression(object),
        }
    }

    pub(super) fn name(&mut self, name: &str, span: Span) {
        let binding = match self.scopes.use_name(name) {
            Some(id) => Binding::Variable(id),
            None if name == "arg" => Binding::Variable(self.arg_table()),
            None => self.known(name, span),
        };
        self.resolved.bindings.insert(span, binding);
    }

    /// Makes the global that holds the script's arguments.
    fn arg_table(&mut self) -> VarId {
        let id = self.scopes.declare("arg", Origin::Global);
        self.scopes.write(id, Write::Table);
        self.resolved.arg_table = Some(id);
        id
    }

    /// Binds a name of the language, or reports it.
    fn known(&mut self, name: &str, span: Span) -> Binding {
        match library::lookup(name) {
            Known::Bound(binding) => {
                let event = match binding {
                    Binding::Builtin(builtin) => builtin.context() == Context::Event,
                    Binding::Backtrace { .. } => Builtin::Stack.context() == Context::Event,
                    Binding::EventArg(_) => true,
                    _ => false,
                };
                if event && (self.scopes.in_main() || self.end_part && self.scopes.in_end_part()) {
                    let message = format!("invalid event context: there is no event for '{name}' here");
                    self.diagnostics
                        .push(Diagnostic::new(Code::EventOutside, span, message));
                }
                binding
            }
            Known::Unsupported => {
                let message = format!("'{name}' is not supported yet");
                self.diagnostics.push(Diagnostic::new(Code::NotLowered, span, message));
                Binding::Unknown
            }
            Known::Nothing => {
                let diagnostic = Diagnostic::new(Code::UndefinedName, span, format!("undefined name '{name}'"));
                let candidates = self.scopes.visible().chain(library::names().map(|name| name as &str));
                let diagnostic = match suggest(name, candidates) {
                    Some(near) => diagnostic.help(format!("did you mean '{near}'?")),
                    None => diagnostic,
                };
                self.diagnostics.push(diagnostic);
                Binding::Unknown
            }
        }
    }
}
