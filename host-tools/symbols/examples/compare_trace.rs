//! Compares the event texts of this crate with the kernel's own.
//!
//! In: a directory with `SYSTEM/EVENT/format` files, kallsyms, printk_formats, and on standard input lines of
//! `SYSTEM/EVENT hexbytes` each followed by the line of the kernel. Out: one line for each difference, then a summary.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::{env, fs};

use ktap_symbols::abi::Abi;
use ktap_symbols::format::{Agreement, EventFormat};
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::printk_formats::PrintkFormats;
use ktap_symbols::symbol::{Symbol, Symbolize};

struct Names {
    symbols: Kallsyms,
    strings: PrintkFormats,
}

impl Symbolize for Names {
    fn symbol(&self, address: u64) -> Option<Symbol<'_>> {
        self.symbols.lookup(address)
    }

    fn string(&self, address: u64) -> Option<&[u8]> {
        self.strings.get(address)
    }
}

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let usage = || io::Error::other("usage: compare_trace EVENTS_DIR KALLSYMS PRINTK_FORMATS < records");
    let events = args.next().ok_or_else(usage)?;
    let symbols = Kallsyms::parse(&fs::read_to_string(args.next().ok_or_else(usage)?)?);
    let strings = PrintkFormats::parse(&fs::read_to_string(args.next().ok_or_else(usage)?)?);
    let names = Names { symbols, strings };
    let mut formats: BTreeMap<String, EventFormat> = BTreeMap::new();
    let mut lines = io::stdin().lock().lines();
    let mut out = io::stdout().lock();
    let (mut same, mut different) = (0u64, 0u64);
    let mut unknowable: BTreeMap<String, u64> = BTreeMap::new();
    while let (Some(record), Some(theirs)) = (lines.next(), lines.next()) {
        let (record, theirs) = (record?, theirs?);
        let Some((event, hex)) = record.split_once(' ') else {
            continue;
        };
        if !formats.contains_key(event) {
            let text = fs::read_to_string(Path::new(&events).join(event).join("format"))?;
            formats.insert(
                event.to_owned(),
                EventFormat::parse(&text, Abi::LP64).map_err(io::Error::other)?,
            );
        }
        let Some(format) = formats.get(event) else { continue };
        let raw: Vec<u8> = (0..hex.len() / 2)
            .filter_map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok())
            .collect();
        match format.compare_line(&raw, &theirs, &names) {
            Agreement::Same => same += 1,
            Agreement::Unknowable => *unknowable.entry(event.to_owned()).or_default() += 1,
            Agreement::Different(ours) => {
                different += 1;
                writeln!(out, "{event}\n  ours   {ours}\n  kernel {theirs}")?;
            }
        }
    }
    for (event, count) in &unknowable {
        writeln!(out, "{event}: {count} need what only the kernel knows")?;
    }
    writeln!(out, "{same} alike, {different} different, {} events", formats.len())
}
