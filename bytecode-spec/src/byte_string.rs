//! Bytes as one byte string on the wire: serde's derive would take them for a list of numbers.
//!
//! In: `#[serde(with = "ktap_bytecode::byte_string")]` on a field. Out: its length and its bytes. Invariant: the bytes travel as they are.

use alloc::vec::Vec;
use serde::{Deserializer, Serializer, de::Visitor};

/// Writes the bytes.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(bytes)
}

/// Reads bytes.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("a byte string")
        }

        fn visit_bytes<E>(self, v: &[u8]) -> Result<Vec<u8>, E> {
            Ok(v.into())
        }
    }

    d.deserialize_bytes(Bytes)
}
