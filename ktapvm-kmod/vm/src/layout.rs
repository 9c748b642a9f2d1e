//! The layout of the region: where each part starts, from the limits, the program and the number of frames.
//!
//! In: limits, code, frames. Out: [`Layout`]. Invariant: parts follow one another without overlap.
//!
//! ```text
//! control | globals | constants | attached | intern buckets | frame 0 .. frame n-1 | heap | pad
//! frame: epoch, - | names | call records (2 words each) | registers (2 words each, plus a margin) | scratch | record buffer
//! ```

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::CodeRef;
use ktap_bytecode::limits::{Limits, MAX_ATTACHED, MAX_RECORD};
use ktap_bytecode::op::Op;

use crate::region::PAD;

/// Register slots behind the last usable one: an 8-bit register number from any base stays inside the frame.
pub(crate) const MARGIN: usize = 256;
/// Command names a frame remembers; a power of two.
pub(crate) const NAMES: usize = 8;
/// Words of one: the name (2), the handle of its string or 0, -.
pub(crate) const NAME_WORDS: usize = 4;
/// Words of a global: its value (2), its mark, see [`crate::steady`], -.
pub(crate) const GLOBAL_WORDS: usize = 4;
/// Words of a call record.
pub(crate) const RECORD_WORDS: usize = 2;
/// The heap is never smaller than this, words.
const MIN_HEAP: usize = 8 << 10;

/// Words of the control part.
pub(crate) mod control {
    pub(crate) const GLOBALS_LOCK: usize = 0;
    pub(crate) const HEAP_LOCK: usize = 1;
    pub(crate) const EPOCH: usize = 2;
    /// Objects that wait to be freed, three lists by epoch.
    pub(crate) const WAITING: usize = 3;
    /// How many objects wait.
    pub(crate) const WAITING_COUNT: usize = 6;
    /// Words in use on the heap.
    pub(crate) const HEAP_USED: usize = 7;
    pub(crate) const ATTACHED: usize = 8;
    pub(crate) const ENDED: usize = 9;
    /// Counters, one word each.
    pub(crate) const TABLE_DROPS: usize = 10;
    pub(crate) const OUT_OF_MEMORY: usize = 11;
    pub(crate) const RECURSION: usize = 12;
    pub(crate) const BUSY: usize = 13;
    pub(crate) const OVERSIZE: usize = 14;
    pub(crate) const LOST: usize = 15;
    /// Heads of the free lists, one word per order.
    pub(crate) const FREE: usize = 16;
    pub(crate) const WORDS: usize = 64;
}

/// Where the parts are, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) globals: usize,
    pub(crate) consts: usize,
    pub(crate) attached: usize,
    pub(crate) intern: usize,
    /// A power of two.
    pub(crate) intern_buckets: usize,
    pub(crate) frames: usize,
    pub(crate) frame_count: usize,
    pub(crate) frame_words: usize,
    pub(crate) names: usize,
    pub(crate) records: usize,
    pub(crate) registers: usize,
    pub(crate) scratch: usize,
    pub(crate) scratch_words: usize,
    pub(crate) output: usize,
    pub(crate) heap: usize,
    pub(crate) heap_words: usize,
}

impl Layout {
    /// Lays the parts out; the heap gets what the budget leaves.
    pub(crate) fn new(limits: &Limits, code: &CodeRef<'_>, frames: usize) -> Layout {
        // A program that keeps nothing from one event to the next is not given what it cannot use: a board has better uses for it.
        let budget = if keeps(code) { limits.memory as usize / 8 } else { 0 };
        // One bucket for each 64 words of budget: a small string takes 8.
        let buckets = (budget / 64).next_power_of_two().clamp(64, 1 << 16);
        let globals = control::WORDS;
        let consts = globals.saturating_add((code.globals as usize).saturating_mul(GLOBAL_WORDS));
        let attached = consts.saturating_add(code.consts.len().saturating_mul(2));
        let intern = attached.saturating_add(MAX_ATTACHED);
        let first = intern.saturating_add(buckets);
        let names = 2;
        let records = names + NAMES * NAME_WORDS;
        let registers = (limits.call_depth as usize)
            .saturating_mul(RECORD_WORDS)
            .saturating_add(records);
        let slots = (limits.stack_slots as usize).saturating_add(MARGIN);
        let scratch = registers.saturating_add(slots.saturating_mul(2));
        let scratch_words = (limits.scratch as usize).div_ceil(8);
        let output = scratch.saturating_add(scratch_words);
        let frame_words = output.saturating_add(MAX_RECORD.div_ceil(8));
        let heap = first.saturating_add(frame_words.saturating_mul(frames));
        Layout {
            globals,
            consts,
            attached,
            intern,
            intern_buckets: buckets,
            frames: first,
            frame_count: frames,
            frame_words,
            names,
            records,
            registers,
            scratch,
            scratch_words,
            output,
            heap,
            heap_words: budget.saturating_sub(heap).max(MIN_HEAP),
        }
    }

    /// Words of the whole region.
    pub(crate) fn words(&self) -> usize {
        self.heap.saturating_add(self.heap_words).saturating_add(PAD)
    }

    /// First word of a frame.
    #[inline(always)]
    pub(crate) fn frame(&self, index: usize) -> usize {
        self.frames.wrapping_add(self.frame_words.wrapping_mul(index))
    }
}

/// True if the program can hold on to what an event makes: in a table, in a variable of all handlers, in one of the functions around a handler.
fn keeps(code: &CodeRef<'_>) -> bool {
    code.code.iter().any(|word| match word.op() {
        Some(Op::GSet | Op::CellNew | Op::NewTable | Op::NewCounts) => true,
        Some(Op::CallBuiltin) => word.c() == Builtin::TableNew as u8,
        _ => false,
    })
}
