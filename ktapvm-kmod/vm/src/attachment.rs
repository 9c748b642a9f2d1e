//! Attachments: which closure handles the events of which probe site, and all that starting it needs.
//!
//! In: what main attaches. Out: [`Attachment`]. Invariant: an attachment never changes once it is there; a word of zeros is none.
//!
//! Two words: `probe:16 flags:16 handle:32`, `start:32 function:16 registers:8 parameters:8`.

use core::sync::atomic::{Ordering, fence};

use ktap_bytecode::limits::MAX_ATTACHED;
use ktap_bytecode::op::Op;

use crate::layout::control;
use crate::short;
use crate::vm::Vm;

/// Words of an attachment.
pub(crate) const WORDS: usize = 2;
/// The handler does nothing.
const EMPTY: u64 = 1 << 16;
/// The handler begins light, see [`crate::short`].
const LIGHT: u64 = 1 << 17;

/// One attachment.
#[derive(Clone, Copy)]
pub(crate) struct Attachment {
    head: u64,
    start: u64,
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

    /// The handler's first word of code.
    #[inline(always)]
    pub(crate) fn pc(self) -> usize {
        self.start as u32 as usize
    }

    /// Registers of the handler.
    #[inline(always)]
    pub(crate) fn regs(self) -> u8 {
        (self.start >> 48) as u8
    }

    /// Declared parameters of the handler.
    #[inline(always)]
    pub(crate) fn params(self) -> u8 {
        (self.start >> 56) as u8
    }
}

impl Vm<'_> {
    /// The attachment with this number; an idle one if there is none.
    #[inline(always)]
    pub(crate) fn attachment(&self, attached: u16) -> Attachment {
        match self.attached.get(attached as usize) {
            Some([head, start]) => Attachment {
                head: head.load(Ordering::Relaxed),
                start: start.load(Ordering::Relaxed),
            },
            None => Attachment { head: 0, start: 0 },
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

    /// Adds an attachment; nothing if there are too many. Under the heap lock.
    pub(crate) fn add_attachment(&self, probe: u16, closure: u32) -> Option<u16> {
        let count = self.attached_count();
        if count as usize >= MAX_ATTACHED {
            return None;
        }
        let index = self.function_of(closure);
        let function = self.code.functions.get(index)?;
        let first = self.code.code.get(function.start as usize).and_then(|word| word.op());
        let mut head = probe as u64 | (closure as u64) << 32;
        if first == Some(Op::Return0) {
            head |= EMPTY;
        }
        if short::may_begin_light(&self.code, function) {
            head |= LIGHT;
        }
        let start = function.start as u64
            | (index as u64 & 0xffff) << 32
            | (function.regs as u64) << 48
            | (function.params as u64) << 56;
        let region = &self.objects.heap.region;
        let at = (count as usize).wrapping_mul(WORDS);
        let at = self.objects.layout.attached.wrapping_add(at);
        region.set(at.wrapping_add(1), start);
        fence(Ordering::Release);
        region.set(at, head);
        region.set(control::ATTACHED, count.wrapping_add(1) as u64);
        Some(count)
    }
}
