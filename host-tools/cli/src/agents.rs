//! The agents that ktap-host carries inside itself.
//!
//! In: what the build script embedded. Out: [`Agent`]s for the transport. Invariant: an agent's hash is of the bytes carried.

use ktap_transport::Agent;

include!(concat!(env!("OUT_DIR"), "/agents.rs"));

/// Returns every agent carried.
pub fn carried() -> Vec<Agent<'static>> {
    EMBEDDED
        .iter()
        .map(|&(arch, bytes)| Agent {
            arch,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            crc32: crc32(bytes),
            bytes,
        })
        .collect()
}

/// CRC-32 (IEEE), as the agent computes of its own file for `ktap-agent version`.
fn crc32(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}
