//! The kernel's helpers that print formats call.
//!
//! In: numbers and bytes. Out: their texts, as kernel/trace/trace_output.c makes them. Invariant: bits and values without a name
//! are still shown.

use std::borrow::Cow;

use crate::abi::Abi;

type Names<'a> = [(u64, Cow<'a, [u8]>)];

/// `__print_symbolic`: the name of a value, or the value.
pub(super) fn symbolic(value: u64, names: &Names<'_>) -> Vec<u8> {
    match names.iter().find(|(known, _)| *known == value) {
        Some((_, name)) => name.to_vec(),
        None => format!("{value:#x}").into_bytes(),
    }
}

/// `__print_flags`: the names of all bits that are set, then the bits without one.
pub(super) fn flags(value: u64, delimiter: &[u8], names: &Names<'_>) -> Vec<u8> {
    let mut left = value;
    let mut parts: Vec<Cow<'_, [u8]>> = Vec::new();
    for (mask, name) in names {
        if left == 0 {
            break;
        }
        if left & mask == *mask {
            left &= !mask;
            parts.push(Cow::Borrowed(name));
        }
    }
    if left != 0 {
        parts.push(Cow::Owned(format!("{left:#x}").into_bytes()));
    }
    parts.join(delimiter)
}

/// `__print_hex`, `__print_hex_str`: two digits a byte.
pub(super) fn hex(bytes: &[u8], separator: &str) -> Vec<u8> {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(separator)
        .into_bytes()
}

/// `__print_array`: `{0x1,0x2}`; nothing for elements of an odd size.
pub(super) fn array(bytes: &[u8], size: usize, abi: Abi) -> Option<Vec<u8>> {
    if !matches!(size, 1 | 2 | 4 | 8) {
        return None;
    }
    let items: Vec<String> = bytes
        .chunks_exact(size)
        .map(|item| format!("{:#x}", abi.read(item)))
        .collect();
    Some(format!("{{{}}}", items.join(",")).into_bytes())
}

/// `__get_bitmask`: groups of 32 bits in hexadecimal, the highest first (`%*pb`).
pub(super) fn bitmask(bytes: &[u8], abi: Abi) -> Vec<u8> {
    let words = words_of_32(bytes, abi);
    words
        .iter()
        .rev()
        .map(|word| format!("{word:08x}"))
        .collect::<Vec<_>>()
        .join(",")
        .into_bytes()
}

/// `%*pbl`: ranges of set bits.
pub(super) fn bit_list(bytes: &[u8], bits: usize, abi: Abi) -> Vec<u8> {
    let words = words_of_32(bytes, abi);
    let is_set = |bit: usize| words.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1);
    let mut ranges = Vec::new();
    let mut bit = 0;
    while bit < bits {
        let start = bit;
        while bit < bits && is_set(bit) {
            bit += 1;
        }
        match bit - start {
            0 => bit += 1,
            1 => ranges.push(start.to_string()),
            _ => ranges.push(format!("{start}-{}", bit - 1)),
        }
    }
    ranges.join(",").into_bytes()
}

/// The kernel keeps bits in `long`s; as words of 32 bits, the lowest first, they are the same on every board.
fn words_of_32(bytes: &[u8], abi: Abi) -> Vec<u32> {
    let mut words = Vec::new();
    for long in bytes.chunks(usize::from(abi.long_bytes)) {
        let value = abi.read(long);
        words.push(value as u32);
        if long.len() > 4 {
            words.push((value >> 32) as u32);
        }
    }
    words
}
