//! The scratch arena: what a run makes for itself, gone when it ends.
//!
//! In: sizes. Out: words. Invariant: only register slots refer to the arena; when it is full, what no slot refers to is
//! squeezed out. So nothing may hold a temporary value across [`Run::take_scratch`] except in a slot.
//!
//! An item: a header word `words:32 new place:32` (the words include it), then its content.

use ktap_bytecode::trap::Trap;

use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::value::{Tag, Value};

impl<H: Host> Run<'_, '_, H> {
    /// Takes words of the scratch arena; returns the first.
    pub(crate) fn take_scratch(&mut self, words: usize) -> Ran<usize> {
        let words = words.saturating_add(1);
        let room = self.vm.objects.layout.scratch_words;
        if self.scratch_used.saturating_add(words) > room {
            self.squeeze()?;
            if self.scratch_used.saturating_add(words) > room {
                return Err(Stop::Trap(Trap::ScratchFull, self.vm.limits.scratch as i64));
            }
        }
        let at = self.scratch().wrapping_add(self.scratch_used);
        self.scratch_used = self.scratch_used.wrapping_add(words);
        self.region.set(at, words as u64);
        Ok(at.wrapping_add(1))
    }

    /// Moves what slots refer to together.
    fn squeeze(&mut self) -> Ran<()> {
        let (start, end) = (self.scratch(), self.scratch().wrapping_add(self.scratch_used));
        self.charge(self.scratch_used.saturating_add(self.live_slots()) / 8)?;
        for slot in 0..self.live_slots() {
            if let Some(item) = self.item_of(self.slot(slot)) {
                self.region.set_high(item, 1);
            }
        }
        let mut to = start;
        self.each_item(start, end, |run, item, words| {
            if run.region.high(item) != 0 {
                run.region.set_high(item, to as u32);
                to = to.wrapping_add(words);
            }
        });
        for slot in 0..self.live_slots() {
            let value = self.slot(slot);
            if let Some(item) = self.item_of(value) {
                let payload = (self.region.high(item) as u64).wrapping_add(1);
                self.set_slot(slot, Value::from_words(value.head(), payload));
            }
        }
        self.each_item(start, end, |run, item, words| {
            let to = run.region.high(item) as usize;
            if to == 0 {
                return;
            }
            run.region.set(to, words as u64);
            for i in 1..words {
                run.region.set(to.wrapping_add(i), run.region.get(item.wrapping_add(i)));
            }
        });
        self.scratch_used = to.wrapping_sub(start);
        Ok(())
    }

    /// Goes through the items; the header of one is read before it is given, so that it may be overwritten.
    fn each_item(&self, start: usize, end: usize, mut each: impl FnMut(&Self, usize, usize)) {
        let mut item = start;
        while item < end {
            let words = (self.region.low(item) as usize).max(1);
            each(self, item, words);
            item = item.wrapping_add(words);
        }
    }

    /// The header of the item a value refers to.
    fn item_of(&self, value: Value) -> Option<usize> {
        let item = (value.payload as usize).wrapping_sub(1);
        let inside = item.wrapping_sub(self.scratch()) < self.scratch_used;
        ((value.is(Tag::Temp) || value.is(Tag::Snapshot)) && inside).then_some(item)
    }
}
