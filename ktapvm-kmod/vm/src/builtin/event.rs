//! The current event: its text, name, fields and stacks.
//!
//! In: the host. Out: values that outlive the event when stored. Invariant: the caller has checked that there is an event.

use ktap_bytecode::limits::MAX_STACK_DEPTH;

use super::Args;
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::string;
use crate::value::{Kind, Value};

/// `argstr`, `e.tostring()`: the raw event, of which the host makes the text.
pub(super) fn text<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    run.need_event()?;
    match run.host.event_raw() {
        Some((id, raw)) => run.temp(Kind::Event, string::event_meta(id), raw),
        // What ktap says for events that have no text, such as timers.
        None => run.text(b"argstr_not_available"),
    }
}

/// `probename`.
pub(super) fn name<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    run.text(run.host.event_name())
}

/// `e.field(n)`.
pub(super) fn field<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let number = args.int(run, 0)?;
    if number < 1 {
        return Ok(Value::NIL);
    }
    let host = run.host;
    run.field_value(host.event_field_number(number.wrapping_sub(1)))
}

/// `e.set_retval(n)`.
pub(super) fn set_retval<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let value = args.int(run, 0)?;
    run.host.set_retval(value)?;
    Ok(Value::NIL)
}

/// `stack([depth[, skip]])`.
pub(super) fn stack<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    take(run, args, false)
}

/// `ustack([depth[, skip]])`.
pub(super) fn ustack<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    take(run, args, true)
}

fn take<H: Host>(run: &mut Run<'_, '_, H>, args: Args, user: bool) -> Ran<Value> {
    // ktap takes the depth as an unsigned number, so that -1 means as deep as there is.
    let depth = (args.int_or(run, 0, 10)? as u64).min(MAX_STACK_DEPTH as u64) as usize;
    let skip = args.int_or(run, 1, 0)?.clamp(0, i32::MAX as i64) as usize;
    run.charge(MAX_STACK_DEPTH)?;
    let mut addresses = [0u64; MAX_STACK_DEPTH];
    let taken = match addresses.get_mut(..depth) {
        Some(out) => run.host.stack(user, skip, out).min(depth),
        None => 0,
    };
    let mut bytes = [0u8; MAX_STACK_DEPTH * 8];
    let (chunks, _) = bytes.as_chunks_mut::<8>();
    for (chunk, address) in chunks.iter_mut().zip(&addresses) {
        *chunk = address.to_le_bytes();
    }
    let pid = if user { run.host.pid() } else { 0 };
    run.temp(
        Kind::Stack,
        string::stack_meta(user, pid),
        bytes.get(..taken.wrapping_mul(8)).unwrap_or_default(),
    )
}
