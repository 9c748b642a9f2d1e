//! Tables: a list part for the keys 1, 2, .. and a keyed part that keeps the order of insertion.
//!
//! In: canonical keys (retained strings, never nil). Out: slots and values. Invariant: writers hold the table's lock and the
//! heap's; a reader without them sees what it sees, ends, and stays inside the region.
//!
//! Table, 8 words: header, link, lock, `list part:32 room:32`, `entries in list:32 in keyed:32`, `keyed part:32 nodes used:32`,
//! `next sequence number:32`, `shards' part:32 state:32` (see [`crate::counts`]). The list part is a block of values behind its header; the keyed part is laid out in
//! [`crate::keyed`].

use core::sync::atomic::{AtomicU64, Ordering};

use crate::heap::{Block, NoMemory};
use crate::keyed::{self, Keyed};
use crate::object::Objects;
use crate::region::Region;
use crate::stat;
use crate::value::{Tag, Value};

/// Words of a table.
const WORDS: usize = 8;
const LOCK: usize = 2;
const LIST: usize = 3;
const COUNTS: usize = 4;
const KEYED: usize = 5;
const SEQUENCE: usize = 6;
const SHARDS: usize = 7;

/// The words of a table.
#[derive(Clone, Copy)]
pub(crate) struct Words<'p> {
    words: &'p [AtomicU64; WORDS],
}

impl<'p> Words<'p> {
    /// The words of a handle that may be a table's; nothing if it is none.
    #[inline(always)]
    pub(crate) fn of(region: &Region<'p>, handle: u32) -> Option<Words<'p>> {
        let words = region.words::<WORDS>(handle as usize)?;
        if words[0].load(Ordering::Relaxed) as u8 == Block::Table as u8 {
            Some(Words { words })
        } else {
            None
        }
    }

    /// The lock.
    #[inline(always)]
    pub(crate) fn lock(self) -> &'p AtomicU64 {
        &self.words[LOCK]
    }

    /// The shards' part and their state.
    #[inline(always)]
    pub(crate) fn shards(self) -> &'p AtomicU64 {
        &self.words[SHARDS]
    }

    /// The word where the value of `key` is.
    #[inline(always)]
    pub(crate) fn find(self, region: &Region<'p>, key: Value) -> Option<usize> {
        if key.is(Tag::Int) {
            let list = self.words[LIST].load(Ordering::Relaxed);
            let index = key.payload.wrapping_sub(1);
            if index < list >> 32 {
                return Some(list_slot(list as u32, index as usize));
            }
        }
        keyed::find(region, self.words[KEYED].load(Ordering::Relaxed), key)
    }
}

/// Makes an empty table that nobody counts: what it is part of frees it. Under the heap lock.
pub(crate) fn create_hidden(objects: &Objects<'_>) -> Result<u32, NoMemory> {
    let region = &objects.heap.region;
    let handle = objects.heap.alloc(Block::Table, WORDS)?;
    for i in 2..WORDS {
        region.set((handle as usize).wrapping_add(i), 0);
    }
    region.set(field(handle, SEQUENCE), 1);
    Ok(handle)
}

/// Makes an empty table with room reserved. Under the heap lock.
pub(crate) fn create(objects: &Objects<'_>, list: usize, nodes: usize) -> Result<u32, NoMemory> {
    let region = &objects.heap.region;
    let handle = create_hidden(objects)?;
    objects.created(handle);
    if list > 0 {
        grow_list(objects, handle, list)?;
    }
    if nodes > 0 {
        let part = keyed::create(objects, nodes)?;
        region.set_low(field(handle, KEYED), part);
    }
    Ok(handle)
}

/// Makes the list part cover the keys up to `room`. Under the table's lock and the heap's.
pub(crate) fn reserve(objects: &Objects<'_>, table: u32, room: usize) -> Result<(), NoMemory> {
    if (objects.heap.region.high(field(table, LIST)) as usize) < room {
        grow_list(objects, table, room)?;
    }
    Ok(())
}

