//! The kernel's functions and symbols, by name.
//!
//! In: /proc/kallsyms, tracefs, the blacklist of kprobes. Out: names and addresses. Invariant: the lists are read line by line; they are larger than
//! what a small board can spare.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_bytecode::glob;

use super::tracefs::Tracefs;
use crate::crc::crc32;
use crate::sys::file::{self, Fd};

/// Calls `take` with every line of a file, until it says false; false if the file cannot be read.
fn each_line(path: &str, mut take: impl FnMut(&str) -> bool) -> bool {
    let Ok(fd) = Fd::open(path, file::O_RDONLY) else {
        return false;
    };
    let mut buf = alloc::vec![0u8; 64 << 10];
    let mut held = 0;
    loop {
        let got = fd.read(&mut buf[held..]).unwrap_or(0);
        let filled = held + got;
        let whole = match (got, buf[..filled].iter().rposition(|b| *b == b'\n')) {
            (0, _) => filled,
            (_, Some(at)) => at + 1,
            // A line longer than the buffer is none of ours.
            (_, None) => filled,
        };
        for line in buf[..whole].split(|b| *b == b'\n') {
            let line = core::str::from_utf8(line).unwrap_or_default();
            if !line.is_empty() && !take(line) {
                return true;
            }
        }
        if got == 0 {
            return true;
        }
        buf.copy_within(whole..filled, 0);
        held = filled - whole;
    }
}

/// Returns the address of a symbol, `name` or `name+0x10`; nothing if there is none, or if the kernel hides addresses.
pub fn address(name: &str) -> Option<u64> {
    let (name, offset) = match name.rsplit_once('+') {
        Some((name, offset)) => (name, number(offset)?),
        None => (name, 0),
    };
    let mut found = None;
    each_line("/proc/kallsyms", |line| {
        let mut words = line.split_ascii_whitespace();
        let (address, symbol) = (words.next(), words.nth(1));
        if symbol == Some(name) {
            found = address.and_then(|address| u64::from_str_radix(address, 16).ok());
        }
        found.is_none()
    });
    found
        .filter(|address| *address != 0)
        .map(|address| address.wrapping_add(offset))
}

/// Reads a number, hexadecimal behind `0x`.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Returns the functions that a glob matches and kprobes may be put on: `name`, or `module:name` for those of modules.
pub fn functions(pattern: &str, module: Option<&str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // Of their names, to find one again.
    let mut hashes: Vec<u32> = Vec::new();
    let mut take = |name: &str, of: Option<&str>| {
        let of = of.map(|of| of.trim_start_matches('[').trim_end_matches(']'));
        if glob::matches(pattern.as_bytes(), name.as_bytes()) && module.is_none_or(|module| of == Some(module)) {
            let full = match of {
                Some(of) => alloc::format!("{of}:{name}"),
                None => name.to_string(),
            };
            // The same name may stand for several functions; the kernel finds one of them by it.
            let hash = crc32(0, full.as_bytes());
            if position(&found, &hashes, &full, hash).is_none() {
                found.push(full);
                hashes.push(hash);
            }
        }
    };
    let traceable = Tracefs::find().map(|tracefs| alloc::format!("{}available_filter_functions", tracefs.root()));
    let listed = traceable.is_ok_and(|path| {
        each_line(&path, |line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next().unwrap_or_default();
            // The kernel's word for what cannot be named.
            if !name.starts_with("__ftrace_invalid_address") {
                take(name, words.next().filter(|word| word.starts_with('[')));
            }
            true
        })
    });
    if !listed {
        // A kernel without the function tracer.
        each_line("/proc/kallsyms", |line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            if matches!(words.next(), Some("t" | "T")) {
                take(words.next().unwrap_or_default(), words.next());
            }
            true
        });
    }
    each_line("/sys/kernel/debug/kprobes/blacklist", |line| {
        let forbidden = line.split_ascii_whitespace().nth(1).unwrap_or_default();
        if let Some(at) = position(&found, &hashes, forbidden, crc32(0, forbidden.as_bytes())) {
            found.remove(at);
            hashes.remove(at);
        }
        true
    });
    found
}

/// Finds a name by its hash; of some thousand names that takes no sorting and no tree.
fn position(names: &[String], hashes: &[u32], name: &str, hash: u32) -> Option<usize> {
    let mut same = hashes.iter().enumerate().filter(|(_, other)| **other == hash);
    same.find(|(at, _)| names.get(*at).is_some_and(|other| other == name))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((number("0x10"), number("16"), number("x")), (Some(16), Some(16), None));
    }

    #[test]
    fn lines_across_buffers() {
        let path = std::env::temp_dir().join(format!("ktap-lines-{}", std::process::id()));
        let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, text + "last").expect("written");
        let mut seen = Vec::new();
        assert!(each_line(path.to_str().expect("a path"), |line| {
            seen.push(line.to_string());
            true
        }));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(seen.len(), 20_001);
        assert_eq!((seen[19_999].as_str(), seen[20_000].as_str()), ("line 19999", "last"));
        assert!(!each_line("/nonexistent", |_| true));
    }
}
