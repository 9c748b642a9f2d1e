//! Records and the command line's own findings as JSON, one object a line.
//!
//! In: records, tables. Out: objects whose first member is `type`. Invariant: numbers are JSON numbers of 64 bits, addresses are
//! strings in hexadecimal, for readers that keep numbers in floats; strings that are no UTF-8 have U+FFFD in them.

use std::io::{self, Write};

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::record::{MAIN_PROBE, Record, RecordBody, RecordValue, TableStyle};
use ktap_symbols::format::FieldValue;
use serde_json::{Value, json};

use crate::hist::{Histogram, NotNumbers};
use crate::resolver::Resolver;
use crate::stamp::clock;
use crate::table::{Sender, Table};
use crate::value;

/// Writes `object` and a newline.
///
/// # Errors
/// Those of `out`.
pub fn write_line(object: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{object}")
}

/// Returns the object of a record; `text` is what a `printf` made.
pub(crate) fn record(record: &Record<'_>, text: &[u8], resolver: &dyn Resolver) -> Value {
    let sender = (record.cpu, record.probe);
    match &record.body {
        RecordBody::Print(values) => {
            let args: Vec<Value> = values.iter().map(|value| of_value(value, resolver)).collect();
            head("print", record.time_ns, sender, json!({ "args": args }))
        }
        RecordBody::Printf(_) => head("printf", record.time_ns, sender, json!({ "text": lossy(text) })),
        RecordBody::Raw(bytes) => head("raw", record.time_ns, sender, json!({ "text": lossy(bytes) })),
        RecordBody::Clock => head(
            "clock",
            record.time_ns,
            sender,
            json!({ "text": clock(record.time_ns) }),
        ),
        RecordBody::TableBegin(..) | RecordBody::TableRow(..) | RecordBody::TableEnd => Value::Null,
    }
}

/// Returns the object of a table. A histogram has all its rows, sorted; `limit` says how many a reader asked to see.
pub(crate) fn table(sender: Sender, table: &Table, resolver: &dyn Resolver) -> Result<Value, NotNumbers> {
    let rows = table.values();
    let entry = |key: &RecordValue<'_>, value: &RecordValue<'_>| json!({ "key": of_value(key, resolver), "value": of_value(value, resolver) });
    let mut rest = json!({});
    let kind = if table.style == TableStyle::Dump {
        rest["entries"] = rows.iter().map(|(key, value)| entry(key, value)).collect();
        "table"
    } else {
        let histogram = Histogram::new(table.style, table.limit, &rows)?;
        rest["entries"] = histogram
            .rows()
            .iter()
            .map(|(key, n)| entry(key, &RecordValue::Int(*n)))
            .collect();
        rest["shown"] = json!(histogram.shown());
        "hist"
    };
    let missing = (table.announced as usize).saturating_sub(rows.len());
    if missing > 0 {
        rest["missing"] = json!(missing);
    }
    Ok(head(kind, table.time_ns, sender, rest))
}

fn head(kind: &str, time_ns: u64, (cpu, probe): Sender, rest: Value) -> Value {
    let mut object = json!({ "type": kind, "time_ns": time_ns, "cpu": cpu });
    if probe != MAIN_PROBE {
        object["probe"] = json!(probe);
    }
    if let (Value::Object(members), Value::Object(rest)) = (&mut object, rest) {
        members.extend(rest);
    }
    object
}

/// Returns a value: nil, booleans, numbers and strings as JSON's own, others as objects with one telling member.
pub fn of_value(value: &RecordValue<'_>, resolver: &dyn Resolver) -> Value {
    match value {
        RecordValue::Nil => Value::Null,
        RecordValue::Bool(value) => json!(value),
        RecordValue::Int(n) => json!(n),
        RecordValue::Str(bytes) => json!(lossy(bytes)),
        RecordValue::Table(handle) => json!({ "table": handle }),
        RecordValue::Function(handle) => json!({ "function": handle }),
        RecordValue::Builtin(number) => match Builtin::from_number(*number) {
            Some(builtin) => json!({ "builtin": builtin.name() }),
            None => json!({ "builtin": number }),
        },
        RecordValue::Stack(user, pid, bytes) => {
            let frame = |address| match *user {
                true => user_frame(*pid, address, resolver),
                false => of_address(address, resolver),
            };
            let frames: Vec<Value> = value::addresses(bytes).map(frame).collect();
            if *user {
                json!({ "ustack": frames, "pid": pid })
            } else {
                json!({ "stack": frames })
            }
        }
        RecordValue::Event(id, raw) => event(*id, raw, value, resolver),
        RecordValue::Symbol(address) => of_address(*address, resolver),
        RecordValue::Stat(stat) => json!({
            "count": stat.count, "sum": stat.sum, "min": stat.min, "max": stat.max, "avg": value::average(stat),
        }),
        RecordValue::Format(id) => json!({ "format": id }),
    }
}

