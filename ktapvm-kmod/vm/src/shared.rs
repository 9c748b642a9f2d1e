//! What a run does to data it shares with others: tables, globals, cells, and the objects it makes.
//!
//! In: values of any life. Out: values; shared data only ever holds retained ones. Invariant: an update is one step under the
//! lock, and a lock is given back whatever happens.

use core::sync::atomic::Ordering;

use ktap_bytecode::trap::Trap;

use crate::heap::{Block, NoMemory};
use crate::host::Host;
use crate::layout::{GLOBAL_WORDS, control};
use crate::lock::{lock, lock_word, read, read_word};
use crate::object::Objects;
use crate::run::{Ran, Run, Stop};
use crate::stat::{self, Aggregate};
use crate::table::Words;
use crate::value::{Tag, Value};
use crate::{closure, counts, string, table};

/// How often a full heap is asked again after freeing a step of garbage.
const RETRIES: usize = 1 << 12;

/// A shared value as seen in one moment, with the numbers of an aggregation.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) value: Value,
    pub(crate) aggregate: Aggregate,
}

/// Looks at a shared value. Under its lock, or watched.
pub(crate) fn see(objects: &Objects<'_>, value: Value) -> Seen {
    let aggregate = if value.is(Tag::Stat) {
        stat::load(
            &objects.heap.region,
            (value.handle() as usize).wrapping_add(stat::HEADER),
        )
    } else {
        [0; stat::WORDS]
    };
    Seen { value, aggregate }
}

