//! Addresses that the kernel shows by a hash only it can make.
//!
//! In: pairs of lines, ours with the addresses, the kernel's with hashes. Out: whether they are the same but for that. Invariant: one address
//! has one hash through a whole capture, which is what can be known of it.

use std::collections::HashMap;

/// Digits of an address of 64 bits.
const DIGITS: usize = 16;
/// What a hash, which has 32 bits, begins with.
const HASH_START: &str = "00000000";

/// The hashes seen so far.
#[derive(Default)]
pub struct Hashes {
    by_address: HashMap<String, String>,
}

impl Hashes {
    /// Returns true if `theirs` is `ours` with a hash in the place of each address: always the same one.
    pub fn agree(&mut self, ours: &str, theirs: &str) -> bool {
        if ours.len() != theirs.len() {
            return false;
        }
        let mut at = 0;
        while let (Some(a), Some(b)) = (ours.get(at..), theirs.get(at..)) {
            if a == b {
                return true;
            }
            let (address, hash) = (word(a), word(b));
            if address != hash {
                let hashed = address.len() == DIGITS && hash.len() == DIGITS && hash.starts_with(HASH_START);
                if !hashed
                    || *self
                        .by_address
                        .entry(address.to_owned())
                        .or_insert_with(|| hash.to_owned())
                        != hash
                {
                    return false;
                }
            }
            at += address.len();
            match (ours.as_bytes().get(at), theirs.as_bytes().get(at)) {
                (None, None) => return true,
                (a, b) if a == b => at += 1,
                _ => return false,
            }
        }
        // Inside of a letter of several bytes.
        false
    }

    /// Returns the number of addresses.
    pub fn len(&self) -> usize {
        self.by_address.len()
    }
}

/// The hexadecimal digits that `text` begins with; they may be none.
fn word(text: &str) -> &str {
    let end = text.bytes().take(DIGITS).take_while(u8::is_ascii_hexdigit).count();
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_hash() {
        let mut hashes = Hashes::default();
        assert!(hashes.agree("x=ff49b7d70f023440 n=1", "x=00000000b5813414 n=1"));
        assert!(hashes.agree("y=0xff49b7d70f023440", "y=0x00000000b5813414"));
        assert!(!hashes.agree("x=ff49b7d70f023440 n=1", "x=00000000b5813415 n=1"));
        assert_eq!(hashes.len(), 1);
    }

    #[test]
    fn nothing_else_may_differ() {
        let mut hashes = Hashes::default();
        for (ours, theirs) in [
            ("x=ff49b7d70f023440 n=1", "x=00000000b5813414 n=2"),
            ("x=ff49b7d70f023440", "x=12345678b5813414"),
            ("x=ff49b7d70f0234", "x=00000000b58134"),
            ("x=ff49b7d70f023440 longer", "x=00000000b5813414"),
            ("é=1", "è=1"),
        ] {
            assert!(!hashes.agree(ours, theirs), "{ours}");
        }
    }
}
