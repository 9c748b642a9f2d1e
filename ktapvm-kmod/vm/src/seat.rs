//! A seat: where a handler runs, and what it can do there without more than a few steps.
//!
//! In: a machine, a host, a frame that is entered. Out: the common case of each operation. Invariant: what is not done quickly is not begun; the
//! full way does it then. No string of a run's own is among the values here.

use core::sync::atomic::Ordering;

use ktap_bytecode::limits::COMM_LEN;

use crate::host::Host;
use crate::lock::{Busy, lock_word};
use crate::region::Region;
use crate::table::{self, Words};
use crate::value::{Tag, Value};
use crate::vm::Vm;

/// Where a handler runs.
pub(crate) struct Seat<'r, 'p, H: Host> {
    pub(crate) vm: &'r Vm<'p>,
    pub(crate) host: &'r H,
    /// The frame's number.
    pub(crate) number: usize,
    /// The frame's first word.
    pub(crate) frame: usize,
    /// Whose handler it is, or [`ktap_bytecode::record::MAIN_PROBE`].
    pub(crate) probe: u16,
}

impl<H: Host> Clone for Seat<'_, '_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for Seat<'_, '_, H> {}

impl<'p, H: Host> Seat<'_, 'p, H> {
    #[inline(always)]
    pub(crate) fn region(&self) -> &Region<'p> {
        &self.vm.objects.heap.region
    }

    /// `execname`, if the frame remembers it; else missed.
    #[inline(never)]
    pub(crate) fn known_execname(&self) -> Value {
        self.execname().unwrap_or(Value::MISSED)
    }

    /// `execname`, if the frame remembers it.
    #[inline(always)]
    pub(crate) fn execname(&self) -> Result<Value, Name> {
        let mut buffer = [0; COMM_LEN];
        let len = self.host.execname(&mut buffer).len();
        let (words, _) = buffer.as_chunks::<8>();
        let [first, second] = words else {
            return Err(Name::default());
        };
        let words = [u64::from_ne_bytes(*first), u64::from_ne_bytes(*second)];
        self.name(words).ok_or(Name { words, buffer, len })
    }

    /// A table's words, if nothing has to be brought into it first.
    #[inline(always)]
    fn settled(&self, t: Value) -> Option<Words<'p>> {
        let words = self.table(t)?;
        (words.shards().load(Ordering::SeqCst) >> 32 == 0).then_some(words)
    }

    #[inline(always)]
    fn table(&self, t: Value) -> Option<Words<'p>> {
        if t.is(Tag::Table) {
            Words::of(self.region(), t.handle())
        } else {
            None
        }
    }

    /// `t[key]`, if it is no aggregation and nobody is at the table; else missed.
    #[inline(never)]
    pub(crate) fn get(&self, t: Value, key: Value) -> Value {
        let Some(words) = self.settled(t) else {
            return Value::MISSED;
        };
        let region = self.region();
        let read = crate::lock::try_read(words.lock(), || match words.find(region, key) {
            Some(slot) => table::value_at(&self.vm.objects, slot),
            None => Value::NIL,
        });
        match read {
            Some(value) if !value.is(Tag::Stat) => value,
            _ => Value::MISSED,
        }
    }

    /// `t[key] = value`, if the key has an entry, dead or alive, and neither value is counted.
    #[inline(never)]
    pub(crate) fn set(&self, t: Value, key: Value, value: Value) -> bool {
        if !value.is_plain() {
            return false;
        }
        let Some(words) = self.settled(t) else {
            return false;
        };
        let Ok(_guard) = lock_word(words.lock(), self.host) else {
            return false;
        };
        let objects = &self.vm.objects;
        let Some(slot) = words.find(self.region(), key) else {
            return false;
        };
        let old = table::value_at(objects, slot);
        if old.is_counted() {
            return false;
        }
        table::overwrite(objects, slot, value);
        if old.is_nil() != value.is_nil() {
            table::count(objects, t.handle(), key, value.is_nil());
        }
        true
    }

    /// `t[key] += n`, if there is a number, in this frame's shard or in a plain table.
    #[inline(never)]
    pub(crate) fn add(&self, t: Value, key: Value, n: i64) -> bool {
        let Some(words) = self.table(t) else {
            return false;
        };
        if words.shards().load(Ordering::Relaxed) != 0 {
            return self.count(words, key, n);
        }
        let Ok(_guard) = lock_word(words.lock(), self.host) else {
            return false;
        };
        let Some([head, number]) = words.find(self.region(), key).and_then(|slot| self.region().slot(slot)) else {
            return false;
        };
        if head.load(Ordering::Relaxed) as u32 != Tag::Int as u32 {
            return false;
        }
        number.store(number.load(Ordering::Relaxed).wrapping_add(n as u64), Ordering::Relaxed);
        true
    }

    /// `t[key] <<< n`, if this frame's shard has an aggregation.
    #[inline(never)]
    pub(crate) fn aggregate(&self, t: Value, key: Value, n: i64) -> Result<bool, Busy> {
        match self.table(t) {
            Some(words) => self.aggregate_words(words, key, n),
            None => Ok(false),
        }
    }
}

/// A command name that is not remembered yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Name {
    pub(crate) words: [u64; 2],
    pub(crate) buffer: [u8; COMM_LEN],
    pub(crate) len: usize,
}
