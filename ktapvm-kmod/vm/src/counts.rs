//! Tables that handlers only add to: each frame adds to a shard of its own, and whoever else looks at the table first settles it.
//!
//! In: tables, keys, numbers. Out: additions; settled tables. Invariant: a table and its shards together are one table: an addition is in the table or
//! in one shard, never in both, never in neither.
//!
//! A shard is a table that nobody can name, made when its frame first adds. Its structure is changed by its frame alone, under its lock. So its frame
//! finds an entry without a lock, and adds to a number in it by an atomic addition, while whoever settles takes the number out by an atomic exchange.
//! Aggregations have more words than one: both sides hold the shard's lock. Order of locks: shard, table, heap.
//!
//! The shards' part: header, then the handle of each frame's shard or 0. The last word of a table: `shards' part:32 state:32`. State: 0, all is in
//! the table; 1, a shard may have something; else the one who is settling, a frame's number and [`FIRST_SETTLER`]. An addition is made first, then
//! the state is looked at and made 1 if it is not; who settles puts its name there first and takes the numbers then. All four are sequentially
//! consistent, so that either the addition is seen by the settler, or the state is left at 1. The state becomes 0 again only if it still is the
//! settler's own: nobody added meanwhile, and nobody else is in the middle.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use ktap_bytecode::trap::Trap;

use crate::heap::{Block, NoMemory};
use crate::host::Host;
use crate::layout::control;
use crate::lock::{Busy, lock, lock_word};
use crate::object::Objects;
use crate::run::{Ran, Run, Stop};
use crate::seat::Seat;
use crate::stat;
use crate::table::{self, Words};
use crate::value::{Tag, Value};

/// A shard may have something.
const DIRTY: u32 = 1;
/// The state while frame 0 settles.
const FIRST_SETTLER: u32 = 2;
/// Entries of a shard that are looked at under one hold of its lock.
const STEP: usize = 64;
/// Keys from 1 to this are found quickest in a list, as buckets of histograms are.
const SMALL: u64 = 64;
/// Entries from which on a shard is worth such a list.
const FEW: usize = 4;
/// How often a shard that changes its shape is begun anew before its lock is held to the end.
const PATIENCE: usize = 16;

/// Makes an empty table for counts, or a plain one if there is no memory for shards. Under the heap lock.
pub(crate) fn create(objects: &Objects<'_>, list: usize, keyed: usize) -> Result<u32, NoMemory> {
    let handle = table::create(objects, list, keyed)?;
    let frames = objects.layout.frame_count;
    if let Ok(part) = objects.heap.alloc(Block::Part, frames.saturating_add(1)) {
        for frame in 0..frames {
            objects.heap.region.set(shard_word(part, frame), 0);
        }
        objects.heap.region.set(table::shards_word(handle), part as u64);
    }
    Ok(handle)
}

/// Takes a dead table's shards apart, at most `step` entries; true when none is left.
pub(crate) fn take_apart(objects: &Objects<'_>, handle: u32, step: usize) -> bool {
    let region = &objects.heap.region;
    let part = region.low(table::shards_word(handle));
    if part == 0 {
        return true;
    }
    for frame in 0..objects.layout.frame_count {
        let word = shard_word(part, frame);
        let shard = region.get(word) as u32;
        if shard == 0 {
            continue;
        }
        if table::take_parts(objects, shard, step) {
            objects.heap.free(shard);
            region.set(word, 0);
        }
        return false;
    }
    objects.heap.free(part);
    region.set(table::shards_word(handle), 0);
    true
}

/// The word of a shard's handle.
#[inline(always)]
fn shard_word(part: u32, frame: usize) -> usize {
    (part as usize).wrapping_add(1).wrapping_add(frame)
}

