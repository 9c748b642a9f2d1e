//! What a link is asked to be.
//!
//! In: [`LinkSpec`] from a board's file or the command line, the agents that the host carries. Out: an open [`Link`].
//! Invariant: one arm per kind of link, nothing else is decided here.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Link, LinkError, local, serial, ssh_child, ssh2_link};

/// One way to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSpec {
    /// The agent as a child process on this PC.
    Local {
        /// An agent to run instead of the carried one.
        agent: Option<PathBuf>,
    },
    /// The agent over ssh, uploaded if the board has none.
    Ssh(SshSpec),
    /// An agent that already serves at the other end of a serial line.
    Serial {
        /// The port on this PC.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
    },
}

/// Where and how to reach a board over ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSpec {
    /// A name or an address; with [`SshMethod::Child`] also an alias of `~/.ssh/config`.
    pub host: String,
    /// The port; ssh's own default if none.
    pub port: Option<u16>,
    /// The user; ssh's own default if none.
    pub user: Option<String>,
    /// Who speaks ssh.
    pub method: SshMethod,
    /// A private key file to use instead of the default ones.
    pub key: Option<PathBuf>,
    /// A known_hosts file to use instead of the user's.
    pub known_hosts: Option<PathBuf>,
    /// More `-o` options, for [`SshMethod::Child`] only.
    pub options: Vec<String>,
    /// How long to wait for the board to answer.
    pub connect_timeout: Duration,
}

/// Who speaks ssh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshMethod {
    /// The ssh2 library inside this program: fastest, knows nothing of `~/.ssh/config`.
    Ssh2,
    /// The user's `ssh` program: config, jump hosts, agents and hardware keys work as always.
    Child,
}

/// One agent binary that the host carries.
#[derive(Debug, Clone)]
pub struct Agent<'a> {
    /// The architecture in Rust's word: `x86_64`, `aarch64`, `arm`, `riscv64`, `x86`.
    pub arch: &'a str,
    /// The agent's version.
    pub version: String,
    /// CRC-32 (ISO-HDLC) of `bytes`.
    pub crc32: u32,
    /// The static executable.
    pub bytes: &'a [u8],
}

/// What opening a link may use.
pub struct OpenOptions<'a> {
    /// The agents that are carried, one per architecture.
    pub agents: &'a [Agent<'a>],
    /// Leaves an uploaded agent on the board for the next time.
    pub keep_agent: bool,
    /// Asks the user for a secret, given the prompt; none to give up.
    pub password: &'a mut dyn FnMut(&str) -> Option<String>,
    /// Accepts a board that no known_hosts file has, and adds it.
    pub trust_new_host: bool,
}

/// Opens a link and starts the agent at its far end.
///
/// # Errors
/// The cause, see [`LinkError`].
pub fn open(spec: &LinkSpec, options: OpenOptions<'_>) -> Result<Box<dyn Link>, LinkError> {
    match spec {
        LinkSpec::Local { agent } => local::open(agent.as_deref(), options.agents),
        LinkSpec::Ssh(ssh) => match ssh.method {
            SshMethod::Ssh2 => ssh2_link::open(ssh, options),
            SshMethod::Child => ssh_child::open(ssh, options),
        },
        LinkSpec::Serial { path, baud } => serial::open(path, *baud),
    }
}
