//! Lists of bounded length in what is decoded.
//!
//! In: a serde sequence. Out: a vector. Invariant: a hostile length costs no memory: a few bytes on the wire may stand for an element of a
//! hundred in memory, so a list is cut off at its bound and not at the end of the bytes.

use alloc::vec::Vec;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Decodes at most `MAX` elements: for serde's `deserialize_with`.
///
/// # Errors
/// More elements, or one that does not decode.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MAX: usize>(d: D) -> Result<Vec<T>, D::Error> {
    d.deserialize_seq(List::<T, MAX>(PhantomData))
}

struct List<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::new();
        while let Some(element) = seq.next_element()? {
            if out.len() == MAX {
                return Err(A::Error::custom("a list is too long"));
            }
            out.push(element);
        }
        Ok(out)
    }
}
