//! Entries and exits of system calls, which the kernel prints without their print formats.
//!
//! In: a raw record of `sys_enter_*` or `sys_exit_*`. Out: the kernel's line. Invariant: the numbers are hexadecimal with `0x`, as
//! new kernels print them (older ones leave out the `0x`), whichever kernel the board has; single digits go without, as there.

use std::io::Write;

use super::event::EventFormat;
use super::field::FieldValue;

/// The field that only events of the kernel's `syscalls` system have first.
const NUMBER_FIELD: &str = "__syscall_nr";

/// Returns `sys_name(arg: 0x.., ..)` or `sys_name -> 0x..`; nothing for other events.
pub(super) fn line(event: &EventFormat, raw: &[u8]) -> Option<Vec<u8>> {
    if event.own_fields().next()?.name != NUMBER_FIELD {
        return None;
    }
    let mut out = Vec::new();
    if let Some(name) = event.name.strip_prefix("sys_enter_") {
        out.extend_from_slice(format!("sys_{name}(").as_bytes());
        for (index, (name, value)) in event.values(raw).skip(1).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let text = match number(&value)? {
                value @ 0..10 => value.to_string(),
                value => format!("{value:#x}"),
            };
            out.extend_from_slice(format!("{comma}{name}: {text}").as_bytes());
        }
        out.push(b')');
    } else {
        let name = event.name.strip_prefix("sys_exit_")?;
        let (_, value) = event.values(raw).nth(1)?;
        write!(out, "sys_{name} -> {:#x}", number(&value)?).ok()?;
    }
    Some(out)
}

fn number(value: &FieldValue<'_>) -> Option<u64> {
    match value {
        FieldValue::Int(n) => Some(*n as u64),
        FieldValue::Uint(n) => Some(*n),
        _ => None,
    }
}
