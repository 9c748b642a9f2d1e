//! String literals of C.
//!
//! In: the bytes between two quotes. Out: the bytes they mean. Invariant: an unknown escape stands for the byte after the backslash.

/// Resolves the escapes of a C string literal.
pub fn unescape(literal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(literal.len());
    let mut rest = literal;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, tail)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = tail;
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'x' => out.push(digits(&mut rest, 16, 2, 0)),
            b'0'..=b'7' => out.push(digits(&mut rest, 8, 2, escape - b'0')),
            other => out.push(other),
        }
    }
    out
}

fn digits(rest: &mut &[u8], base: u32, most: usize, first: u8) -> u8 {
    let mut value = first;
    for _ in 0..most {
        let Some((&byte, tail)) = rest.split_first() else { break };
        let Some(digit) = (byte as char).to_digit(base) else {
            break;
        };
        value = value.wrapping_mul(base as u8).wrapping_add(digit as u8);
        *rest = tail;
    }
    value
}