fn of_address(address: u64, resolver: &dyn Resolver) -> Value {
    let mut object = json!({ "address": hex(address) });
    if let Some(symbol) = resolver.symbol(address) {
        object["symbol"] = json!(symbol.name);
        object["offset"] = json!(symbol.offset);
        if let Some(module) = symbol.module {
            object["module"] = json!(module);
        }
    }
    object
}

fn user_frame(pid: u32, address: u64, resolver: &dyn Resolver) -> Value {
    let mut object = json!({ "address": hex(address) });
    if let Some(symbol) = resolver.user_symbol(pid, address) {
        object["symbol"] = json!(symbol.name);
        object["offset"] = json!(symbol.offset);
    }
    object
}

fn event(id: u16, raw: &[u8], value: &RecordValue<'_>, resolver: &dyn Resolver) -> Value {
    let text = value::text(value, resolver);
    let Some(format) = resolver.event(id) else {
        return json!({ "event": id, "text": lossy(&text) });
    };
    let mut fields = json!({});
    for (name, value) in format.values(raw) {
        fields[name] = of_field(&value);
    }
    json!({ "event": format.name, "fields": fields, "text": lossy(&text) })
}

fn of_field(value: &FieldValue<'_>) -> Value {
    match value {
        FieldValue::Int(n) => json!(n),
        FieldValue::Uint(n) => json!(n),
        FieldValue::Text(bytes) => json!(lossy(bytes)),
        FieldValue::Array(items) => items.iter().map(of_field).collect(),
        FieldValue::Bytes(bytes) => json!(bytes),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}

/// Returns `lost`: what did not come, why, and of which probe.
pub fn lost(cause: &str, count: u64, probe: Option<&str>) -> Value {
    let mut object = json!({ "type": "lost", "cause": cause, "count": count });
    if let Some(probe) = probe {
        object["probe"] = json!(probe);
    }
    object
}

/// Returns `error`: the message, and where in the script if it is a place there.
pub fn error(message: &str, place: Option<&str>) -> Value {
    let mut object = json!({ "type": "error", "message": message });
    if let Some(place) = place {
        object["place"] = json!(place);
    }
    object
}

/// Returns `diagnostic`: a finding of the compiler. Severity is `warning` or `error`; line and column count from 1.
pub fn diagnostic(code: &str, severity: &str, message: &str, file: &str, line: usize, column: usize) -> Value {
    json!({
        "type": "diagnostic", "code": code, "severity": severity, "message": message,
        "file": file, "line": line, "column": column,
    })
}

/// Returns `ended`: why the session is over and the exit code.
pub fn ended(reason: &str, exit_code: i32) -> Value {
    json!({ "type": "ended", "reason": reason, "exit_code": exit_code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_begin_with_their_type() {
        assert_eq!(
            lost("ring", 3, None).to_string(),
            r#"{"type":"lost","cause":"ring","count":3}"#
        );
        assert_eq!(
            lost("fuel", 1, Some("p")).to_string(),
            r#"{"type":"lost","cause":"fuel","count":1,"probe":"p"}"#
        );
        assert_eq!(
            error("no", Some("a.kp:1:2")).to_string(),
            r#"{"type":"error","message":"no","place":"a.kp:1:2"}"#
        );
        assert_eq!(
            diagnostic("K0001", "error", "m", "a.kp", 1, 2).to_string(),
            r#"{"type":"diagnostic","code":"K0001","severity":"error","message":"m","file":"a.kp","line":1,"column":2}"#
        );
        assert_eq!(
            ended("exit", 0).to_string(),
            r#"{"type":"ended","reason":"exit","exit_code":0}"#
        );
    }
}
