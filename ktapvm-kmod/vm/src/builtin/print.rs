//! `print`, `printf`, `print_trace_clock`.
//!
//! In: values. Out: records. Invariant: texts are made on the host; here only classes of arguments are checked.

use ktap_bytecode::op::Word;
use ktap_bytecode::trap::Trap;

use super::{Args, hist, record, wrong};
use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::seat::Seat;
use crate::short::Registers;
use crate::string;
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

/// `print(argstr)` through the frame's buffer. False if the event has no record, and nothing was done.
#[inline(never)]
pub(crate) fn print_event<H: Host>(seat: &Seat<'_, '_, H>) -> bool {
    let Some((id, raw)) = seat.host.event_raw() else {
        return false;
    };
    seat.emit(|writer| {
        writer.print(1);
        writer.event(id, raw);
        true
    })
}

/// `print`, but not of a table alone, which is shown with its entries. False if it is that, and nothing was done.
#[inline(never)]
pub(crate) fn print_quickly<H: Host, R: Registers>(
    seat: &Seat<'_, '_, H>,
    registers: &R,
    first: u8,
    count: u8,
) -> bool {
    if count == Word::MULTI || count == 1 && registers.get(first).is(Tag::Table) {
        return false;
    }
    seat.emit(|writer| {
        writer.print(count as usize);
        for i in 0..count {
            record::write(seat.region(), seat.host, writer, registers.get(first.wrapping_add(i)));
        }
        true
    })
}

/// `printf`, if all is plain: a format, numbers, texts that stay. False if it is not, and nothing was done.
#[inline(never)]
pub(crate) fn printf_quickly<H: Host, R: Registers>(
    seat: &Seat<'_, '_, H>,
    registers: &R,
    first: u8,
    count: u8,
) -> bool {
    let format = registers.get(first);
    if !format.is(Tag::Format) || count == Word::MULTI {
        return false;
    }
    let Some(classes) = seat.vm.code.format_classes(format.payload as usize) else {
        return false;
    };
    // A format that takes more than there is, or other than what there is, is not for here.
    if classes.len().wrapping_add(1) != count as usize {
        return false;
    }
    let region = seat.region();
    seat.emit(|writer| {
        writer.printf(count as usize);
        writer.format(format.payload as u16);
        let mut register = first;
        for class in classes {
            register = register.wrapping_add(1);
            let value = registers.get(register);
            if value.is(Tag::Int) && *class != b's' {
                writer.int(value.payload as i64);
            } else if value.is(Tag::Str) && value.is_text() && *class == b's' {
                writer.str(string::bytes(region, string::body(value)));
            } else {
                return false;
            }
        }
        true
    })
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
