//! Messages as bytes.
//!
//! In: [`HostMessage`], [`BoardMessage`]. Out: postcard bytes, and back. Invariant: decoding takes exactly one message and
//! never panics; a `Hello` of another major version is told as such, whatever else it holds.

use alloc::vec::Vec;
use ktap_bytecode::version::{MAJOR, MINOR};
use serde::{Serialize, de::DeserializeOwned};

use crate::message::{BoardMessage, HostMessage, MAX_MESSAGE};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE`].
    TooLong(usize),
    /// Cut short, or of a variant this version does not know.
    Malformed,
    /// Bytes follow the message.
    TrailingBytes(usize),
    /// A `Hello` of another major version: (major, minor).
    Version(u8, u8),
}

impl core::fmt::Display for MessageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            MessageError::TooLong(len) => {
                write!(f, "a message of {len} bytes is longer than the {MAX_MESSAGE} allowed")
            }
            MessageError::Malformed => write!(f, "malformed message"),
            MessageError::TrailingBytes(n) => write!(f, "{n} bytes follow the message"),
            MessageError::Version(major, minor) => {
                write!(
                    f,
                    "the other side speaks version {major}.{minor}, this side {MAJOR}.{MINOR}"
                )
            }
        }
    }
}

impl core::error::Error for MessageError {}

impl HostMessage {
    /// Encodes the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// Any byte string that is not exactly one message of this major version.
    pub fn from_bytes(bytes: &[u8]) -> Result<HostMessage, MessageError> {
        decode(bytes)
    }
}

impl BoardMessage {
    /// Encodes the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// Any byte string that is not exactly one message of this major version.
    pub fn from_bytes(bytes: &[u8]) -> Result<BoardMessage, MessageError> {
        decode(bytes)
    }
}

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Encoding into a growing vector has no failure: every type here has a postcard form.
    postcard::to_allocvec(message).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes {
        _ if bytes.len() > MAX_MESSAGE => return Err(MessageError::TooLong(bytes.len())),
        // `Hello` is variant 0 on both sides and begins with the versions, in every version there will ever be.
        [0, major, minor, ..] if *major != MAJOR => return Err(MessageError::Version(*major, *minor)),
        // Variant numbers take one byte. A longer spelling of 0 would be a `Hello` that escaped the line above.
        [0x80..=0xff, ..] => return Err(MessageError::Malformed),
        _ => {}
    }
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|_| MessageError::Malformed)?;
    if !rest.is_empty() {
        return Err(MessageError::TrailingBytes(rest.len()));
    }
    Ok(message)
}
