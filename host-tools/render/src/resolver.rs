//! What a renderer asks of its surroundings.
//!
//! In: ids and addresses. Out: formats and names. Invariant: an answer may be missing; the renderer then shows the number.

use std::rc::Rc;

use ktap_symbols::format::EventFormat;
use ktap_symbols::symbol::{Symbol, Symbolize};

/// A place in a process's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSymbol {
    /// The function, or the file if that is all that is known.
    pub name: String,
    /// Bytes from its start.
    pub offset: u64,
}

/// Finds formats and symbols. Kernel symbols come through [`Symbolize`].
pub trait Resolver: Symbolize {
    /// Returns the format of the event with this id of the board's kernel.
    fn event(&self, id: u16) -> Option<Rc<EventFormat>>;

    /// Returns what is at `address` in the process `pid`.
    fn user_symbol(&self, pid: u32, address: u64) -> Option<UserSymbol> {
        let _ = (pid, address);
        None
    }
}

/// Knows nothing: for tests and for boards that are gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoResolver;

impl Symbolize for NoResolver {
    fn symbol(&self, _: u64) -> Option<Symbol<'_>> {
        None
    }
}

impl Resolver for NoResolver {
    fn event(&self, _: u16) -> Option<Rc<EventFormat>> {
        None
    }
}