impl<'p, H: Host> Seat<'_, 'p, H> {
    /// Adds a number above 0 to an entry that this frame's shard has already; false if that is not so.
    #[inline(always)]
    pub(crate) fn count(&self, words: Words<'p>, key: Value, n: i64) -> bool {
        let shards = words.shards().load(Ordering::Relaxed);
        if n <= 0 {
            return false;
        }
        // Nobody but this frame changes the shard's shape, so that what is found stays where it is.
        let Some([head, number]) = self.shard_slot(shards, key).map(|(_, slot)| slot) else {
            return false;
        };
        if head.load(Ordering::Relaxed) as u32 != Tag::Int as u32 {
            return false;
        }
        number.fetch_add(n as u64, Ordering::SeqCst);
        added(words.shards(), shards);
        true
    }

    /// Aggregates into an entry that this frame's shard has already; false if that is not so.
    #[inline(always)]
    pub(crate) fn aggregate_words(&self, words: Words<'p>, key: Value, n: i64) -> Result<bool, Busy> {
        let shards = words.shards().load(Ordering::Relaxed);
        if shards == 0 {
            return Ok(false);
        }
        let Some((shard, [head, handle])) = self.shard_slot(shards, key) else {
            return Ok(false);
        };
        if head.load(Ordering::Relaxed) as u32 != Tag::Stat as u32 {
            return Ok(false);
        }
        let at = (handle.load(Ordering::Relaxed) as usize).wrapping_add(stat::HEADER);
        let Some(aggregate) = self.region().words::<{ stat::WORDS }>(at) else {
            return Ok(false);
        };
        {
            let _guard = lock_word(shard.lock(), self.host)?;
            stat::add_to(aggregate, n);
        }
        added(words.shards(), shards);
        Ok(true)
    }

    /// This frame's shard and its slot for a key.
    #[inline(always)]
    fn shard_slot(&self, shards: u64, key: Value) -> Option<(Words<'p>, &'p [AtomicU64; 2])> {
        let region = self.region();
        let shard = region.get(shard_word(shards as u32, self.number)) as u32;
        let shard = Words::of(region, shard)?;
        let slot = region.slot(shard.find(region, key)?)?;
        Some((shard, slot))
    }
}

impl<H: Host> Run<'_, '_, H> {
    /// Gives this frame's shard an empty entry, so that the next addition under a key is made there; the first was made to the table itself.
    ///
    /// Nothing depends on it: without memory, or without a lock in NMI context, the next one is made to the table too.
    #[inline(never)]
    pub(crate) fn share(&self, words: Words<'_>, key: Value, kind: Tag) {
        let part = words.shards().load(Ordering::Relaxed) as u32;
        if part != 0 {
            let _ = self.try_share(part, key, kind);
        }
    }

    fn try_share(&self, part: u32, key: Value, kind: Tag) -> Ran<()> {
        let word = shard_word(part, self.frame_number);
        let mut shard = self.region.get(word) as u32;
        if shard == 0 {
            shard = self.on_heap(|objects| table::create_hidden(objects))?;
            // Whoever settles sees it whole.
            fence(Ordering::Release);
            self.region.set(word, shard as u64);
        }
        let empty = match kind {
            Tag::Stat => self.new_stat(&[0; stat::WORDS])?,
            _ => Value::int(0),
        };
        let _guard = lock(&self.region, table::lock_word(shard), self.host)?;
        let objects = self.objects();
        if table::find(objects, shard, key).is_some_and(|slot| !table::value_at(objects, slot).is_nil()) {
            return Ok(());
        }
        self.on_heap(|objects| {
            if table::is_full(objects, shard) {
                table::drop_drained(objects, shard);
            }
            if key.is(Tag::Int) && key.payload.wrapping_sub(1) < SMALL && table::len(objects, shard) >= FEW {
                table::reserve(objects, shard, SMALL as usize)?;
            }
            table::store(objects, shard, key, empty)
        })?;
        Ok(())
    }

