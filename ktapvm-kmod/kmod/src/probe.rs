//! An attached probe, as events find it: its handler, filter and sources, all checked.
//!
//! In: one block of memory. Out: [`Probe`]. Invariant: nothing in it changes once it is attached, and it lives as long as its session.

use core::cell::Cell;

use ktap_vm::Gist;

use crate::event::Recipe;
use crate::filter::{Quick, Test};
use crate::session::Program;
use crate::source::Source;

/// What an event has to go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// The handler at once.
    Plain,
    /// The filter first.
    Filtered,
    /// The filter first, which is a [`Quick`] one.
    Sifted,
    /// Nothing: the handler is empty.
    Idle,
}

/// A probe. It is the first thing in its block; its lists follow there.
#[repr(C, align(64))]
pub(crate) struct Probe {
    program: *const Program,
    /// The filter, nothing if everything passes.
    pub(crate) tests: &'static [Test],
    /// The attachment whose handler runs.
    pub(crate) attached: u16,
    /// What its events go through.
    pub(crate) way: Way,
    /// The filter in short, where the way goes through it.
    pub(crate) quick: Quick,
    /// The handler in short, if it is that simple.
    pub(crate) gist: Option<Gist>,
    /// True if its handler may look at a record that is made here, or at the registers' text.
    pub(crate) needs_buffer: bool,
    /// Where the program's field references find their values.
    pub(crate) fields: &'static [Source],
    /// The event's own fields.
    pub(crate) own: &'static [Source],
    /// The event's name.
    pub(crate) name: &'static [u8],
    /// Its record.
    pub(crate) recipe: Recipe,
    /// The how manieth of the session's probes.
    pub(crate) number: u32,
    /// The probe attached before it.
    pub(crate) before: Cell<*const Probe>,
}

impl Probe {
    /// Makes a probe of a program.
    pub(crate) fn new(program: &Program, recipe: Recipe, attached: u16, number: u32) -> Probe {
        Probe {
            program,
            tests: &[],
            attached,
            way: Way::Plain,
            quick: Quick::NONE,
            gist: None,
            needs_buffer: false,
            fields: &[],
            own: &[],
            name: &[],
            recipe,
            number,
            before: Cell::new(core::ptr::null()),
        }
    }

    /// Returns its program.
    #[inline(always)]
    pub(crate) fn program(&self) -> &Program {
        // SAFETY: a program stays where it is until the session ends, and probes end with it.
        unsafe { &*self.program }
    }
}
