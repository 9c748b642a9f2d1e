//! CPUs online.
//!
//! In: the kernel's list. Out: CPU numbers, which need not be contiguous. Invariant: the list is never empty.

use alloc::vec::Vec;

use crate::sys::file::read_line;

/// Returns the numbers of the CPUs online.
pub fn online() -> Vec<u32> {
    let text = read_line("/sys/devices/system/cpu/online").unwrap_or_default();
    let cpus = parse_list(&text);
    if cpus.is_empty() { alloc::vec![0] } else { cpus }
}

/// Parses a list as the kernel writes it, `0-3,5`; parts that make no sense are left out.
fn parse_list(text: &str) -> Vec<u32> {
    const MOST: u32 = 8192;
    let mut out = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            out.extend(first..=last.min(MOST));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists() {
        assert_eq!(super::parse_list("0-3,5"), [0, 1, 2, 3, 5]);
        assert_eq!(super::parse_list("7"), [7]);
        assert_eq!(super::parse_list("x,2-1"), [0u32; 0]);
    }
}
