//! CRC-32 as zip and Ethernet have it, to tell one build of the agent from another.
//!
//! In: bytes. Out: a checksum. Invariant: the check value of "123456789" is 0xcbf43926.

/// Returns the checksum of bytes that follow those of `so_far`; start with 0.
pub fn crc32(so_far: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!so_far, |crc, byte| {
        (0..8).fold(crc ^ *byte as u32, |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_value() {
        assert_eq!(super::crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(super::crc32(super::crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
    }
}
