//! Safe points: where a long run lets go of the garbage it made.
//!
//! In: a run between two ops. Out: freed memory. Invariant: at a safe point all that a run can reach is in its register
//! slots, its call records and what these refer to; so it may pass for one that ended and began anew holding just these.

use crate::host::Host;
use crate::layout::control;
use crate::lock::lock;
use crate::run::{Ran, Run};
use crate::string;
use crate::value::Value;

/// Waiting objects that are not worth a safe point.
const FEW: u64 = 256;
/// An object waits through three epochs at most.
const EPOCHS: usize = 3;

impl<H: Host> Run<'_, '_, H> {
    /// Passes a safe point if there is enough garbage.
    #[inline(always)]
    pub(crate) fn safe_point(&mut self) -> Ran<()> {
        let waiting = self.region.get(control::WAITING_COUNT);
        if waiting > 0 {
            self.consider(waiting)?;
        }
        Ok(())
    }

    fn consider(&mut self, waiting: u64) -> Ran<()> {
        if self.used_mark == 0 {
            self.waiting_mark = FEW;
            self.used_mark = self.objects().layout.heap_words as u64 / 2;
        }
        if waiting > self.waiting_mark || self.region.get(control::HEAP_USED) > self.used_mark {
            self.pass_safe_point()?;
        }
        Ok(())
    }

    #[cold]
    fn pass_safe_point(&mut self) -> Ran<()> {
        if self.host.in_nmi() {
            return Ok(());
        }
        self.charge(self.live_slots())?;
        for _ in 0..EPOCHS {
            let _guard = lock(&self.region, string::LOCK, self.host)?;
            for slot in 0..self.live_slots() {
                self.keep(self.slot(slot));
            }
            for depth in 0..self.depth {
                self.keep_closure(self.region.low(self.record_word(depth).wrapping_add(1)));
            }
            self.keep_closure(self.closure);
            self.objects().stay(self.frame_number);
            drop(_guard);
            self.sweep()?;
        }
        let heap = self.objects().layout.heap_words as u64;
        let used = self.region.get(control::HEAP_USED);
        self.waiting_mark = self
            .region
            .get(control::WAITING_COUNT)
            .saturating_mul(2)
            .saturating_add(FEW);
        self.used_mark = used.saturating_add(heap.saturating_sub(used) / 4).max(heap / 2);
        Ok(())
    }

    /// Frees what waits, the lock given back between steps.
    fn sweep(&mut self) -> Ran<()> {
        for _ in 0..self.region.get(control::HEAP_USED) {
            let _guard = lock(&self.region, string::LOCK, self.host)?;
            let epoch = self.region.get(control::EPOCH);
            if !self.objects().collect() || self.region.get(control::EPOCH) != epoch {
                break;
            }
        }
        Ok(())
    }

    fn keep(&self, value: Value) {
        if value.is_counted() && self.objects().heap.is_object(value.handle()) {
            self.objects().touch(value.handle());
        }
    }

    fn keep_closure(&self, closure: u32) {
        if closure != 0 {
            self.objects().touch(closure);
        }
    }

    /// Slots that hold something: all windows, and what "up to top" stands for.
    pub(crate) fn live_slots(&self) -> usize {
        self.base.wrapping_add(self.regs).max(self.top).min(self.slots())
    }
}
