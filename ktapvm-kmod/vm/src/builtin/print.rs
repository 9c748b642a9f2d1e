//! `print`, `printf`, `print_trace_clock`.
//!
//! In: values. Out: records. Invariant: texts are made on the host; here only classes of arguments are checked.

use ktap_bytecode::trap::Trap;

use super::{Args, hist, record, wrong};
use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::value::{Tag, Value};
use ktap_bytecode::record::TableStyle;

/// `print(...)`; one table alone is shown with its entries.
pub(super) fn print<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let only = args.get(run, 0);
    if args.count == 1 && only.is(Tag::Table) {
        return hist::table(run, only, TableStyle::Dump, 0);
    }
    send(run, args, false)
}

/// `printf(fmt, ...)`.
pub(super) fn printf<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let format = args.get(run, 0);
    if format.is(Tag::Format) {
        let classes = run.vm.code.format_classes(format.payload as usize).unwrap_or_default();
        for (i, class) in classes.iter().enumerate() {
            let index = i.wrapping_add(1);
            if index >= args.count {
                return Err(Stop::Trap(Trap::MissingArgument, (index as i64).wrapping_add(1)));
            }
            let value = args.get(run, index);
            let fits = match class {
                b'd' => value.is(Tag::Int) || value.is(Tag::Symbol),
                b'p' => value.is(Tag::Int) || value.is(Tag::Symbol),
                _ => !(value.is(Tag::Int) || value.is(Tag::Bool)),
            };
            if !fits {
                return Err(wrong(index));
            }
        }
    } else if !format.is_text() {
        return Err(wrong(0));
    }
    send(run, args, true)
}

/// `print_trace_clock()`.
pub(super) fn print_trace_clock<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    run.emit(|writer| writer.clock());
    Ok(Value::NIL)
}

fn send<H: Host>(run: &mut Run<'_, '_, H>, args: Args, formatted: bool) -> Ran<Value> {
    let mut bytes = args.count;
    for i in 0..args.count {
        let value = args.get(run, i);
        if value.is(Tag::Event) {
            run.need_event()?;
            bytes = bytes.saturating_add(run.host.event_raw().map_or(0, |(_, raw)| raw.len() / 8));
        }
        if value.is_string() {
            bytes = bytes.saturating_add(run.bytes(value).len() / 8);
        }
    }
    run.charge(bytes)?;
    let (region, host, registers) = (run.region, run.host, run.registers);
    run.emit(|writer| {
        if formatted {
            writer.printf(args.count);
        } else {
            writer.print(args.count);
        }
        for i in 0..args.count {
            let at = registers.wrapping_add(args.first.wrapping_add(i).wrapping_mul(2));
            let value = Value::from_words(region.get(at), region.get(at.wrapping_add(1)));
            record::write(&region, host, writer, value);
        }
    });
    Ok(Value::NIL)
}
