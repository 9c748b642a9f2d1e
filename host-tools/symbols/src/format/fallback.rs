//! The list of an event's fields, for print formats that cannot be followed.
//!
//! In: a raw record. Out: ` name=value name=value`, as the kernel's own `fields` option shows it (kernel/trace/trace_output.c).
//! Invariant: every own field is there.

use super::event::EventFormat;
use super::field::{Field, FieldValue};
use crate::abi::IntType;
use crate::symbol::Symbolize;

/// Renders the list.
pub(super) fn fields(event: &EventFormat, raw: &[u8], symbols: &dyn Symbolize) -> Vec<u8> {
    let mut out = Vec::new();
    for field in event.own_fields() {
        out.extend_from_slice(format!(" {}=", field.name).as_bytes());
        match field.value(raw, event.abi) {
            Some(value) => write_value(&mut out, field, &value, symbols),
            None => out.extend_from_slice(b"<OVERFLOW>"),
        }
    }
    out
}

fn write_value(out: &mut Vec<u8>, field: &Field, value: &FieldValue<'_>, symbols: &dyn Symbolize) {
    match value {
        FieldValue::Text(text) => out.extend_from_slice(text),
        FieldValue::Int(n) => write_number(out, field.size, *n as u64, *n, symbols),
        FieldValue::Uint(n) => write_number(out, field.size, *n, extend(field.size, *n), symbols),
        FieldValue::Array(items) => {
            let item = |value: &FieldValue<'_>| match value {
                FieldValue::Int(n) => format!("{n:#x}"),
                FieldValue::Uint(n) => format!("{n:#x}"),
                _ => String::new(),
            };
            out.extend_from_slice(items.iter().map(item).collect::<Vec<_>>().join(",").as_bytes());
        }
        FieldValue::Bytes(bytes) => {
            out.extend_from_slice(
                bytes
                    .iter()
                    .map(|b| format!("{b:02x}"))
                    .collect::<Vec<_>>()
                    .join(",")
                    .as_bytes(),
            );
        }
    }
}

fn extend(bytes: usize, value: u64) -> i64 {
    IntType {
        bytes: bytes as u8,
        signed: true,
    }
    .wrap(value) as i64
}

fn write_number(out: &mut Vec<u8>, size: usize, bits: u64, value: i64, symbols: &dyn Symbolize) {
    let text = match size {
        1 if (bits as u8).is_ascii_graphic() || bits as u8 == b' ' => {
            format!("'{}'({})", bits as u8 as char, bits as u8)
        }
        1 => format!("({})", bits as u8),
        2 => format!("{:#x} ({value})", bits as u16),
        4 => format!("{:#x} ({value})", bits as u32),
        _ => match symbols.symbol(bits) {
            Some(symbol) => format!("{symbol} ({value})"),
            None => format!("{bits:#x} ({value})"),
        },
    };
    out.extend_from_slice(text.as_bytes());
}
