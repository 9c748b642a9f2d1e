//! Whole tables as records: `print(t)`, `print_hist`, `histogram`; `log2`, which makes the keys of one.
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

/// `log2(n)`.
pub(super) fn log2<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let n = args.int(run, 0)?;
    Ok(Value::int(exponent(n)))
}

/// The exponent of the largest power of two that is not above `n`, -1 if there is none.
pub(crate) fn exponent(n: i64) -> i64 {
    if n < 1 {
        -1
    } else {
        63u32.wrapping_sub(n.leading_zeros()) as i64
    }
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