/// The word of a table's lock.
pub(crate) fn lock_word(handle: u32) -> usize {
    field(handle, LOCK)
}

/// Entries of a table.
pub(crate) fn len(objects: &Objects<'_>, table: u32) -> usize {
    let counts = objects.heap.region.get(field(table, COUNTS));
    (counts as u32 as usize).saturating_add((counts >> 32) as usize)
}

/// The word where the value of `key` is.
#[inline]
pub(crate) fn find(objects: &Objects<'_>, table: u32, key: Value) -> Option<usize> {
    let words = objects.heap.region.words::<WORDS>(table as usize)?;
    Words { words }.find(&objects.heap.region, key)
}

/// The value at a slot.
#[inline(always)]
pub(crate) fn value_at(objects: &Objects<'_>, slot: usize) -> Value {
    let (head, payload) = objects.heap.region.pair(slot);
    Value::from_words(head, payload)
}

/// Overwrites the value at a slot that holds no reference by one that is none.
#[inline]
pub(crate) fn overwrite(objects: &Objects<'_>, slot: usize, value: Value) {
    objects.heap.region.set_pair(slot, (value.head(), value.payload));
}

/// Sets `key` to `value`, nil removes it; returns how many entries had to be moved.
pub(crate) fn store(objects: &Objects<'_>, table: u32, key: Value, value: Value) -> Result<usize, NoMemory> {
    let mut moved = 0;
    let slot = match find(objects, table, key) {
        Some(slot) => slot,
        None if value.is_nil() => return Ok(0),
        None => insert(objects, table, key, &mut moved)?,
    };
    let old = value_at(objects, slot);
    objects.retain(value);
    overwrite(objects, slot, value);
    objects.release(old);
    if old.is_nil() != value.is_nil() {
        count(objects, table, key, value.is_nil());
    }
    Ok(moved)
}

/// Removes all entries.
pub(crate) fn clear(objects: &Objects<'_>, table: u32) {
    let region = &objects.heap.region;
    match create(objects, 0, 0) {
        // The parts go to a table nobody knows; it is taken apart bit by bit.
        Ok(corpse) => {
            for i in [LIST, COUNTS, KEYED] {
                region.set(field(corpse, i), region.get(field(table, i)));
                region.set(field(table, i), 0);
            }
        }
        Err(NoMemory) => while !take_parts(objects, table, usize::MAX) {},
    }
    region.set(field(table, COUNTS), 0);
}

/// Takes a dead table apart, at most `step` entries; true when none is left and all its parts are freed.
pub(crate) fn take_apart(objects: &Objects<'_>, table: u32, step: usize) -> bool {
    take_parts(objects, table, step) && crate::counts::take_apart(objects, table, step)
}

/// Takes at most `step` entries away without further ado; true when none is left and the list and the keyed part are freed.
pub(crate) fn take_parts(objects: &Objects<'_>, table: u32, step: usize) -> bool {
    let region = &objects.heap.region;
    let list = region.get(field(table, LIST));
    let mut room = (list >> 32) as usize;
    let mut steps = step;
    while room > 0 && steps > 0 {
        room = room.wrapping_sub(1);
        steps = steps.wrapping_sub(1);
        objects.release(value_at(objects, list_slot(list as u32, room)));
    }
    region.set_high(field(table, LIST), room as u32);
    let nodes = keyed_part(objects, table);
    let mut used = nodes.used;
    while used > 0 && steps > 0 {
        used = used.wrapping_sub(1);
        steps = steps.wrapping_sub(1);
        objects.release(nodes.key(used));
        objects.release(value_at(objects, nodes.slot(used)));
    }
    region.set_high(field(table, KEYED), used as u32);
    if room > 0 || used > 0 {
        return false;
    }
    for part in [LIST, KEYED] {
        let handle = region.low(field(table, part));
        if handle != 0 {
            objects.heap.free(handle);
            region.set(field(table, part), 0);
        }
    }
    true
}