    /// Brings what shards have into the table, if they may have something.
    #[inline(always)]
    pub(crate) fn settle(&self, t: u32) -> Ran<()> {
        match Words::of(&self.region, t) {
            Some(words) if words.shards().load(Ordering::SeqCst) >> 32 != 0 => self.settle_all(t, words),
            _ => Ok(()),
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_all(&self, t: u32, words: Words<'_>) -> Ran<()> {
        let part = words.shards().load(Ordering::Relaxed) as u32;
        let mine = state(part, FIRST_SETTLER.wrapping_add(self.frame_number as u32));
        words.shards().swap(mine, Ordering::SeqCst);
        // Entries are looked at by plain loads first: they come after it for the other side too.
        fence(Ordering::SeqCst);
        for frame in 0..self.objects().layout.frame_count {
            if let Err(stop) = self.settle_shard(t, part, frame) {
                words.shards().store(state(part, DIRTY), Ordering::SeqCst);
                return Err(stop);
            }
        }
        // If it is no longer ours there is more to come, or somebody else who brings it.
        let _ = words
            .shards()
            .compare_exchange(mine, state(part, 0), Ordering::SeqCst, Ordering::Relaxed);
        Ok(())
    }

    /// Brings what this run itself has added into a table it goes through.
    pub(crate) fn settle_own(&self, t: u32) -> Ran<()> {
        let word = self.region.get(table::shards_word(t));
        if word >> 32 == 0 {
            return Ok(());
        }
        self.settle_shard(t, word as u32, self.frame_number)
    }

    fn settle_shard(&self, t: u32, part: u32, frame: usize) -> Ran<()> {
        let shard = self.region.get(shard_word(part, frame)) as u32;
        if shard == 0 {
            return Ok(());
        }
        fence(Ordering::Acquire);
        let objects = self.objects();
        let (mut cursor, mut tries) = (Value::NIL, 0);
        let mut shape = None;
        loop {
            let _guard = lock(&self.region, table::lock_word(shard), self.host)?;
            let now = table::shape(objects, shard);
            if shape.is_some_and(|before| before != now) {
                // Entries may have gone where the cursor has been: what is drained already is passed over quickly.
                cursor = Value::NIL;
                tries = usize::wrapping_add(tries, 1);
            }
            shape = Some(now);
            let mut steps = 0;
            while steps < STEP || tries > PATIENCE {
                let Some((next, key, value)) = table::next(objects, shard, cursor) else {
                    return Ok(());
                };
                if !(value.is(Tag::Int) && value.payload == 0) {
                    self.bring(t, part, shard, key, value)?;
                }
                cursor = next;
                steps = steps.wrapping_add(1);
            }
        }
    }

    /// Brings one entry of a shard, whose lock is held, into the table. Without memory for it, it stays where it is and that is counted.
    fn bring(&self, t: u32, part: u32, shard: u32, key: Value, value: Value) -> Ran<()> {
        let objects = self.objects();
        let Some(slot) = table::find(objects, shard, key) else {
            return Ok(());
        };
        let brought = if value.is(Tag::Stat) {
            self.bring_aggregate(t, key, value)
        } else {
            let Some([_, number]) = self.region.slot(slot) else {
                return Ok(());
            };
            let n = number.swap(0, Ordering::SeqCst);
            if n == 0 {
                return Ok(());
            }
            let brought = self.bring_number(t, key, n as i64);
            if brought.is_err() {
                number.fetch_add(n, Ordering::SeqCst);
            }
            brought
        };
        match brought {
            Err(Stop::Trap(Trap::OutOfMemory, _)) => {
                self.vm.count(control::TABLE_DROPS);
                self.region.set(table::shards_word(t), state(part, DIRTY));
                Ok(())
            }
            other => other,
        }
    }

    fn bring_number(&self, t: u32, key: Value, n: i64) -> Ran<()> {
        let _guard = lock(&self.region, table::lock_word(t), self.host)?;
        self.add_to(t, key, n).map(|_| ())
    }

    fn bring_aggregate(&self, t: u32, key: Value, from: Value) -> Ran<()> {
        let at = (from.handle() as usize).wrapping_add(stat::HEADER);
        let part = stat::load(&self.region, at);
        if stat::shown(&part).count == 0 {
            return Ok(());
        }
        let _guard = lock(&self.region, table::lock_word(t), self.host)?;
        self.merge_into(t, key, &part)?;
        stat::save(&self.region, at, &[0; stat::WORDS]);
        Ok(())
    }
}

/// A table's last word.
fn state(part: u32, state: u32) -> u64 {
    part as u64 | (state as u64) << 32
}

/// Says that a shard has something.
#[inline(always)]
fn added(word: &AtomicU64, shards: u64) {
    if (word.load(Ordering::SeqCst) >> 32) as u32 != DIRTY {
        word.store(state(shards as u32, DIRTY), Ordering::SeqCst);
    }
}
