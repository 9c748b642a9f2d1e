//! ktap-transport: one file per link to a board.
//!
//! In: a board's link settings. Out: [`Link`], a pair of byte streams with an agent at the far end. Invariant: whatever a link
//! put on the board (files, processes) is taken off again when the link is dropped, unless asked to stay.

mod child_pipes;
mod error;
mod known_hosts;
mod local;
mod serial;
mod spec;
mod ssh2_auth;
mod ssh2_link;
mod ssh_child;
mod upload;

pub mod qemu;

use std::time::Duration;

pub use error::{LinkError, LinkErrorKind, NoRoomReason, Reasons};
pub use spec::{Agent, LinkSpec, OpenOptions, SshMethod, SshSpec, open};

/// How long a far end may take not one byte of what is written to it before the link counts as broken.
const STALL: Duration = Duration::from_secs(30);

/// A two-way byte stream to a running agent.
///
/// Dropping it ends the agent and removes what was uploaded.
pub trait Link {
    /// Waits at most `timeout` for bytes and appends them to `out`. Returns the number of bytes, 0 if the time passed or a
    /// signal came.
    ///
    /// # Errors
    /// [`LinkError::Closed`] when the far end is gone; other variants by cause.
    fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> Result<usize, LinkError>;

    /// Writes all bytes.
    ///
    /// # Errors
    /// As [`Link::read`].
    fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError>;

    /// Returns text the far side said outside the stream (ssh's and the agent's stderr) since the last call.
    fn talk(&mut self) -> Vec<u8>;

    /// Returns a few words on what the link is, for `-v`: `ssh root@127.0.0.1:2222 (ssh2)`.
    fn describe(&self) -> String;
}
