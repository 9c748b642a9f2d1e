//! What names mean: every use of a name gets a binding, every variable a place to live.
//!
//! In: [`Block`]. Out: [`Resolved`] and diagnostics. Invariant: bindings are keyed by the span of the name as written,
//! which no two names of one source share.

mod bind;
mod counted;
#[cfg(test)]
mod counted_tests;
mod library;
mod scope;
mod value;
mod walk;

use std::collections::{HashMap, HashSet};

use ktap_bytecode::builtin::Builtin;

use crate::ast::Block;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// A variable of the script: an index into [`Resolved::variables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VarId(pub u32);

/// Where a variable's value lives while the script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A register of its function: nobody else sees it.
    Register,
    /// A heap cell, shared with the closures that capture it.
    Cell,
    /// A global slot.
    Global(u16),
}

/// What the resolver found out about a variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub storage: Storage,
    /// True if its only write is a declaration with `var`: a constant if the value is one.
    pub written_once: bool,
    /// True if it never holds anything but a table (or nil before its declaration).
    pub only_tables: bool,
    /// True if it never holds nil or a non-number.
    pub number: bool,
    /// True if it is the event parameter of a function that is only ever a handler.
    pub event: bool,
}

/// A call that attaches a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachCall {
    /// `kdebug.probe(EVENTDEF, fn)`.
    Probe,
    /// `kdebug.probe_end(fn)`.
    End,
    /// `timer.ms(N, fn)` and its kin; the unit in nanoseconds.
    Timer(u64),
    /// `timer.tick("1s", fn)`.
    TickText,
    /// `timer.profile("1s", fn)`.
    ProfileText,
}

/// What a name, or a member of a library, means where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A variable of the script.
    Variable(VarId),
    /// A builtin.
    Builtin(Builtin),
    /// `backtrace` and, with `print`, `print_backtrace`: the stack with its arguments in the older order.
    Backtrace {
        /// True if the stack is printed rather than returned.
        print: bool,
    },
    /// `argN`: the event's own field, counted from 0.
    EventArg(u16),
    /// `arg[N]` with N known.
    ScriptArg(i64),
    /// An attaching call.
    Attach(AttachCall),
    /// `pairs` or `sort_pairs`, which only a `for` understands.
    Iterator {
        /// True for `sort_pairs`.
        sorted: bool,
    },
    /// An error was reported.
    Unknown,
}

/// What the resolver found out about a script.
#[derive(Debug, Default)]
pub struct Resolved {
    bindings: HashMap<Span, Binding>,
    declarations: HashMap<Span, VarId>,
    /// All variables.
    pub variables: Vec<Variable>,
    /// Names of the global slots.
    pub globals: Vec<String>,
    /// The variable of the `arg` table, if the script needs it as a table.
    pub arg_table: Option<VarId>,
    /// Constructors of tables that are only ever counted into.
    pub counting: HashSet<Span>,
    /// The first statement of main that runs only at the end, after `kdebug.probe_end`.
    pub end_part: Option<usize>,
}

impl Resolved {
    /// Returns what the name, library member or `arg[N]` at this place means.
    pub fn binding(&self, span: Span) -> Binding {
        self.bound(span).unwrap_or(Binding::Unknown)
    }

    /// Returns what stands at this place, if it is a name, a library member or `arg[N]`.
    pub fn bound(&self, span: Span) -> Option<Binding> {
        self.bindings.get(&span).copied()
    }

    /// Returns the variable declared by the name at this place.
    pub fn declared(&self, span: Span) -> Option<VarId> {
        self.declarations.get(&span).copied()
    }

    /// Returns a variable.
    pub fn variable(&self, id: VarId) -> &Variable {
        &self.variables[id.0 as usize]
    }
}

/// Resolves all names of a script.
pub fn resolve(block: &Block) -> (Resolved, Vec<Diagnostic>) {
    // Globals exist from the first assignment anywhere in the text, so a first pass collects them.
    let globals = walk::Walker::new(Vec::new()).run(block).into_globals();
    let (mut resolved, diagnostics) = walk::Walker::new(globals).run(block).finish();
    let counting = counted::find(block, &resolved);
    resolved.counting.extend(counting);
    (resolved, diagnostics)
}
