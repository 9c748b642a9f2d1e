//! Why a link cannot be made or broke.
//!
//! In: what the system, ssh or the board's shell said. Out: [`LinkError`], one sentence per cause. Invariant: the words of the
//! program that failed are kept in the sentence, never replaced by it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a link cannot be made or broke. Each variant's text is a sentence that names the cause.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The far end is gone.
    #[error("the link to the board was closed{0}")]
    Closed(String),
    /// The board's name has no address.
    #[error("there is no host named '{host}'{}", said(.words))]
    NoSuchHost {
        /// The name as given.
        host: String,
        /// What the resolver or ssh said.
        words: String,
    },
    /// Nothing listens at the board's address.
    #[error("{place} refused the connection: is its ssh server running?{}", said(.words))]
    ConnectionRefused {
        /// Host and port.
        place: String,
        /// What the system or ssh said.
        words: String,
    },
    /// The board did not answer in time.
    #[error("{place} did not answer within {} s: is the board on and reachable?{}", .after.as_secs_f32(), said(.words))]
    NoAnswer {
        /// Host and port.
        place: String,
        /// How long was waited.
        after: Duration,
        /// What the system or ssh said.
        words: String,
    },
    /// The board's address cannot be reached, or ssh ended with something no other variant names.
    #[error("cannot open an ssh connection to {place}{}", said(.words))]
    Connect {
        /// Host and port.
        place: String,
        /// What the system or ssh said.
        words: String,
    },
    /// The board's host key is in no known_hosts file.
    #[error("the host key of {place} is not known{}; compare it with the board's own, then add it to {known_hosts} \
             (`ssh` to the board once, or `ssh-keyscan`) or allow new hosts", said(.words))]
    HostKeyUnknown {
        /// Host and port.
        place: String,
        /// The file that should hold it.
        known_hosts: String,
        /// The key's fingerprint, or what ssh said.
        words: String,
    },
    /// The board's host key is not the one that known_hosts has.
    #[error("the host key of {place} is not the one in {known_hosts}: another machine answers there, or the board was \
             reinstalled (then remove the old line from that file){}", said(.words))]
    HostKeyChanged {
        /// Host and port.
        place: String,
        /// The file that holds another key.
        known_hosts: String,
        /// The key's fingerprint, or what ssh said.
        words: String,
    },
    /// The board took none of the user's credentials.
    #[error("{place} accepts none of the credentials that were offered{}", said(.words))]
    PermissionDenied {
        /// User, host and port.
        place: String,
        /// What was tried, or what ssh said.
        words: String,
    },
    /// There is no `ssh` program on this PC.
    #[error("there is no `ssh` program on this PC: install openssh-client, or use the ssh2 method")]
    NoSshProgram,
    /// No agent is carried for the board's machine.
    #[error("no agent for the machine '{machine}'; there are agents for: {carried}")]
    NoAgent {
        /// What `uname -m` says.
        machine: String,
        /// The architectures that are carried.
        carried: String,
    },
    /// No directory on the board can take the agent.
    #[error("no directory on {place} can take the agent ({bytes} bytes): {reasons}")]
    NoRoom {
        /// User, host and port.
        place: String,
        /// The agent's size.
        bytes: usize,
        /// One reason per directory.
        reasons: Reasons,
    },
    /// The uploaded agent does not run, or is not the one that was sent.
    #[error("the agent uploaded to {place} does not run there{}", said(.words))]
    AgentBroken {
        /// User, host and port.
        place: String,
        /// What the board's shell or the agent said.
        words: String,
    },
    /// The board's shell answered something else than the upload asks for.
    #[error("the shell on {place} could not start the agent{}", said(.words))]
    Shell {
        /// User, host and port.
        place: String,
        /// What it said.
        words: String,
    },
    /// A local program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A serial port cannot be opened or set up.
    #[error("cannot open the serial port {} at {baud} baud: {source}", .path.display())]
    Serial {
        /// The port.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
        /// The system's reason.
        source: io::Error,
    },
    /// Another program has the serial port.
    #[error("the serial port {} is in use by another program", .path.display())]
    SerialBusy {
        /// The port.
        path: PathBuf,
    },
}

/// What a [`LinkError`] is about; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkErrorKind {
    /// The board or port cannot be reached.
    Unreachable,
    /// The board is there, but who it is or who we are was not accepted.
    Denied,
    /// The board is reached, but no agent can run on it.
    Agent,
    /// The link was up and broke.
    Lost,
}

impl LinkError {
    /// Returns what the error is about.
    pub fn kind(&self) -> LinkErrorKind {
        match self {
            Self::Closed(_) => LinkErrorKind::Lost,
            Self::HostKeyUnknown { .. } | Self::HostKeyChanged { .. } | Self::PermissionDenied { .. } => {
                LinkErrorKind::Denied
            }
            Self::NoAgent { .. }
            | Self::NoRoom { .. }
            | Self::AgentBroken { .. }
            | Self::Shell { .. }
            | Self::Start { .. } => LinkErrorKind::Agent,
            Self::NoSuchHost { .. }
            | Self::ConnectionRefused { .. }
            | Self::NoAnswer { .. }
            | Self::Connect { .. }
            | Self::NoSshProgram
            | Self::Serial { .. }
            | Self::SerialBusy { .. } => LinkErrorKind::Unreachable,
        }
    }
}

/// Why each directory of the board was passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(pub Vec<(String, NoRoomReason)>);

/// Why one directory cannot take the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoomReason {
    /// Nothing can be created in it.
    NotWritable,
    /// Its file system is mounted without the right to execute.
    NoExec,
    /// The agent does not fit; the words are the board's.
    Full(String),
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (dir, reason)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match reason {
                NoRoomReason::NotWritable => write!(f, "{comma}{dir} is not writable")?,
                NoRoomReason::NoExec => write!(f, "{comma}{dir} does not allow programs (noexec)")?,
                NoRoomReason::Full(words) if words.is_empty() => write!(f, "{comma}{dir} is full")?,
                NoRoomReason::Full(words) => write!(f, "{comma}{dir} is full ({words})")?,
            }
        }
        Ok(())
    }
}

/// Appends someone's own words to a sentence.
fn said(words: &str) -> String {
    // ssh draws a frame of these around its warnings.
    let lines: Vec<&str> = words
        .lines()
        .map(|line| line.trim_matches(['@', ' ', '\r', '\t']))
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!(" ({})", lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stand_on_one_line() {
        let warning = "@@@@@@@\r\n@    WARNING!     @\r\n@@@@@@@\r\nOffending key in /k:1\r\n";
        assert_eq!(said(warning), " (WARNING!; Offending key in /k:1)");
        assert_eq!(said(" \n"), "");
    }

    #[test]
    fn each_directory_has_its_reason() {
        let reasons = Reasons(vec![
            (
                "/dev/shm".to_owned(),
                NoRoomReason::Full("No space left on device".to_owned()),
            ),
            ("/run".to_owned(), NoRoomReason::NoExec),
            ("/tmp".to_owned(), NoRoomReason::NotWritable),
        ]);
        let error = LinkError::NoRoom {
            place: "root@board".to_owned(),
            bytes: 120_000,
            reasons,
        };
        assert_eq!(
            error.to_string(),
            "no directory on root@board can take the agent (120000 bytes): /dev/shm is full (No space left on device), \
             /run does not allow programs (noexec), /tmp is not writable"
        );
    }
}
