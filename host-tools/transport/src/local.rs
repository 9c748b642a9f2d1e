//! The agent as a child process on this PC, tracing the PC's own kernel.
//!
//! In: the carried agent for this PC's architecture, or a path. Out: a [`Link`] over the child's pipes. Invariant: no file
//! outlives the start: the agent runs from memory, or from a private file that is removed once it runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::MemfdFlags;

use crate::child_pipes::ChildPipes;
use crate::{Agent, Link, LinkError};

/// The agent on this PC.
struct LocalLink {
    pipes: ChildPipes,
    name: String,
}

/// Starts the agent on this PC.
pub(crate) fn open(path: Option<&Path>, agents: &[Agent<'_>]) -> Result<Box<dyn Link>, LinkError> {
    let (pipes, name) = match path {
        Some(path) => (start(path), path.display().to_string()),
        None => {
            let arch = std::env::consts::ARCH;
            let agent = agents
                .iter()
                .find(|agent| agent.arch == arch)
                .ok_or_else(|| LinkError::NoAgent {
                    machine: arch.to_owned(),
                    carried: crate::upload::carried(agents),
                })?;
            let pipes = start_from_memory(agent.bytes).or_else(|_| start_from_file(agent.bytes));
            (pipes, format!("agent {}", agent.version))
        }
    };
    let pipes = pipes.map_err(|source| LinkError::Start {
        program: name.clone(),
        source,
    })?;
    Ok(Box::new(LocalLink { pipes, name }))
}

/// Runs a program with pipes, in a process group of its own: Ctrl-C is for the host, which then ends the agent in order.
fn start(program: &Path) -> io::Result<ChildPipes> {
    ChildPipes::spawn(Command::new(program).process_group(0))
}

/// Runs a program from a file that exists in memory only.
fn start_from_memory(bytes: &[u8]) -> io::Result<ChildPipes> {
    let fd: OwnedFd = rustix::fs::memfd_create("ktap-agent", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    start(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
}

/// Runs a program from a file of this user's, for a PC that forbids to run from memory.
fn start_from_file(bytes: &[u8]) -> io::Result<ChildPipes> {
    let path: PathBuf = std::env::temp_dir().join(format!("ktap-agent-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)?;
    let written = file.write_all(bytes);
    drop(file);
    let started = written.and_then(|()| start(&path));
    fs::remove_file(&path)?;
    started
}

impl LocalLink {
    /// Says how the agent ended.
    fn closed(&mut self, error: &io::Error) -> LinkError {
        if error.kind() == io::ErrorKind::TimedOut {
            return LinkError::Closed(": the agent on this PC takes no more bytes".to_owned());
        }
        match self.pipes.finish() {
            Ok(status) => LinkError::Closed(format!(": the agent on this PC ended ({status})")),
            Err(error) => LinkError::Closed(format!(": {error}")),
        }
    }
}

impl Link for LocalLink {
    fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> Result<usize, LinkError> {
        self.pipes.read(out, timeout).map_err(|error| self.closed(&error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.pipes.write(bytes).map_err(|error| self.closed(&error))
    }

    fn talk(&mut self) -> Vec<u8> {
        self.pipes.talk()
    }

    fn describe(&self) -> String {
        format!("local ({})", self.name)
    }
}
