//! A value as text.
//!
//! In: one value of a record. Out: its text as `print` shows it, or as a key in a table. Invariant: no newline at the end.

use std::fmt::Write;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::record::{RecordValue, Stat};

use crate::resolver::Resolver;

/// Returns the text `print` shows of `value`.
pub fn text(value: &RecordValue<'_>, resolver: &dyn Resolver) -> Vec<u8> {
    match value {
        RecordValue::Nil => b"nil".to_vec(),
        RecordValue::Bool(true) => b"true".to_vec(),
        RecordValue::Bool(false) => b"false".to_vec(),
        RecordValue::Int(n) => n.to_string().into_bytes(),
        RecordValue::Str(bytes) => bytes.to_vec(),
        RecordValue::Table(handle) => format!("table {handle:#x}").into_bytes(),
        RecordValue::Function(handle) => format!("function {handle:#x}").into_bytes(),
        RecordValue::Builtin(number) => match Builtin::from_number(*number) {
            Some(builtin) => format!("builtin {}", builtin.name()).into_bytes(),
            None => format!("builtin {number:#x}").into_bytes(),
        },
        RecordValue::Stack(user, pid, addresses) => {
            let mut out = String::from("<stack trace>");
            for frame in frames(*user, *pid, addresses, resolver) {
                out.push_str("\n => ");
                out.push_str(&frame);
            }
            out.into_bytes()
        }
        RecordValue::Event(id, raw) => event(*id, raw, resolver),
        RecordValue::Symbol(address) => symbol(*address, resolver).into_bytes(),
        RecordValue::Stat(stat) => stat_text(stat).into_bytes(),
        RecordValue::Format(id) => format!("format {id}").into_bytes(),
    }
}

/// Returns the text of `value` as a key: a stack is its frames, a line each, as ktap's own keys were.
pub fn key_text(value: &RecordValue<'_>, resolver: &dyn Resolver) -> Vec<u8> {
    match value {
        RecordValue::Stack(user, pid, addresses) => {
            let mut out = String::new();
            for frame in frames(*user, *pid, addresses, resolver) {
                out.push_str(&frame);
                out.push('\n');
            }
            out.into_bytes()
        }
        other => text(other, resolver),
    }
}

/// Returns the name of a kernel address without an offset, or the address.
pub fn symbol(address: u64, resolver: &dyn Resolver) -> String {
    let mut out = String::new();
    let named = resolver
        .symbol(address)
        .is_some_and(|symbol| symbol.write_name(&mut out).is_ok());
    if !named {
        out = format!("{address:#x}");
    }
    out
}

/// Returns the addresses of a stack.
pub fn addresses(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.as_chunks().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// Returns `name+0xoffset/0xsize [module]` for each address of a stack.
fn frames<'a>(user: bool, pid: u32, bytes: &'a [u8], resolver: &'a dyn Resolver) -> impl Iterator<Item = String> + 'a {
    addresses(bytes).map(move |address| {
        let mut out = String::new();
        if user {
            if let Some(symbol) = resolver.user_symbol(pid, address) {
                let _ = write!(out, "{}+{:#x}", symbol.name, symbol.offset);
            }
        } else if let Some(symbol) = resolver.symbol(address) {
            let _ = write!(out, "{symbol}");
        }
        if out.is_empty() { format!("{address:#x}") } else { out }
    })
}

fn event(id: u16, raw: &[u8], resolver: &dyn Resolver) -> Vec<u8> {
    let mut line = match resolver.event(id) {
        Some(format) => format.line(raw, resolver),
        None => format!("event {id}: {} bytes of an unknown format", raw.len()).into_bytes(),
    };
    while line.last() == Some(&b'\n') {
        line.pop();
    }
    line
}

/// Returns the text of an aggregation, in the layout of ktap 0.4.
fn stat_text(stat: &Stat) -> String {
    let avg = average(stat);
    format!(
        "[count: {:6} sum: {:6} max: {:6} min: {:6} avg: {avg:6}]",
        stat.count, stat.sum, stat.max, stat.min
    )
}

/// Returns the mean towards zero, 0 of nothing.
pub fn average(stat: &Stat) -> i64 {
    match i128::from(stat.count) {
        0 => 0,
        count => (i128::from(stat.sum) / count) as i64,
    }
}
