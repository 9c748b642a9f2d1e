//! Lists the events of a directory whose print formats are beyond this crate.

use std::io::{self, Write};
use std::{env, fs};

use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut count = 0;
    for path in env::args().skip(1) {
        match EventFormat::parse(&fs::read_to_string(&path)?, Abi::LP64) {
            Ok(format) if format.has_print_format() => count += 1,
            Ok(format) => writeln!(out, "{}: {}", format.name, format.print_fmt)?,
            Err(error) => writeln!(out, "{path}: {error}")?,
        }
    }
    writeln!(out, "{count} understood")
}
