//! Steady globals: those that nobody sets once main is over. A handler reads and adds to them without a lock.
//!
//! In: the program. Out: marks, one word for each global. Invariant: while a mark is 1 the global's kind does not change, and a number among them
//! changes by atomic additions alone; handlers begin after main has ended.

use core::sync::atomic::Ordering;

use ktap_bytecode::op::Op;

use crate::table;
use crate::value::{Tag, Value};
use crate::vm::Vm;

impl Vm<'_> {
    /// Main is over: globals that no other function sets are never set again.
    pub(crate) fn mark_steady(&self) {
        let (region, steady) = (self.objects.heap.region, self.objects.layout.steady);
        let globals = steady..steady.wrapping_add(self.code.globals as usize);
        globals.clone().for_each(|mark| region.set(mark, 2));
        // Functions lie one after another, main first.
        let main = self.code.functions.first();
        let main = main.map_or(0, |main| main.start.wrapping_add(main.len));
        for word in self.code.code.iter().skip(main as usize) {
            if word.op() == Some(Op::GSet) {
                region.set(steady.wrapping_add(word.d() as usize), 0);
            }
        }
        for mark in globals {
            if region.get(mark) == 2 {
                region.set(mark, 1);
            }
        }
    }

    /// The value of a global, if it is steady and no aggregation.
    #[inline(always)]
    pub(crate) fn steady(&self, global: u16) -> Option<Value> {
        let value = table::value_at(&self.objects, self.steady_slot(global)?);
        if value.is(Tag::Stat) { None } else { Some(value) }
    }

    /// Adds to a global as one step, if it is steady and a number.
    #[inline(always)]
    pub(crate) fn add_steady(&self, global: u16, n: i64) -> bool {
        let Some(slot) = self.steady_slot(global) else {
            return false;
        };
        let region = &self.objects.heap.region;
        if region.low(slot) != Tag::Int as u32 {
            return false;
        }
        let Some(number) = region.atomic(slot.wrapping_add(1)) else {
            return false;
        };
        number.fetch_add(n as u64, Ordering::Relaxed);
        true
    }

    #[inline(always)]
    fn steady_slot(&self, global: u16) -> Option<usize> {
        let layout = &self.objects.layout;
        // The verifier proves the index.
        let mark = layout.steady.wrapping_add(global as usize);
        if self.objects.heap.region.get(mark) != 1 {
            return None;
        }
        Some(layout.globals.wrapping_add((global as usize).wrapping_mul(2)))
    }
}
