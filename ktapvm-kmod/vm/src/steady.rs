//! Steady globals: those that nobody sets once main is over. A handler reads and adds to them without a lock.
//!
//! In: the program. Out: a mark with each global. Invariant: while a mark is `STEADY` the global's kind does not change, and a number among them
//! changes by atomic additions alone; handlers begin after main has ended.

use core::sync::atomic::Ordering;

use ktap_bytecode::op::Op;

use crate::value::{Tag, Value};
use crate::vm::Vm;

/// The mark of a steady global.
const STEADY: u64 = 1;
/// It may be one: the program is being looked through.
const MAYBE: u64 = 2;

impl Vm<'_> {
    /// Main is over: globals that no other function sets are never set again.
    pub(crate) fn mark_steady(&self) {
        let mark = |global: usize, mark| {
            if let Some([_, _, word, _]) = self.globals.get(global) {
                word.store(mark, Ordering::Relaxed);
            }
        };
        (0..self.globals.len()).for_each(|global| mark(global, MAYBE));
        // Functions lie one after another, main first.
        let main = self.code.functions.first();
        let main = main.map_or(0, |main| main.start.wrapping_add(main.len));
        for word in self.code.code.iter().skip(main as usize) {
            if word.op() == Some(Op::GSet) {
                mark(word.d() as usize, 0);
            }
        }
        for [_, _, word, _] in self.globals {
            if word.load(Ordering::Relaxed) == MAYBE {
                word.store(STEADY, Ordering::Relaxed);
            }
        }
    }

    /// The value of a global, if it is steady and no aggregation.
    #[inline(always)]
    pub(crate) fn steady(&self, global: u16) -> Option<Value> {
        let [head, payload, mark, _] = self.globals.get(global as usize)?;
        let value = Value::from_words(head.load(Ordering::Relaxed), payload.load(Ordering::Relaxed));
        if mark.load(Ordering::Relaxed) == STEADY && !value.is(Tag::Stat) {
            Some(value)
        } else {
            None
        }
    }

    /// Adds to a global as one step, if it is steady and a number.
    #[inline(always)]
    pub(crate) fn add_steady(&self, global: u16, n: i64) -> bool {
        let Some([head, payload, mark, _]) = self.globals.get(global as usize) else {
            return false;
        };
        if mark.load(Ordering::Relaxed) != STEADY || head.load(Ordering::Relaxed) as u32 != Tag::Int as u32 {
            return false;
        }
        payload.fetch_add(n as u64, Ordering::Relaxed);
        true
    }
}
