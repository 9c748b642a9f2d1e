//! Compares the event texts of this crate with the kernel's own, record by record, over a capture of a board's whole ring buffer.
//!
//! In: a directory with `cpuN.pages` and `cpuN.text` (a trace instance's `per_cpu/cpuN/trace_pipe_raw` and `trace`), `formats` (all
//! format files, each behind a line `==> SYSTEM/EVENT/format <==`), `header_page`, `kallsyms`, `printk_formats`; the least number of kinds
//! of events that must be there, system calls not counted. Out: differences, then one line that sums up. Invariant: a record without a
//! text of the kernel, or a text without a record, is an error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the tests, whose output is its result"
)]

mod hashes;
mod ring;
mod tally;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use ktap_symbols::abi::Abi;
use ktap_symbols::format::{Agreement, EventFormat};
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::printk_formats::PrintkFormats;
use ktap_symbols::symbol::{Symbol, Symbolize};

use hashes::Hashes;
use tally::{Formats, Tally};

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

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [directory, least] => least
            .parse()
            .map_err(|_| format!("`{least}` is no number"))
            .and_then(|least| compare(Path::new(directory), least)),
        _ => Err("usage: compare_capture DIRECTORY LEAST_KINDS".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("compare_capture: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn compare(directory: &Path, least: usize) -> Result<bool, String> {
    let names = Names {
        symbols: Kallsyms::parse(&read(&directory.join("kallsyms"))?),
        strings: PrintkFormats::parse(&read(&directory.join("printk_formats"))?),
    };
    let header_page = read(&directory.join("header_page"))?;
    let formats = formats(&read(&directory.join("formats"))?)?;
    let mut tally = Tally::new(&formats);
    let mut hashes = Hashes::default();
    for cpu in 0.. {
        let file = |kind: &str| directory.join(format!("cpu{cpu}.{kind}"));
        if !file("pages").exists() {
            break;
        }
        let pages = bytes(&file("pages"))?;
        let records = ring::records(&pages, &header_page, Abi::LP64)?;
        let lines = text::lines(&read(&file("text"))?, cpu);
        if records.len() != lines.len() {
            return Err(format!(
                "CPU {cpu} has {} records but {} lines of text",
                records.len(),
                lines.len()
            ));
        }
        for (record, line) in records.iter().zip(&lines) {
            // The kernel rounds to the nearest microsecond.
            if ((record.time + 500) / 1000).abs_diff(line.time) > 1 {
                return Err(format!(
                    "the text of a record at {} ns is that of one at {} us",
                    record.time, line.time
                ));
            }
            let id = record.bytes.get(..2).map_or(0, |id| Abi::LP64.read(id) as u16);
            let (kind, format) = formats
                .get(&id)
                .ok_or_else(|| format!("there is no format with the id {id}"))?;
            let agreement = match format.compare_line(record.bytes, &line.text, &names) {
                Agreement::Different(ours) if hashes.agree(ours.trim(), line.text.trim()) => Agreement::Same,
                other => other,
            };
            tally.add(kind, &line.text, agreement);
        }
    }
    Ok(tally.report(hashes.len(), least))
}

/// Takes the text of all format files apart.
fn formats(text: &str) -> Result<Formats, String> {
    let mut formats = Formats::new();
    for part in format!("\n{text}").split("\n==> ").skip(1) {
        let (name, text) = part.split_once("/format <==\n").ok_or("a format without a name")?;
        // Not events that could be switched on: the kernel prints them with code of its own.
        if name.starts_with("ftrace/") {
            continue;
        }
        let format = EventFormat::parse(text, Abi::LP64).map_err(|error| format!("{name}: {error}"))?;
        formats.insert(format.id, (name.to_owned(), format));
    }
    Ok(formats)
}

fn read(path: &Path) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
