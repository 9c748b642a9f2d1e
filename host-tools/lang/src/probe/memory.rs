//! Hardware breakpoints: `mem:ADDR[/len][:rwx]`.
//!
//! In: a definition. Out: [`ProbePoint::Memory`]. Invariant: 1, 2, 4 or 8 bytes. Without a length 4 bytes are watched, without an
//! access reads and writes, as in perf.

use ktap_bytecode::probe::ProbePoint;

use super::split::Definition;
use super::{EventDefError, is_glob, number, refuse_filter};

/// Reads what follows `mem:`.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    refuse_filter(definition, "a breakpoint")?;
    let wrong = |label: String| EventDefError::new(definition, label).help("a breakpoint is mem:ADDR[/len][:rwx]");
    let text = text.trim();
    let (place, access) = match text.split_once(':') {
        None => (text, 3),
        Some((place, letters)) => (
            place,
            access(letters).ok_or_else(|| wrong(format!("'{letters}' is no access")))?,
        ),
    };
    let (address, len) = match place.split_once('/') {
        None => (place, 4),
        Some((address, len)) => match len.trim() {
            "1" => (address, 1),
            "2" => (address, 2),
            "4" => (address, 4),
            "8" => (address, 8),
            other => return Err(wrong(format!("'{other}' is no length: 1, 2, 4 or 8"))),
        },
    };
    let address = address.trim();
    let starts_with_digit = address.starts_with(|c: char| c.is_ascii_digit());
    let known = if starts_with_digit {
        number(address).is_some()
    } else {
        is_glob(address) && !address.contains(['*', '?', '['])
    };
    if !known {
        return Err(wrong(format!("'{address}' is no address")));
    }
    Ok(ProbePoint::Memory {
        address: address.into(),
        len,
        access,
    })
}

/// Returns the bits of `r`, `w` and `x`, each at most once.
fn access(letters: &str) -> Option<u8> {
    let mut bits = 0;
    for letter in letters.trim().chars() {
        let bit = match letter {
            'r' => 1,
            'w' => 2,
            'x' => 4,
            _ => return None,
        };
        if bits & bit != 0 {
            return None;
        }
        bits |= bit;
    }
    (bits != 0).then_some(bits)
}
