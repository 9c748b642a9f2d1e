//! Packed bytes: compressed where that pays.
//!
//! In: bytes. Out: [`Packed`], and back. Invariant: unpacking allocates no more than the limit the caller gives, whatever the
//! bytes claim.

use alloc::vec::Vec;

use crate::message::Packed;

/// Why packed bytes cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// They claim to be longer than the caller allows.
    TooLong(usize),
    /// They are no LZ4 block of the length they claim.
    Malformed,
}

impl core::fmt::Display for UnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            UnpackError::TooLong(len) => write!(f, "{len} packed bytes are more than allowed"),
            UnpackError::Malformed => write!(f, "malformed packed bytes"),
        }
    }
}

impl core::error::Error for UnpackError {}

impl Packed {
    /// Packs bytes: as an LZ4 block if that is shorter, else as they are.
    pub fn pack(bytes: &[u8]) -> Packed {
        let block = lz4_flex::block::compress(bytes);
        let bytes_out = if block.len() < bytes.len() {
            block
        } else {
            bytes.to_vec()
        };
        Packed {
            raw_len: bytes.len() as u32,
            bytes: bytes_out,
        }
    }

    /// Returns the bytes packed, at most `limit` of them.
    ///
    /// # Errors
    /// More than `limit` bytes, or bytes that [`Packed::pack`] did not make.
    pub fn unpack(&self, limit: usize) -> Result<Vec<u8>, UnpackError> {
        let raw_len = self.raw_len as usize;
        if raw_len > limit {
            return Err(UnpackError::TooLong(raw_len));
        }
        if self.bytes.len() == raw_len {
            return Ok(self.bytes.clone());
        }
        if self.bytes.len() > raw_len {
            return Err(UnpackError::Malformed);
        }
        match lz4_flex::block::decompress(&self.bytes, raw_len) {
            Ok(raw) if raw.len() == raw_len => Ok(raw),
            _ => Err(UnpackError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back(bytes in proptest::collection::vec(0u8..4, 0..2000)) {
            let packed = Packed::pack(&bytes);
            prop_assert!(packed.bytes.len() <= bytes.len());
            prop_assert_eq!(packed.unpack(bytes.len()), Ok(bytes));
        }

        #[test]
        fn hostile_bytes_are_bounded(raw_len in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for raw_len in [raw_len, raw_len % 400] {
                if let Ok(raw) = (Packed { raw_len, bytes: bytes.clone() }).unpack(4096) {
                    prop_assert_eq!(raw.len(), raw_len as usize);
                }
            }
        }
    }

    #[test]
    fn lies_about_the_length_are_refused() {
        let packed = Packed::pack(&[7; 500]);
        assert!(packed.bytes.len() < 50);
        assert_eq!(packed.unpack(499), Err(UnpackError::TooLong(500)));
        assert_eq!(
            Packed {
                raw_len: 501,
                ..packed.clone()
            }
            .unpack(1000),
            Err(UnpackError::Malformed)
        );
        assert_eq!(
            Packed { raw_len: 499, ..packed }.unpack(1000),
            Err(UnpackError::Malformed)
        );
        assert_eq!(
            Packed {
                raw_len: 1,
                bytes: vec![1, 2]
            }
            .unpack(1000),
            Err(UnpackError::Malformed)
        );
    }
}