/// One step of `pairs`: the entry after the cursor and the cursor that stands on it, or nothing at the end.
pub(crate) fn next(objects: &Objects<'_>, table: u32, cursor: Value) -> Option<(Value, Value, Value)> {
    let region = &objects.heap.region;
    let nodes = keyed_part(objects, table);
    let mut at = if cursor.is(Tag::Cursor) && cursor.aux() == 1 {
        nodes.after(cursor.payload as u32, (cursor.payload >> 32) as usize)
    } else {
        let list = region.get(field(table, LIST));
        let room = ((list >> 32) as usize).min(region.len());
        let first = if cursor.is(Tag::Cursor) {
            cursor.payload as usize
        } else {
            0
        };
        for index in first..room {
            let value = value_at(objects, list_slot(list as u32, index));
            if !value.is_nil() {
                let key = (index as u64).wrapping_add(1);
                return Some((Value::new(Tag::Cursor, 0, key), Value::int(key as i64), value));
            }
        }
        0
    };
    while at < nodes.used {
        let value = value_at(objects, nodes.slot(at));
        if !value.is_nil() {
            let place = nodes.sequence(at) as u64 | (at as u64) << 32;
            return Some((Value::new(Tag::Cursor, 1, place), nodes.key(at), value));
        }
        at = at.wrapping_add(1);
    }
    None
}

/// The word of a table's shards.
pub(crate) fn shards_word(handle: u32) -> usize {
    field(handle, SHARDS)
}

/// What changes when entries change their places.
pub(crate) fn shape(objects: &Objects<'_>, table: u32) -> (u64, u32) {
    let region = &objects.heap.region;
    (region.get(field(table, LIST)), region.low(field(table, KEYED)))
}

/// True if the next new key may have to grow the keyed part.
pub(crate) fn is_full(objects: &Objects<'_>, table: u32) -> bool {
    let nodes = keyed_part(objects, table);
    nodes.used >= nodes.room()
}

/// Removes the keyed entries of a shard that have nothing. Under its lock and the heap's.
pub(crate) fn drop_drained(objects: &Objects<'_>, table: u32) {
    let region = &objects.heap.region;
    let nodes = keyed_part(objects, table);
    for at in 0..nodes.used {
        let value = value_at(objects, nodes.slot(at));
        let drained = if value.is(Tag::Stat) {
            region.get((value.handle() as usize).wrapping_add(stat::HEADER)) == 0
        } else {
            value.is(Tag::Int) && value.payload == 0
        };
        if drained {
            overwrite(objects, nodes.slot(at), Value::NIL);
            objects.release(value);
            let counts = field(table, COUNTS);
            region.set_high(counts, region.high(counts).wrapping_sub(1));
        }
    }
}

fn field(table: u32, word: usize) -> usize {
    (table as usize).wrapping_add(word)
}

fn list_slot(part: u32, index: usize) -> usize {
    (part as usize).wrapping_add(1).wrapping_add(index.wrapping_mul(2))
}

#[inline]
fn keyed_part<'p>(objects: &Objects<'p>, table: u32) -> Keyed<'p> {
    let word = objects.heap.region.get(field(table, KEYED));
    Keyed::new(objects, word as u32, (word >> 32) as usize)
}

/// Counts an entry that came or went. Under the table's lock.
#[inline(always)]
pub(crate) fn count(objects: &Objects<'_>, table: u32, key: Value, less: bool) {
    let region = &objects.heap.region;
    let at = field(table, COUNTS);
    let in_list = key.is(Tag::Int) && key.payload.wrapping_sub(1) < region.high(field(table, LIST)) as u64;
    let change = if less { u32::MAX } else { 1 };
    if in_list {
        region.set_low(at, region.low(at).wrapping_add(change));
    } else {
        region.set_high(at, region.high(at).wrapping_add(change));
    }
}

