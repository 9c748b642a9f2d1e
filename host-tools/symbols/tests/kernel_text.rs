//! Raw records of a real kernel (6.18, x86_64) beside the text it made of them.
//!
//! `tests/fixtures/SYSTEM/EVENT/{format,records}` were made by `record.py fixtures`; a record's bytes and the kernel's line alternate.

use std::fs;
use std::path::{Path, PathBuf};

use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::printk_formats::PrintkFormats;
use ktap_symbols::symbol::{NoSymbols, Symbol, Symbolize};

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

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(path)
        .expect("a directory")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths
}

fn events() -> Vec<PathBuf> {
    directories(&fixtures())
        .iter()
        .flat_map(|system| directories(system))
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect()
}

#[test]
fn texts_are_the_kernels() {
    let symbols = Kallsyms::parse(&read(fixtures().join("kallsyms")));
    let names = Names {
        symbols,
        strings: PrintkFormats::parse(&read(fixtures().join("printk_formats"))),
    };
    let events = events();
    assert!(events.len() >= 40, "only {} events", events.len());
    let mut wrong = Vec::new();
    for event in &events {
        let format = EventFormat::parse(&read(event.join("format")), Abi::LP64).expect("a format");
        let records = read(event.join("records"));
        let lines: Vec<&str> = records.lines().collect();
        for pair in lines.chunks(2) {
            let ours = String::from_utf8_lossy(&format.line(&bytes(pair[0]), &names)).into_owned();
            if ours.trim_end() != pair[1].trim_end() {
                wrong.push(format!("ours   {ours}\nkernel {}", pair[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn cut_records_are_rendered_too() {
    for event in events() {
        let format = EventFormat::parse(&read(event.join("format")), Abi::LP64).expect("a format");
        let records = read(event.join("records"));
        let raw = bytes(records.lines().next().expect("a record"));
        for len in 0..raw.len() {
            let line = format.line(&raw[..len], &NoSymbols);
            assert!(!line.is_empty(), "{} cut to {len}", format.name);
        }
    }
}
