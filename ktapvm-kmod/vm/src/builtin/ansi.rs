//! Terminal control: bytes for the output as they are.
//!
//! In: numbers. Out: raw records. Invariant: nothing but escape sequences of decimal numbers is made.

use super::Args;
use crate::arith::decimal;
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::value::Value;

/// `ansi.clear_screen()`.
pub(super) fn clear_screen<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    raw(run, b"\x1b[1;1H\x1b[J")
}

/// `ansi.reset_color()`.
pub(super) fn reset_color<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    raw(run, b"\x1b[0;0m")
}

/// `ansi.new_line()`.
pub(super) fn new_line<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    raw(run, b"\n")
}

/// `ansi.set_color(fg)`.
pub(super) fn set_color<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    color(run, args, 1)
}

/// `ansi.set_color2(fg, bg)`.
pub(super) fn set_color2<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    color(run, args, 2)
}

/// `ansi.set_color3(fg, bg, attr)`; attribute 0 is left out.
pub(super) fn set_color3<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let numbers = if args.int(run, 2)? == 0 { 2 } else { 3 };
    color(run, args, numbers)
}

fn color<H: Host>(run: &mut Run<'_, '_, H>, args: Args, numbers: usize) -> Ran<Value> {
    // Three numbers of at most 20 digits, two separators, three bytes around them.
    let mut text = [0u8; 68];
    let mut len = 0usize;
    let mut push = |byte: u8| {
        if let Some(to) = text.get_mut(len) {
            *to = byte;
            len = len.wrapping_add(1);
        }
    };
    push(0x1b);
    push(b'[');
    for i in 0..numbers {
        if i > 0 {
            push(b';');
        }
        for digit in decimal(args.int(run, i)?, &mut [0; 20]) {
            push(*digit);
        }
    }
    push(b'm');
    raw(run, text.get(..len).unwrap_or_default())
}

fn raw<H: Host>(run: &mut Run<'_, '_, H>, bytes: &[u8]) -> Ran<Value> {
    run.emit(|writer| writer.raw(bytes));
    Ok(Value::NIL)
}
