//! Attachments: which closure handles the events of which probe site.
//!
//! In: what main attaches. Out: [`Attachment`]. Invariant: an attachment never changes once it is there; a word of zeros is none.
//!
//! One word: `probe:16 function:12 flags:4 handle:32`.

use core::sync::atomic::Ordering;

use ktap_bytecode::limits::{MAX_ATTACHED, MAX_FUNCTIONS};
use ktap_bytecode::op::Op;

use crate::layout::control;
use crate::number;
use crate::short;
use crate::vm::Vm;

/// The handler does nothing.
const EMPTY: u64 = 1 << 28;
/// The handler begins light, see [`crate::short`].
const LIGHT: u64 = 1 << 29;

const _: () = assert!(MAX_FUNCTIONS <= 1 << 12);

/// What a handler comes to that is too simple to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gist {
    /// `n += 1`, for [`Vm::run_count`].
    Count(Count),
    /// `print(argstr)`: the record of the event, which the host has.
    PrintEvent,
}

/// An addition to a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    global: u16,
    by: u8,
}

/// One attachment.
#[derive(Clone, Copy)]
pub(crate) struct Attachment {
    head: u64,
}

impl Attachment {
    /// True if there is nothing to be done.
    #[inline(always)]
    pub(crate) fn is_idle(self) -> bool {
        self.head >> 32 == 0 || self.head & EMPTY != 0
    }

    /// True if its handler may begin without a frame.
    #[inline(always)]
    pub(crate) fn is_light(self) -> bool {
        self.head & LIGHT != 0
    }

    /// The probe site.
    pub(crate) fn probe(self) -> u16 {
        self.head as u16
    }

    /// The handler.
    #[inline(always)]
    pub(crate) fn closure(self) -> u32 {
        (self.head >> 32) as u32
    }

    /// The handler's function.
    #[inline(always)]
    pub(crate) fn function(self) -> usize {
        (self.head >> 16) as usize & 0xfff
    }
}

impl Vm<'_> {
    /// The attachment with this number; an idle one if there is none.
    #[inline(always)]
    pub(crate) fn attachment(&self, attached: u16) -> Attachment {
        Attachment {
            head: self
                .attached
                .get(attached as usize)
                .map_or(0, |[head]| head.load(Ordering::Relaxed)),
        }
    }

    /// Returns how many attachments main made.
    pub fn attached_count(&self) -> u16 {
        self.objects.heap.region.get(control::ATTACHED) as u16
    }

    /// Returns the probe site of an attachment.
    pub fn attached_probe(&self, attached: u16) -> Option<u16> {
        if attached < self.attached_count() {
            Some(self.attachment(attached).probe())
        } else {
            None
        }
    }

    /// True if the handler of an attachment does nothing at all.
    pub fn attached_is_idle(&self, attached: u16) -> bool {
        self.attachment(attached).is_idle()
    }

    /// Returns what the handler of an attachment comes to, if that is simple.
    pub fn attached_gist(&self, attached: u16) -> Option<Gist> {
        let attachment = self.attachment(attached);
        let function = self.code.functions.get(attachment.function())?;
        let words = self.code.code.get(function.start as usize..)?;
        match words.get(..function.len as usize)? {
            _ if attachment.is_idle() => None,
            [add, end] if add.op() == Some(Op::GInc) && end.op() == Some(Op::Return0) => Some(Gist::Count(Count {
                global: add.d(),
                by: add.a(),
            })),
            [text, print, end]
                if text.op() == Some(Op::CallBuiltin)
                    && text.c() == number::ARGSTR
                    && short::prints_alone(*print, text.a())
                    && end.op() == Some(Op::Return0) =>
            {
                Some(Gist::PrintEvent)
            }
            _ => None,
        }
    }

    /// Counts, in place of a handler that does nothing else; false if the handler has to do it.
    #[inline(always)]
    pub fn run_count(&self, count: Count) -> bool {
        self.add_steady(count.global, count.by as i64)
    }

    /// Adds an attachment; nothing if there are too many. Under the heap lock.
    pub(crate) fn add_attachment(&self, probe: u16, closure: u32) -> Option<u16> {
        let count = self.attached_count();
        if count as usize >= MAX_ATTACHED {
            return None;
        }
        let index = self.function_of(closure);
        let function = self.code.functions.get(index)?;
        let first = self.code.code.get(function.start as usize).and_then(|word| word.op());
        let mut head = probe as u64 | (index as u64 & 0xfff) << 16 | (closure as u64) << 32;
        if first == Some(Op::Return0) {
            head |= EMPTY;
        }
        if short::may_begin_light(&self.code, function) {
            head |= LIGHT;
        }
        let region = &self.objects.heap.region;
        region.set(self.objects.layout.attached.wrapping_add(count as usize), head);
        region.set(control::ATTACHED, count.wrapping_add(1) as u64);
        Some(count)
    }
}
