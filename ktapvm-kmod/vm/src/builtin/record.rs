//! Values in records.
//!
//! In: values. Out: their bytes in a record. Invariant: every value has a form; what no script can see is nil.

use ktap_bytecode::record::RecordWriter;

use crate::host::Host;
use crate::region::Region;
use crate::stat;
use crate::string;
use crate::value::{Kind, Tag, Value};

/// Writes one value.
pub(crate) fn write<H: Host>(region: &Region<'_>, host: &H, writer: &mut RecordWriter<'_>, value: Value) {
    match value.tag() {
        tag if tag == Tag::Bool as u32 => writer.boolean(value.payload != 0),
        tag if tag == Tag::Int as u32 => writer.int(value.payload as i64),
        tag if tag == Tag::Temp as u32 || tag == Tag::Str as u32 => write_string(region, writer, string::body(value)),
        tag if tag == Tag::Table as u32 => writer.table(value.handle()),
        tag if tag == Tag::Closure as u32 => writer.function(value.handle()),
        tag if tag == Tag::Builtin as u32 => writer.builtin(value.payload as u8),
        tag if tag == Tag::Symbol as u32 => writer.symbol(value.payload),
        tag if tag == Tag::Format as u32 => writer.format(value.payload as u16),
        tag if tag == Tag::Snapshot as u32 => {
            writer.stat(stat::shown(&stat::load(region, value.payload as usize)));
        }
        tag if tag == Tag::Event as u32 => match host.event_raw() {
            Some((id, raw)) => writer.event(id, raw),
            None => writer.nil(),
        },
        _ => writer.nil(),
    }
}

fn write_string(region: &Region<'_>, writer: &mut RecordWriter<'_>, body: usize) {
    let bytes = string::bytes(region, body);
    let meta = string::meta(region, body);
    match meta as u8 as u32 {
        kind if kind == Kind::Stack as u32 => writer.stack(meta >> 8 & 1 == 1, (meta >> 32) as u32, bytes),
        kind if kind == Kind::Event as u32 => writer.event((meta >> 16) as u16, bytes),
        _ => writer.str(bytes),
    }
}
