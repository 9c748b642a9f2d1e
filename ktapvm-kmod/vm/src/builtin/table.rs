//! Tables and aggregations: `len delete count table_count sum avg min max stddev table.new`.
//!
//! In: tables, snapshots of aggregations. Out: numbers. Invariant: an aggregation of nothing (nil) reads as 0.

use ktap_bytecode::trap::Trap;

use super::{Args, wrong};
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::stat::{self, Aggregate};
use crate::value::{Tag, Value};

/// `len(x)`.
pub(super) fn len<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let of = args.get(run, 0);
    if of.is_text() {
        return Ok(Value::int(run.bytes(of).len() as i64));
    }
    if of.is(Tag::Table) {
        return Ok(Value::int(run.table_len(of.handle())? as i64));
    }
    Err(Trap::LenType.into())
}

/// `delete(t[, k])`.
pub(super) fn delete<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let of = args.get(run, 0);
    if !of.is(Tag::Table) {
        return Err(wrong(0));
    }
    if args.count > 1 {
        run.table_set(of, args.get(run, 1), Value::NIL)?;
    } else {
        run.table_clear(of)?;
    }
    Ok(Value::NIL)
}

/// `count(t, k)`, or `count(stat)`.
pub(super) fn count<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    if args.count > 1 {
        return table_count(run, args);
    }
    read(run, args, |aggregate| stat::shown(aggregate).count as i64)
}

/// `table_count(t, k[, n])`.
pub(super) fn table_count<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let of = args.get(run, 0);
    if !of.is(Tag::Table) {
        return Err(wrong(0));
    }
    let n = args.int_or(run, 2, 1)?;
    run.table_add(of, args.get(run, 1), Value::int(n))?;
    Ok(Value::NIL)
}

/// `sum(stat)`.
pub(super) fn sum<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, |aggregate| stat::shown(aggregate).sum)
}

/// `avg(stat)`.
pub(super) fn avg<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, stat::mean)
}

/// `min(stat)`.
pub(super) fn min<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, |aggregate| stat::shown(aggregate).min)
}

/// `max(stat)`.
pub(super) fn max<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, |aggregate| stat::shown(aggregate).max)
}

/// `stddev(stat)`.
pub(super) fn stddev<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    run.charge(64)?;
    read(run, args, stat::deviation)
}

/// `table.new([narr, nrec])`.
pub(super) fn new<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let room = |n: i64| n.clamp(0, i32::MAX as i64) as usize;
    let list = room(args.int_or(run, 0, 0)?);
    let keyed = room(args.int_or(run, 1, 0)?);
    run.charge(list.saturating_add(keyed))?;
    run.new_table(list, keyed)
}

fn read<H: Host>(run: &mut Run<'_, '_, H>, args: Args, what: fn(&Aggregate) -> i64) -> Ran<Value> {
    let of = args.get(run, 0);
    if of.is_nil() {
        return Ok(Value::int(0));
    }
    if !of.is(Tag::Snapshot) {
        return Err(wrong(0));
    }
    Ok(Value::int(what(&stat::load(&run.region, of.payload as usize))))
}
