//! A board over the user's own `ssh` program.
//!
//! In: host, port, user, options. Out: a [`Link`] to the agent. Invariant: ssh asks the user on its own terminal and its words
//! reach the user unchanged; `~/.ssh/config`, jump hosts, agents and hardware keys work as they do by hand.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::child_pipes::ChildPipes;
use crate::{Link, LinkError, OpenOptions, SshSpec, upload};

/// How long a user may take to answer what ssh asks.
const USER_PATIENCE: Duration = Duration::from_secs(300);

/// An `ssh` child whose remote command is the agent.
struct SshChildLink {
    pipes: ChildPipes,
    spec: SshSpec,
    /// Bytes of the agent that came with the upload's last line.
    rest: Vec<u8>,
    /// The agent runs: what ends from now on is the link, not the connecting.
    started: bool,
    /// What was taken from ssh's stderr and not yet handed on.
    talk: Vec<u8>,
}

/// Connects with `ssh`, uploads the agent if need be and starts it.
pub(crate) fn open(spec: &SshSpec, options: OpenOptions<'_>) -> Result<Box<dyn Link>, LinkError> {
    let remote = upload::command(options.agents, options.keep_agent);
    let pipes =
        ChildPipes::spawn(&mut command(spec, options.trust_new_host, &remote)).map_err(|source| LinkError::Start {
            program: "sh".to_owned(),
            source,
        })?;
    let mut link = SshChildLink {
        pipes,
        spec: spec.clone(),
        rest: Vec::new(),
        started: false,
        talk: Vec::new(),
    };
    let started = upload::start_agent(
        &mut link,
        &spec.full_place(),
        options.agents,
        spec.connect_timeout + USER_PATIENCE,
    )?;
    link.rest = started.rest;
    link.started = true;
    link.talk.extend(started.chatter);
    Ok(Box::new(link))
}

/// Returns the command line of ssh.
fn command(spec: &SshSpec, trust_new_host: bool, remote: &str) -> Command {
    let mut command = Command::new("sh");
    // Ctrl-C at the terminal is for the host, which ends the agent in order; ssh honours an ignored SIGINT. A process group
    // of its own would do too, but would take ssh's terminal, and so its password prompt, away.
    command.args(["-c", "trap '' INT QUIT; exec \"$@\"", "sh", "ssh", "-T", "-a", "-x"]);
    // ssh takes the first value of an option: the user's stand first.
    for option in &spec.options {
        command.args(["-o", option]);
    }
    let seconds = spec.connect_timeout.as_secs().max(1);
    command.arg("-o").arg(format!("ConnectTimeout={seconds}"));
    // A board that goes away is noticed within 15 seconds; forwards and commands of the user's config are for shells.
    for option in [
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ClearAllForwardings=yes",
        "RemoteCommand=none",
    ] {
        command.args(["-o", option]);
    }
    if trust_new_host {
        command.args(["-o", "StrictHostKeyChecking=accept-new"]);
    }
    if let Some(port) = spec.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &spec.user {
        command.args(["-l", user]);
    }
    if let Some(key) = &spec.key {
        command.arg("-i").arg(key).args(["-o", "IdentitiesOnly=yes"]);
    }
    if let Some(path) = &spec.known_hosts {
        command
            .arg("-o")
            .arg(format!("UserKnownHostsFile=\"{}\"", path.display()));
    }
    command.arg("--").arg(&spec.host).arg(remote);
    command
}

impl SshSpec {
    /// Returns `host`, or `host:port`.
    pub(crate) fn place(&self) -> String {
        match self.port {
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns `user@host:port` as far as given.
    pub(crate) fn full_place(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.place()),
            None => self.place(),
        }
    }
}

/// What ssh's last words mean.
fn cause(spec: &SshSpec, status: ExitStatus, words: &str) -> LinkError {
    let place = spec.place();
    let words = words.trim().to_owned();
    let has = |text: &str| words.contains(text);
    match status.code() {
        Some(127) if has("ssh: not found") || has("ssh: command not found") => LinkError::NoSshProgram,
        Some(255) => {
            let known_hosts = spec
                .known_hosts
                .as_ref()
                .map_or_else(|| "known_hosts".to_owned(), |path| path.display().to_string());
            if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
                LinkError::HostKeyChanged {
                    place,
                    known_hosts,
                    words,
                }
            } else if has("Host key verification failed") || has("host key is known for") {
                LinkError::HostKeyUnknown {
                    place,
                    known_hosts,
                    words,
                }
            } else if has("Permission denied (") || has("Too many authentication failures") {
                LinkError::PermissionDenied {
                    place: spec.full_place(),
                    words,
                }
            } else if has("Connection refused") {
                LinkError::ConnectionRefused { place, words }
            } else if has("Could not resolve hostname") {
                LinkError::NoSuchHost {
                    host: spec.host.clone(),
                    words,
                }
            } else if has("timed out") {
                LinkError::NoAnswer {
                    place,
                    after: spec.connect_timeout,
                    words,
                }
            } else {
                LinkError::Connect { place, words }
            }
        }
        _ => lost(spec, status, &words),
    }
}

/// What the end of a link that stood is called.
fn lost(spec: &SshSpec, status: ExitStatus, words: &str) -> LinkError {
    let words = words.trim().replace('\n', "; ");
    let colon = if words.is_empty() { "" } else { ": " };
    LinkError::Closed(format!(
        ": ssh or the agent on {} ended ({status}){colon}{words}",
        spec.place()
    ))
}

impl SshChildLink {
    /// Says why ssh ended.
    fn closed(&mut self, error: &io::Error) -> LinkError {
        if error.kind() == io::ErrorKind::TimedOut {
            return LinkError::Closed(format!(": {} takes no more bytes", self.spec.full_place()));
        }
        match self.pipes.finish() {
            Ok(status) => {
                self.talk.extend(self.pipes.talk());
                let words = String::from_utf8_lossy(&self.talk);
                if self.started {
                    lost(&self.spec, status, &words)
                } else {
                    cause(&self.spec, status, &words)
                }
            }
            Err(error) => LinkError::Closed(format!(": {error}")),
        }
    }
}

impl Link for SshChildLink {
    fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> Result<usize, LinkError> {
        if !self.rest.is_empty() {
            let count = self.rest.len();
            out.append(&mut self.rest);
            return Ok(count);
        }
        self.pipes.read(out, timeout).map_err(|error| self.closed(&error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.pipes.write(bytes).map_err(|error| self.closed(&error))
    }

    fn talk(&mut self) -> Vec<u8> {
        self.talk.extend(self.pipes.talk());
        std::mem::take(&mut self.talk)
    }

    fn describe(&self) -> String {
        format!("ssh {} (ssh program)", self.spec.full_place())
    }
}
