//! Functions of the script.
//!
//! In: [`FunctionBody`]. Out: a function of the image. Invariant: arguments are the first registers of the frame.

use ktap_bytecode::limits::MAX_REGS;
use ktap_bytecode::op::Op;

use super::Lowering;
use super::function::When;
use crate::ast::{FunctionBody, Name, Statement};
use crate::resolve::{Storage, VarId};
use crate::source::Span;

impl Lowering<'_> {
    /// Lowers a function; returns its number.
    pub(super) fn function(&mut self, function: &FunctionBody, method: Option<&Name>, name: String, when: When) -> u16 {
        let number = self.open_function(name, function.span);
        let own = method.into_iter().chain(&function.parameters);
        let parameters: Vec<(VarId, Span)> = own
            .filter_map(|n| Some((self.resolved.declared(n.span)?, n.span)))
            .collect();
        if parameters.len() > MAX_REGS {
            self.too_large(function.span, "a function has more than 250 parameters");
        }
        let f = self.f();
        f.params = parameters.len().min(MAX_REGS) as u8;
        f.vararg = function.vararg;
        f.when = later(f.when, when);
        self.alloc_many(parameters.len(), function.span);
        for (index, (id, span)) in parameters.into_iter().enumerate() {
            let register = index.min(MAX_REGS - 1) as u8;
            self.declare_in(id, register, span);
        }
        self.statements(&function.body.statements);
        self.close_function();
        number
    }

    /// Lowers statements as a function of their own without parameters.
    pub(super) fn block_function(&mut self, statements: &[Statement], span: Span, name: String, when: When) -> u16 {
        let number = self.open_function(name, span);
        let f = self.f();
        f.when = later(f.when, when);
        self.statements(statements);
        self.close_function();
        number
    }

    /// Makes the value in a register the first one of a variable.
    pub(super) fn declare_in(&mut self, id: VarId, register: u8, span: Span) {
        match self.resolved.variable(id).storage {
            Storage::Register => self.bind(id, register),
            Storage::Cell => {
                self.abc(Op::CellNew, register, register, 0, span);
                self.bind(id, register);
            }
            Storage::Global(slot) => self.ad(Op::GSet, register, u32::from(slot), span),
        }
    }
}

/// Returns when a function runs that is attached to run at `inner` inside of one that runs at `outer`.
fn later(outer: When, inner: When) -> When {
    if outer == When::Main { inner } else { outer }
}
