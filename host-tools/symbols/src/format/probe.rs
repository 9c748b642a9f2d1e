//! Events that the kernel prints with code of its own: probes made at run time, and function entries.
//!
//! In: a raw record. Out: the kernel's line, or nothing for other events. Invariant: the addresses in front are named as the kernel
//! names them; those of user space have no name there either.

use super::event::EventFormat;
use super::field::{Field, FieldValue};
use crate::symbol::Symbolize;

/// Returns `name: (symbol+0xoff/0xsize) arguments` for k- and uprobes, `(return place <- function)` for return probes.
pub(super) fn line(event: &EventFormat, raw: &[u8], symbols: &dyn Symbolize) -> Option<Vec<u8>> {
    let mut own = event.own_fields();
    let place = match own.next()?.name.as_str() {
        "__probe_ip" => with_offset(number(event, raw, "__probe_ip")?, symbols),
        "__probe_func" => {
            let function = without_offset(number(event, raw, "__probe_func")?, symbols);
            format!(
                "{} <- {function}",
                with_offset(number(event, raw, "__probe_ret_ip")?, symbols)
            )
        }
        "ip" if event.name == "function" => {
            let parent = without_offset(number(event, raw, "parent_ip")?, symbols);
            return Some(format!("{} <-{parent}", without_offset(number(event, raw, "ip")?, symbols)).into_bytes());
        }
        _ => return None,
    };
    // The print format begins with the addresses in parentheses; the arguments behind them are the kernel's own text.
    let text = event.formatted(raw, symbols)?;
    let arguments = text.iter().position(|byte| *byte == b')')? + 1;
    let mut line = format!("{}: ({place})", event.name).into_bytes();
    line.extend_from_slice(text.get(arguments..)?);
    Some(line)
}

/// Returns true for the first field of events that begin with a place in code. Probes of user space look the same in their formats.
pub(super) fn is_place(first: &Field) -> bool {
    matches!(first.name.as_str(), "__probe_ip" | "__probe_func" | "ip")
}

fn number(event: &EventFormat, raw: &[u8], field: &str) -> Option<u64> {
    match event.field(field)?.value(raw, event.abi)? {
        FieldValue::Int(n) => Some(n as u64),
        FieldValue::Uint(n) => Some(n),
        _ => None,
    }
}

fn with_offset(address: u64, symbols: &dyn Symbolize) -> String {
    symbols
        .symbol(address)
        .map_or_else(|| format!("{address:#x}"), |symbol| symbol.to_string())
}

fn without_offset(address: u64, symbols: &dyn Symbolize) -> String {
    let mut name = String::new();
    match symbols.symbol(address) {
        Some(symbol) if symbol.write_name(&mut name).is_ok() => name,
        _ => format!("{address:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::kallsyms::Kallsyms;

    const KALLSYMS: &str = "ffffffff81000000 T vfs_read\nffffffff81000100 T ksys_read\nffffffff81000200 T end\n";

    fn line(fields: &[&str], print_fmt: &str, raw: &[u64]) -> String {
        let mut text =
            String::from("name: p1\nID: 9\nformat:\n\tfield:unsigned long common;\toffset:0;\tsize:8;\tsigned:0;\n\n");
        for (index, field) in fields.iter().enumerate() {
            text.push_str(&format!(
                "\tfield:unsigned long {field};\toffset:{};\tsize:8;\tsigned:0;\n",
                8 + 8 * index
            ));
        }
        text.push_str(&format!("\nprint fmt: {print_fmt}\n"));
        let event = EventFormat::parse(&text, Abi::LP64).expect("a format");
        let raw: Vec<u8> = [0].iter().chain(raw).flat_map(|word| word.to_le_bytes()).collect();
        String::from_utf8_lossy(&event.line(&raw, &Kallsyms::parse(KALLSYMS))).into_owned()
    }

    #[test]
    fn places_are_named() {
        let print_fmt = "\"(%lx) a=0x%Lx\", REC->__probe_ip, REC->a";
        assert_eq!(
            line(&["__probe_ip", "a"], print_fmt, &[0xffffffff81000004, 16]),
            "p1: (vfs_read+0x4/0x100) a=0x10"
        );
        assert_eq!(
            line(&["__probe_ip", "a"], print_fmt, &[0x401000, 16]),
            "p1: (0x401000) a=0x10"
        );
        let print_fmt = "\"(%lx <- %lx) r=%Ld\", REC->__probe_func, REC->__probe_ret_ip, REC->r";
        assert_eq!(
            line(
                &["__probe_func", "__probe_ret_ip", "r"],
                print_fmt,
                &[0xffffffff81000000, 0xffffffff81000110, u64::MAX]
            ),
            "p1: (ksys_read+0x10/0x100 <- vfs_read) r=-1"
        );
    }
}
