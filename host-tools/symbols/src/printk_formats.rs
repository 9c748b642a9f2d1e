//! The kernel's constant strings that records point to.
//!
//! In: the text of tracefs' `printk_formats`. Out: [`PrintkFormats`]. Invariant: addresses are the board's, as in its records.

use std::collections::HashMap;

/// Strings by address.
#[derive(Clone, Debug, Default)]
pub struct PrintkFormats {
    strings: HashMap<u64, Vec<u8>>,
}

impl PrintkFormats {
    /// Reads lines of `0xaddress : "text"`; other lines are skipped.
    pub fn parse(text: &str) -> PrintkFormats {
        let strings = text.lines().filter_map(line).collect();
        PrintkFormats { strings }
    }

    /// Returns the string at `address`.
    pub fn get(&self, address: u64) -> Option<&[u8]> {
        self.strings.get(&address).map(Vec::as_slice)
    }
}

fn line(line: &str) -> Option<(u64, Vec<u8>)> {
    let (address, rest) = line.split_once(" : ")?;
    let address = u64::from_str_radix(address.trim().strip_prefix("0x")?, 16).ok()?;
    let quoted = rest.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((address, crate::format::unescape(quoted.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let table = PrintkFormats::parse("0xffffffff82f57188 : \"End \\\"x\\\"\\n\"\nrubbish\n");
        assert_eq!(table.get(0xffffffff82f57188), Some(&b"End \"x\"\n"[..]));
        assert_eq!(table.get(1), None);
    }
}