/// Makes a slot for a key that has none.
fn insert(objects: &Objects<'_>, table: u32, key: Value, moved: &mut usize) -> Result<usize, NoMemory> {
    let region = &objects.heap.region;
    let room = region.high(field(table, LIST)) as usize;
    // The list grows by its end only, and only while it is at least half full: a queue must not drag an empty list along.
    let half_full = region.low(field(table, COUNTS)) as usize >= room / 2;
    if key.is(Tag::Int) && key.payload == (room as u64).wrapping_add(1) && half_full {
        *moved = moved.saturating_add(grow_list(objects, table, room.wrapping_add(1))?);
        let part = region.low(field(table, LIST));
        return Ok(list_slot(part, room));
    }
    let mut nodes = keyed_part(objects, table);
    if nodes.used >= nodes.room() {
        *moved = moved.saturating_add(nodes.used);
        nodes = rehash(objects, table, &nodes)?;
    }
    let sequence = region.low(field(table, SEQUENCE));
    region.set_low(field(table, SEQUENCE), sequence.wrapping_add(1));
    let slot = nodes.push(key, Value::NIL, sequence);
    objects.retain(key);
    region.set_high(field(table, KEYED), nodes.used as u32);
    Ok(slot)
}

/// Makes room for at least `room` list entries and takes those keys over from the keyed part.
fn grow_list(objects: &Objects<'_>, table: u32, room: usize) -> Result<usize, NoMemory> {
    let region = &objects.heap.region;
    let old = region.get(field(table, LIST));
    let part = objects
        .heap
        .alloc(Block::Part, room.saturating_mul(2).saturating_add(1))?;
    let new_room = objects.heap.size(part).wrapping_sub(1) / 2;
    let old_room = (old >> 32) as usize;
    for index in 0..new_room {
        let value = if index < old_room {
            value_at(objects, list_slot(old as u32, index))
        } else {
            Value::NIL
        };
        overwrite(objects, list_slot(part, index), value);
    }
    if region.high(field(table, COUNTS)) > 0 {
        for index in old_room..new_room {
            let key = Value::int((index as i64).wrapping_add(1));
            let Some(slot) = keyed::find(region, region.get(field(table, KEYED)), key) else {
                continue;
            };
            let value = value_at(objects, slot);
            if !value.is_nil() {
                overwrite(objects, list_slot(part, index), value);
                overwrite(objects, slot, Value::NIL);
                let counts = field(table, COUNTS);
                region.set_high(counts, region.high(counts).wrapping_sub(1));
                region.set_low(counts, region.low(counts).wrapping_add(1));
            }
        }
    }
    region.set(field(table, LIST), part as u64 | (new_room as u64) << 32);
    if old as u32 != 0 {
        objects.heap.free(old as u32);
    }
    Ok(new_room)
}

/// Copies the living nodes into a new part, larger if they need it.
fn rehash<'p>(objects: &Objects<'p>, table: u32, old: &Keyed<'p>) -> Result<Keyed<'p>, NoMemory> {
    let region = &objects.heap.region;
    let live = region.high(field(table, COUNTS)) as usize;
    // With a quarter free the next rehash is far enough away to pay for this one.
    let part = keyed::create(objects, live.saturating_add(live / 4).saturating_add(1))?;
    let mut new = Keyed::new(objects, part, 0);
    let renumber = region.low(field(table, SEQUENCE)) > u32::MAX / 2;
    for at in 0..old.used {
        let value = value_at(objects, old.slot(at));
        if value.is_nil() {
            objects.release(old.key(at));
        } else {
            let sequence = if renumber {
                (new.used as u32).wrapping_add(1)
            } else {
                old.sequence(at)
            };
            new.push(old.key(at), value, sequence);
        }
    }
    if renumber {
        region.set_low(field(table, SEQUENCE), (new.used as u32).wrapping_add(1));
    }
    region.set(field(table, KEYED), part as u64 | (new.used as u64) << 32);
    if old.part != 0 {
        objects.heap.free(old.part);
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
