//! Where programs run: `user`, over perf and tracefs, and `kmod`, inside the kernel.
//!
//! In: a verified program. Out: records and an ending. Invariant: a program means the same on either engine, and dropping an engine
//! detaches everything it attached.

pub mod catalog;
pub mod choice;
pub mod fields;
pub mod kmod;
pub mod outbox;
pub mod scope;
pub mod user;

use alloc::vec::Vec;

use ktap_bytecode::code::CodeRef;
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::trap::Fault;
use ktap_bytecode::verify::Verified;
use ktap_link::message::{Armed, LostCounters, Refusal, RunOptions};

use crate::agent::Board;
use crate::sys::poll::PollFd;
use crate::wire::Gone;
use catalog::Catalog;
use outbox::Outbox;
use scope::Scope;

/// Most bytes of records held for a host that gives no credit.
pub const MAX_OUTBOX: u64 = 4 << 20;

/// Why a program stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It called exit.
    Exit(i64),
    /// It trapped.
    Trap(Fault),
}

/// What an engine is given to load.
pub struct Program<'p> {
    /// The board.
    pub board: &'p Board,
    /// How to run it.
    pub options: &'p RunOptions,
    /// The limits, within what any board could need.
    pub limits: Limits,
    /// The program.
    pub image: &'p Image,
    /// Its code, verified.
    pub verified: Verified<'p>,
    /// The kernel's events, if the program names any.
    pub catalog: Option<&'p Catalog>,
}

impl<'p> Program<'p> {
    /// Borrows the code.
    pub fn code(&self) -> CodeRef<'p> {
        *self.verified.code()
    }
}

/// A program that an engine has loaded; the calls come in the order of the methods.
pub trait Engine {
    /// Returns the memory the session took, bytes.
    fn memory(&self) -> u64;

    /// Runs main; tells if that was the program's end already.
    ///
    /// # Errors
    /// A refusal; nothing has run.
    fn run_main(&mut self) -> Result<Option<Stop>, Refusal>;

    /// Finds what main attached, on a dry run what it could attach, and with `open` puts it in place. Nothing fires yet. Now and
    /// then it calls `breathe`, and gives up if that says false.
    ///
    /// # Errors
    /// A refusal by the first thing that cannot be attached; then nothing is.
    fn attach(&mut self, scope: Scope, open: bool, breathe: &mut dyn FnMut() -> bool) -> Result<Vec<Armed>, Refusal>;

    /// Lets everything fire.
    ///
    /// # Errors
    /// A refusal with the kernel's errno.
    fn enable(&mut self) -> Result<(), Refusal>;

    /// Returns true if nothing can ever fire.
    fn is_idle(&self) -> bool;

    /// Takes in what has happened up to `now`, a burst at most; true if there is more.
    ///
    /// # Errors
    /// Why the program stopped.
    fn pump(&mut self, now: u64) -> Result<bool, Stop>;

    /// Adds what becomes readable when there is work, and returns when there is some at the latest.
    fn wakers(&self, fds: &mut Vec<PollFd>) -> Option<u64>;

    /// Borrows the records on their way.
    fn with_outbox(&mut self, send: &mut dyn FnMut(&mut Outbox));

    /// Returns everything lost so far.
    fn lost(&mut self) -> LostCounters;

    /// Stops everything from firing; what has been taken so far stays. True if it has not let go of everything yet: to be called again, for one call
    /// is to be short.
    fn disable(&mut self) -> bool;

    /// As `pump`, after `disable`: takes in what is left.
    ///
    /// # Errors
    /// As `pump`.
    fn drain(&mut self) -> Result<bool, Stop>;

    /// Takes all probes away and runs `trace_end`; gives every end that is not simply done to `note`.
    fn end(&mut self, run: bool, note: &mut dyn FnMut(Stop));

    /// Moves what is left, that of `end` too, to the outbox as far as it has room; true if there is more.
    fn flush(&mut self) -> bool {
        false
    }

    /// Returns the events handled.
    fn events(&self) -> u64;
}

/// What goes on with a loaded program: called once by the engine's `load`, it sees the program to its end.
pub type GoOn<'g> = &'g mut dyn FnMut(&mut dyn Engine) -> Result<(), Gone>;
