//! Scopes: which declarations a place sees, and what happens to the variables they declare.
//!
//! In: declarations, uses and writes in source order. Out: [`Variable`]s with their storage. Invariant: a variable that is
//! used by another function than the one that declares it is never kept in a register.

use super::{Storage, VarId, Variable};

/// What is written to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// A table constructor.
    Table,
    /// A number literal, a loop counter.
    Number,
    /// `+=` and its kin.
    Compound,
    /// Anything else.
    Other,
}

/// A variable while its uses are still being counted.
struct Draft {
    name: String,
    function: usize,
    once: bool,
    global: bool,
    captured: bool,
    plain: bool,
    writes: u32,
    tables: u32,
    numbers: u32,
    event: bool,
}

/// How a variable comes to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// `var`.
    Local,
    /// A parameter or a loop variable.
    Bound,
    /// The first parameter of a handler.
    Event,
    /// An assignment to a name that nothing declares.
    Global,
}

struct Function {
    first_scope: usize,
    loops: u32,
}

/// The scopes open at a place, and all variables so far.
pub(super) struct Scopes {
    scopes: Vec<Vec<(String, VarId)>>,
    functions: Vec<Function>,
    /// Serial numbers of the functions that are open.
    serials: Vec<usize>,
    next_serial: usize,
    drafts: Vec<Draft>,
}

impl Scopes {
    /// Opens the scope of globals and main's.
    pub(super) fn new() -> Scopes {
        let mut scopes = Scopes {
            scopes: vec![Vec::new()],
            functions: vec![],
            serials: vec![],
            next_serial: 0,
            drafts: vec![],
        };
        scopes.open_function();
        scopes
    }

    pub(super) fn open_function(&mut self) {
        self.functions.push(Function {
            first_scope: self.scopes.len(),
            loops: 0,
        });
        self.serials.push(self.next_serial);
        self.next_serial += 1;
        self.open();
    }

    pub(super) fn close_function(&mut self) {
        if let Some(function) = self.functions.pop() {
            self.scopes.truncate(function.first_scope);
            self.serials.pop();
        }
    }

    pub(super) fn open(&mut self) {
        self.scopes.push(Vec::new());
    }

    pub(super) fn close(&mut self) {
        self.scopes.pop();
    }

    pub(super) fn enter_loop(&mut self) {
        if let Some(function) = self.functions.last_mut() {
            function.loops += 1;
        }
        self.open();
    }

    pub(super) fn leave_loop(&mut self) {
        self.close();
        if let Some(function) = self.functions.last_mut() {
            function.loops -= 1;
        }
    }

    /// Returns true outside all functions.
    pub(super) fn in_main(&self) -> bool {
        self.functions.len() == 1
    }

    /// Returns true directly in the part of main that runs at the end, which counts as a function.
    pub(super) fn in_end_part(&self) -> bool {
        self.functions.len() == 2
    }

    /// Returns true for a variable that no declaration of the script made.
    pub(super) fn is_global(&self, id: VarId) -> bool {
        self.drafts[id.0 as usize].global
    }

    /// Declares a name in the innermost scope, or a global in the outermost.
    pub(super) fn declare(&mut self, name: &str, origin: Origin) -> VarId {
        let id = VarId(self.drafts.len() as u32);
        let once = self.in_main() && self.functions.iter().all(|f| f.loops == 0);
        self.drafts.push(Draft {
            name: name.to_string(),
            function: self.serials.last().copied().unwrap_or(0),
            once,
            global: origin == Origin::Global,
            captured: false,
            plain: origin == Origin::Local,
            writes: 0,
            tables: 0,
            numbers: 0,
            event: origin == Origin::Event,
        });
        let scope = if origin == Origin::Global {
            self.scopes.first_mut()
        } else {
            self.scopes.last_mut()
        };
        if let Some(scope) = scope {
            scope.push((name.to_string(), id));
        }
        id
    }

    /// Finds what a name means here, and notes the use.
    pub(super) fn use_name(&mut self, name: &str) -> Option<VarId> {
        let id = self.lookup(name)?;
        let here = self.serials.last().copied().unwrap_or(0);
        let draft = &mut self.drafts[id.0 as usize];
        draft.captured |= draft.function != here;
        Some(id)
    }

    /// Finds what a name means here.
    pub(super) fn lookup(&self, name: &str) -> Option<VarId> {
        self.scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.iter().rev())
            .find(|(n, _)| n == name)
            .map(|(_, id)| *id)
    }

    pub(super) fn write(&mut self, id: VarId, write: Write) {
        let draft = &mut self.drafts[id.0 as usize];
        draft.writes += 1;
        draft.tables += u32::from(write == Write::Table);
        draft.numbers += u32::from(matches!(write, Write::Number | Write::Compound));
    }

    /// Returns every name visible here.
    pub(super) fn visible(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().rev().flatten().map(|(name, _)| name.as_str())
    }

    /// Decides where every variable lives; names of new global slots are appended to `globals`.
    pub(super) fn finish(self, globals: &mut Vec<String>) -> Vec<Variable> {
        let mut slot = |name: &str| {
            globals.push(name.to_string());
            Storage::Global((globals.len() - 1).min(u16::MAX as usize) as u16)
        };
        let drafts = self.drafts.into_iter();
        let finished = drafts.map(|draft| Variable {
            storage: match draft {
                Draft { global: true, .. } => slot(&draft.name),
                Draft {
                    captured: true,
                    once: true,
                    ..
                } => slot(&draft.name),
                Draft { captured: true, .. } => Storage::Cell,
                _ => Storage::Register,
            },
            written_once: draft.plain && draft.writes == 1,
            only_tables: draft.writes > 0 && draft.tables == draft.writes,
            number: draft.writes > 0 && draft.numbers == draft.writes,
            event: draft.event && draft.writes == 1,
            name: draft.name,
        });
        finished.collect()
    }
}
