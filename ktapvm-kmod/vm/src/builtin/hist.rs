//! Whole tables as records: `print(t)`, `print_hist`, `histogram`.
//!
//! In: a table. Out: a begin, a row per entry, an end. Invariant: what cannot be charted traps before the first record.

use ktap_bytecode::record::TableStyle;
use ktap_bytecode::trap::Trap;

use super::{Args, record, wrong};
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::stat;
use crate::value::{Tag, Value};

/// `print_hist(t[, n])`.
pub(super) fn print_hist<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    chart(run, args, TableStyle::PrintHist)
}

/// `histogram(t[, n])`.
pub(super) fn histogram<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    chart(run, args, TableStyle::Histogram)
}

fn chart<H: Host>(run: &mut Run<'_, '_, H>, args: Args, style: TableStyle) -> Ran<Value> {
    let of = args.get(run, 0);
    if !of.is(Tag::Table) {
        return Err(wrong(0));
    }
    let limit = args.int_or(run, 1, 0)?.clamp(0, u32::MAX as i64) as u32;
    let mut cursor = Value::NIL;
    while let Some((next, _, seen)) = run.entry_after(of.handle(), cursor)? {
        run.charge(1)?;
        if !seen.value.is(Tag::Int) && !seen.value.is(Tag::Stat) {
            return Err(Trap::HistValue.into());
        }
        cursor = next;
    }
    table(run, of, style, limit)
}

/// Sends a table, which has been checked to be one.
pub(super) fn table<H: Host>(run: &mut Run<'_, '_, H>, of: Value, style: TableStyle, limit: u32) -> Ran<Value> {
    let rows = run.table_len(of.handle())?;
    run.emit(|writer| writer.table_begin(style, limit, rows as u32));
    let (region, host) = (run.region, run.host);
    let mut cursor = Value::NIL;
    while let Some((next, key, seen)) = run.entry_after(of.handle(), cursor)? {
        run.charge(8)?;
        cursor = next;
        run.emit(|writer| {
            writer.table_row();
            record::write(&region, host, writer, key);
            if seen.value.is(Tag::Stat) {
                writer.stat(stat::shown(&seen.aggregate));
            } else {
                record::write(&region, host, writer, seen.value);
            }
        });
    }
    run.emit(|writer| writer.table_end());
    Ok(Value::NIL)
}
