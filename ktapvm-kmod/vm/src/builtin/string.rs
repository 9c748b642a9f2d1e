//! Strings from memory, `stringof`, `ipof`.
//!
//! In: addresses, values. Out: strings and symbols. Invariant: memory is read by the host, which does not fault.

use super::{Args, wrong};
use crate::arith::decimal;
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::value::{Tag, Value};

/// Longest string read from memory, bytes with the NUL (ktap's bound).
const LONGEST: usize = 256;

/// `kernel_string(addr)`.
pub(super) fn kernel_string<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, false)
}

/// `user_string(addr)`.
pub(super) fn user_string<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    read(run, args, true)
}

fn read<H: Host>(run: &mut Run<'_, '_, H>, args: Args, user: bool) -> Ran<Value> {
    let address = address(run, args)?;
    let mut buffer = [0; LONGEST];
    let text = run.host.read_str(user, address, &mut buffer);
    run.text(text.get(..LONGEST - 1).unwrap_or(text))
}

/// `stringof(x)`: the text of a number; a string as it is, an event as its raw bytes, of which the host makes the text.
pub(super) fn stringof<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let of = args.get(run, 0);
    if let Some(number) = of.as_int() {
        return run.text(decimal(number, &mut [0; 20]));
    }
    if of.is(Tag::Event) {
        return super::event::text(run);
    }
    if of.is_string() || of.is(Tag::Symbol) {
        return Ok(of);
    }
    Err(wrong(0))
}

/// `ipof(addr)`.
pub(super) fn ipof<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    Ok(Value::new(Tag::Symbol, 0, address(run, args)?))
}

fn address<H: Host>(run: &Run<'_, '_, H>, args: Args) -> Ran<u64> {
    let value = args.get(run, 0);
    if value.is(Tag::Int) || value.is(Tag::Symbol) {
        Ok(value.payload)
    } else {
        Err(wrong(0))
    }
}
