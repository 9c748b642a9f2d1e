//! The task, the CPU, the board; `exit`.
//!
//! In: the host. Out: numbers and texts. Invariant: none of these changes anything.

use super::{Args, wrong};
use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::value::Value;

/// `exit([status])`.
pub(super) fn exit<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    Err(Stop::Exit(args.int_or(run, 0, 0)?))
}

/// `pid`.
pub(super) fn pid<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.pid() as i64))
}

/// `tid`.
pub(super) fn tid<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.tid() as i64))
}

/// `uid`.
pub(super) fn uid<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.uid() as i64))
}

/// `cpu`.
pub(super) fn cpu<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.cpu() as i64))
}

/// `execname`: a retained string that the frame remembers, so that a name that was asked for before costs a comparison.
pub(super) fn execname<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    let name = match run.seat().execname() {
        Ok(value) => return Ok(value),
        Err(name) => name,
    };
    let text = run.text(name.buffer.get(..name.len).unwrap_or_default())?;
    // Without memory, or in NMI context while the heap is at work, it is a string of this run's.
    Ok(run.remember_name(name.words, text).unwrap_or(text))
}

/// `num_cpus()`.
pub(super) fn num_cpus<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.num_cpus() as i64))
}

/// `arch()`.
pub(super) fn arch<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    run.text(run.host.arch())
}

/// `kernel_v()`.
pub(super) fn kernel_v<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    run.text(run.host.kernel_release())
}

/// `in_interrupt()`.
pub(super) fn in_interrupt<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.in_interrupt()))
}

/// `in_iowait()`.
pub(super) fn in_iowait<H: Host>(run: &mut Run<'_, '_, H>) -> Ran<Value> {
    Ok(Value::int(run.host.in_iowait()))
}

/// `curr_taskinfo(offset[, bytes])`.
pub(super) fn curr_taskinfo<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    let offset = args.int(run, 0)?;
    let bytes = args.int_or(run, 1, 4)?;
    if bytes != 4 && bytes != 8 {
        return Err(wrong(1));
    }
    Ok(Value::int(run.host.task_field(offset, bytes)?))
}