impl<'p, H: Host> Run<'_, 'p, H> {
    pub(crate) fn objects(&self) -> &Objects<'p> {
        &self.vm.objects
    }

    /// Does something on the heap, freeing garbage as long as it finds no memory.
    pub(crate) fn on_heap<T>(&self, work: impl Fn(&Objects<'p>) -> Result<T, NoMemory>) -> Ran<T> {
        for _ in 0..RETRIES {
            let _guard = lock(&self.region, string::LOCK, self.host)?;
            match work(self.objects()) {
                Ok(done) => return Ok(done),
                Err(NoMemory) => {
                    if !self.objects().collect() {
                        break;
                    }
                }
            }
        }
        Err(self.no_memory(NoMemory))
    }

    /// Turns a value into one that shared data may hold.
    #[inline(always)]
    pub(crate) fn retained(&self, value: Value) -> Ran<Value> {
        if !value.is(Tag::Temp) && !value.is(Tag::Snapshot) {
            return Ok(value);
        }
        self.retained_anew(value)
    }

    #[inline(never)]
    fn retained_anew(&self, value: Value) -> Ran<Value> {
        if value.is(Tag::Temp) {
            let at = string::body(value);
            let handle = self.on_heap(|objects| string::intern(objects, at))?;
            return Ok(string::value(self.objects(), handle));
        }
        let aggregate = stat::load(&self.region, value.payload as usize);
        self.new_stat(&aggregate)
    }

    pub(crate) fn new_stat(&self, aggregate: &Aggregate) -> Ran<Value> {
        let handle = self.on_heap(|objects| {
            let handle = objects
                .heap
                .alloc(Block::Stat, stat::HEADER.wrapping_add(stat::WORDS))?;
            stat::save(
                &objects.heap.region,
                (handle as usize).wrapping_add(stat::HEADER),
                aggregate,
            );
            objects.created(handle);
            Ok(handle)
        })?;
        Ok(Value::new(Tag::Stat, 0, handle as u64))
    }

    /// Turns what was seen in shared data into a value for a register.
    pub(crate) fn taken(&mut self, seen: Seen) -> Ran<Value> {
        if seen.value.is(Tag::Stat) {
            self.snapshot(&seen.aggregate)
        } else {
            Ok(seen.value)
        }
    }

    /// The key to look for: nothing if no table can have it.
    #[inline(always)]
    fn known_key(&self, key: Value) -> Ran<Option<Value>> {
        if !key.is(Tag::Temp) {
            return Ok(Some(key));
        }
        self.known_text(key)
    }

    #[inline(never)]
    fn known_text(&self, key: Value) -> Ran<Option<Value>> {
        let at = string::body(key);
        let hash = string::hash(&self.region, at);
        let objects = self.objects();
        let found = read(&self.region, string::LOCK, self.host, || {
            string::find(objects, at, hash)
        })?;
        match found {
            None => Ok(None),
            // Nothing on the heap refers to it now: make sure it stays while this run may use it.
            Some(handle) if self.region.high(handle as usize) == 0 => self.retained(key).map(Some),
            Some(handle) => Ok(Some(string::value(objects, handle))),
        }
    }

    /// The handle and the words of a table to be indexed.
    #[inline(always)]
    fn table_of(&self, value: Value) -> Ran<(u32, Words<'p>)> {
        if value.is(Tag::Table)
            && let Some(words) = Words::of(&self.region, value.handle())
        {
            return Ok((value.handle(), words));
        }
        Err(Trap::IndexType.into())
    }

    /// Traps for keys no table can have.
    #[inline(always)]
    fn check_key(&self, key: Value) -> Ran<()> {
        const NEVER: u64 =
            1 << Tag::Nil as u64 | 1 << Tag::Snapshot as u64 | 1 << Tag::Event as u64 | 1 << Tag::Cell as u64;
        if NEVER >> (key.tag() & 63) & 1 == 0 {
            return Ok(());
        }
        Err(if key.is_nil() { Trap::NilKey } else { Trap::IndexType }.into())
    }

    /// `t[key]`.
    pub(crate) fn table_get(&mut self, t: Value, key: Value) -> Ran<Value> {
        let (t, words) = self.table_of(t)?;
        self.settle(t)?;
        let Some(key) = self.known_key(key)? else {
            return Ok(Value::NIL);
        };
        let objects = self.objects();
        let seen = read_word(words.lock(), self.host, || {
            see(
                objects,
                words
                    .find(&self.region, key)
                    .map_or(Value::NIL, |slot| table::value_at(objects, slot)),
            )
        })?;
        self.taken(seen)
    }

    /// `t[key] = value`.
    pub(crate) fn table_set(&mut self, t: Value, key: Value, value: Value) -> Ran<()> {
        let (t, words) = self.table_of(t)?;
        self.check_key(key)?;
        self.settle(t)?;
        let set = self.retained_pair(key, value).and_then(|(key, value)| {
            let _guard = lock_word(words.lock(), self.host)?;
            self.store(t, key, value)
        });
        self.update_done(set)
    }

    #[inline(always)]
    fn retained_pair(&self, key: Value, value: Value) -> Ran<(Value, Value)> {
        Ok((self.retained(key)?, self.retained(value)?))
    }

    /// Sets an entry; the table's lock is held. Returns how many entries moved.
    #[inline(always)]
    fn store(&self, t: u32, key: Value, value: Value) -> Ran<usize> {
        let objects = self.objects();
        if let Some(slot) = table::find(objects, t, key) {
            let old = table::value_at(objects, slot);
            if !old.is_counted() && !value.is_counted() {
                table::overwrite(objects, slot, value);
                if old.is_nil() != value.is_nil() {
                    table::count(objects, t, key, value.is_nil());
                }
                return Ok(0);
            }
        }
        self.store_on_heap(t, key, value)
    }

    #[inline(never)]
    fn store_on_heap(&self, t: u32, key: Value, value: Value) -> Ran<usize> {
        self.on_heap(|objects| table::store(objects, t, key, value))
    }

    /// Pays for an update; in a handler one that found no memory is dropped and counted.
    fn update_done(&mut self, updated: Ran<usize>) -> Ran<()> {
        match updated {
            Ok(0) => Ok(()),
            Ok(moved) => self.charge(moved),
            Err(Stop::Trap(Trap::OutOfMemory, _)) if self.is_handler() => {
                self.vm.count(control::TABLE_DROPS);
                Ok(())
            }
            Err(stop) => Err(stop),
        }
    }

    /// `t[key] += n` as one step.
    #[inline(always)]
    pub(crate) fn table_add(&mut self, t: Value, key: Value, n: Value) -> Ran<()> {
        if let Some(n) = n.as_int()
            && !key.is(Tag::Temp)
            && self.seat().add(t, key, n)
        {
            return Ok(());
        }
        self.add_in_general(t, key, n)
    }

    #[inline(never)]
    fn add_in_general(&mut self, t: Value, key: Value, n: Value) -> Ran<()> {
        let (t, words) = self.table_of(t)?;
        self.check_key(key)?;
        let n = n.as_int().ok_or(Trap::AddOperand)?;
        let added = self.update_key(key).and_then(|key| {
            // A key of the run's own is known only now.
            if words.shards().load(Ordering::Relaxed) != 0 && self.seat().count(words, key, n) {
                return Ok(0);
            }
            let moved = {
                let _guard = lock_word(words.lock(), self.host)?;
                self.add_to(t, key, n)?
            };
            if n > 0 {
                self.share(words, key, Tag::Int);
            }
            Ok(moved)
        });
        self.update_done(added)
    }

    /// Adds to an entry; the table's lock is held. Returns how many entries moved.
    #[inline(always)]
    pub(crate) fn add_to(&self, t: u32, key: Value, n: i64) -> Ran<usize> {
        let objects = self.objects();
        let slot = table::find(objects, t, key);
        let old = slot.map_or(Value::NIL, |slot| table::value_at(objects, slot));
        if let (Some(slot), Some(number)) = (slot, old.as_int()) {
            table::overwrite(objects, slot, Value::int(number.wrapping_add(n)));
            return Ok(0);
        }
        if !old.is_nil() {
            return Err(Trap::AddType.into());
        }
        self.store(t, key, Value::int(n))
    }

    /// The key of an update: the retained string itself if there is one, without taking the heap's lock.
    fn update_key(&self, key: Value) -> Ran<Value> {
        match self.known_key(key)? {
            Some(key) => Ok(key),
            None => self.retained(key),
        }
    }

    /// `t[key] <<< n` as one step.
    pub(crate) fn table_aggregate(&mut self, t: Value, key: Value, n: Value) -> Ran<()> {
        let (t, words) = self.table_of(t)?;
        self.check_key(key)?;
        let n = n.as_int().ok_or(Trap::AggregateType)?;
        let added = self.update_key(key).and_then(|key| {
            if self.seat().aggregate_words(words, key, n)? {
                return Ok(0);
            }
            let moved = {
                let _guard = lock_word(words.lock(), self.host)?;
                self.merge_into(t, key, &stat::add(&[0; stat::WORDS], n))?
            };
            self.share(words, key, Tag::Stat);
            Ok(moved)
        });
        self.update_done(added)
    }

    /// Adds an aggregation to an entry; the table's lock is held. Returns how many entries moved.
    pub(crate) fn merge_into(&self, t: u32, key: Value, more: &Aggregate) -> Ran<usize> {
        let objects = self.objects();
        let old = table::find(objects, t, key).map_or(Value::NIL, |slot| table::value_at(objects, slot));
        if old.is(Tag::Stat) {
            let at = (old.handle() as usize).wrapping_add(stat::HEADER);
            stat::save(&self.region, at, &stat::merge(&stat::load(&self.region, at), more));
            return Ok(0);
        }
        if !old.is_nil() {
            return Err(Trap::AggregateType.into());
        }
        let first = self.new_stat(more)?;
        self.store(t, key, first)
    }

    /// The entry after a cursor: the new cursor, the key, the value.
    pub(crate) fn table_next(&mut self, t: Value, cursor: Value) -> Ran<Option<(Value, Value, Value)>> {
        let (t, _) = self.table_of(t)?;
        match self.entry_after(t, cursor)? {
            None => Ok(None),
            Some((cursor, key, seen)) => Ok(Some((cursor, key, self.taken(seen)?))),
        }
    }

    /// The entry after a cursor, its value as seen.
    ///
    /// What others add while a run goes through a table may be seen or not; what the run itself adds is.
    pub(crate) fn entry_after(&self, t: u32, cursor: Value) -> Ran<Option<(Value, Value, Seen)>> {
        if cursor.is_nil() {
            self.settle(t)?;
        } else {
            self.settle_own(t)?;
        }
        let objects = self.objects();
        Ok(read(&self.region, table::lock_word(t), self.host, || {
            table::next(objects, t, cursor).map(|(cursor, key, value)| (cursor, key, see(objects, value)))
        })?)
    }

    /// Entries of a table.
    pub(crate) fn table_len(&self, t: u32) -> Ran<usize> {
        self.settle(t)?;
        Ok(read(&self.region, table::lock_word(t), self.host, || {
            table::len(self.objects(), t)
        })?)
    }

    /// Removes all entries of a table.
    pub(crate) fn table_clear(&self, t: Value) -> Ran<()> {
        let (t, words) = self.table_of(t)?;
        self.settle(t)?;
        let _guard = lock_word(words.lock(), self.host)?;
        self.on_heap(|objects| {
            table::clear(objects, t);
            Ok(())
        })
    }

    /// A new table with room reserved.
    pub(crate) fn new_table(&self, list: usize, keyed: usize) -> Ran<Value> {
        let handle = self.on_heap(|objects| table::create(objects, list, keyed))?;
        Ok(Value::new(Tag::Table, 0, handle as u64))
    }

    /// A new table that handlers only add to.
    pub(crate) fn new_counts(&self, list: usize, keyed: usize) -> Ran<Value> {
        let handle = self.on_heap(|objects| counts::create(objects, list, keyed))?;
        Ok(Value::new(Tag::Table, 0, handle as u64))
    }

    /// A new cell.
    pub(crate) fn new_cell(&self, value: Value) -> Ran<Value> {
        let value = self.retained(value)?;
        let handle = self.on_heap(|objects| closure::create_cell(objects, value))?;
        Ok(Value::new(Tag::Cell, 0, handle as u64))
    }

    /// The value of a variable: a global or a cell.
    #[inline(never)]
    pub(crate) fn variable(&mut self, slot: usize) -> Ran<Value> {
        let objects = self.objects();
        let seen = read(&self.region, control::GLOBALS_LOCK, self.host, || {
            see(objects, table::value_at(objects, slot))
        })?;
        self.taken(seen)
    }

    /// Sets a variable.
    pub(crate) fn set_variable(&mut self, slot: usize, value: Value) -> Ran<()> {
        let value = self.retained(value)?;
        let objects = self.objects();
        let _guard = lock(&self.region, control::GLOBALS_LOCK, self.host)?;
        let old = table::value_at(objects, slot);
        if old.is_counted() || value.is_counted() {
            return self.on_heap(|objects| {
                objects.retain(value);
                table::overwrite(objects, slot, value);
                objects.release(old);
                Ok(())
            });
        }
        table::overwrite(objects, slot, value);
        Ok(())
    }

    /// Adds to a variable as one step.
    #[inline(never)]
    pub(crate) fn add_variable(&mut self, slot: usize, n: Value) -> Ran<()> {
        let n = n.as_int().ok_or(Trap::AddOperand)?;
        let objects = self.objects();
        let _guard = lock(&self.region, control::GLOBALS_LOCK, self.host)?;
        let old = table::value_at(objects, slot);
        let number = if old.is_nil() {
            0
        } else {
            old.as_int().ok_or(Trap::AddType)?
        };
        table::overwrite(objects, slot, Value::int(number.wrapping_add(n)));
        Ok(())
    }

    /// The value of a global.
    #[inline(always)]
    pub(crate) fn global(&mut self, global: u16) -> Ran<Value> {
        match self.vm.steady(global) {
            Some(value) => Ok(value),
            None => self.variable(self.global_slot(global)),
        }
    }

    /// Adds to a global as one step.
    #[inline(always)]
    pub(crate) fn add_global(&mut self, global: u16, n: Value) -> Ran<()> {
        match n.as_int() {
            Some(n) if self.vm.add_steady(global, n) => Ok(()),
            _ => self.add_variable(self.global_slot(global), n),
        }
    }

    /// The variable's place of a global.
    pub(crate) fn global_slot(&self, global: u16) -> usize {
        // The verifier proves the index; a wrong one must only not name a lock.
        let global = if global < self.vm.code.globals { global } else { 0 };
        self.objects()
            .layout
            .globals
            .wrapping_add((global as usize).wrapping_mul(GLOBAL_WORDS))
    }

    /// The variable's place of a cell.
    pub(crate) fn cell_slot(&self, cell: Value) -> Ran<usize> {
        if self.objects().heap.is(cell.handle(), Block::Cell) && cell.is(Tag::Cell) {
            Ok(closure::cell_slot(cell.handle()))
        } else {
            Err(Trap::IndexType.into())
        }
    }

    /// The variable's place of an upvalue.
    pub(crate) fn upvalue_slot(&self, upvalue: u8) -> Ran<usize> {
        self.cell_slot(self.upvalue(upvalue))
    }

    /// The cell of an upvalue.
    pub(crate) fn upvalue(&self, upvalue: u8) -> Value {
        if self.closure == 0 {
            Value::NIL
        } else {
            closure::cell_value(self.objects(), self.closure, upvalue as usize)
        }
    }
}
