//! A child process spoken to over its three pipes, without a thread.
//!
//! In: a command. Out: [`ChildPipes`], bytes both ways and what it says on stderr. Invariant: while waiting to write it reads,
//! so neither side can stop the other; the child has ended when this is dropped.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::STALL;

/// How long a child may take to end after its input closed.
const GRACE: Duration = Duration::from_millis(1500);
/// How much talk is kept if nobody asks for it, bytes.
const TALK_LIMIT: usize = 64 * 1024;

/// A running child and its pipes, all non-blocking on this side.
#[derive(Debug)]
pub(crate) struct ChildPipes {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    received: Vec<u8>,
    talk: Vec<u8>,
}

impl ChildPipes {
    /// Starts `command` with three pipes.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
            received: Vec::new(),
            talk: Vec::new(),
        };
        for fd in [
            pipes.stdin.as_ref().map(AsFd::as_fd),
            pipes.stdout.as_ref().map(AsFd::as_fd),
            pipes.stderr.as_ref().map(AsFd::as_fd),
        ]
        .into_iter()
        .flatten()
        {
            // Only this end: the child's end of a pipe has flags of its own.
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        Ok(pipes)
    }

    /// Waits at most `timeout` for output and appends it to `out`; 0 if the time passed or a signal came.
    ///
    /// # Errors
    /// `UnexpectedEof` when the child's output is closed and all of it was read.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + timeout;
        loop {
            if !self.received.is_empty() {
                let count = self.received.len();
                out.append(&mut self.received);
                return Ok(count);
            }
            if self.stdout.is_none() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let no_signal = self.wait(left, false)?;
            if self.received.is_empty() && self.stdout.is_some() && (left.is_zero() || !no_signal) {
                return Ok(0);
            }
        }
    }

    /// Writes all bytes to the child's input, taking its output meanwhile.
    ///
    /// # Errors
    /// `BrokenPipe` when the child has closed its input, `TimedOut` when it only does not read.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut deadline = Instant::now() + STALL;
        while !bytes.is_empty() {
            let Some(stdin) = &mut self.stdin else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            match stdin.write(bytes) {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    deadline = Instant::now() + STALL;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.wait(left, true)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what the child said on stderr.
    pub(crate) fn talk(&mut self) -> Vec<u8> {
        drain(&mut self.stderr, &mut self.talk);
        std::mem::take(&mut self.talk)
    }

    /// Waits for the child, whose output has closed, to end; kills it if it does not.
    pub(crate) fn finish(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        loop {
            // Take output to the end: a child that waits for us to read would never see that its input closed.
            let left = deadline.saturating_duration_since(Instant::now());
            if self.stdout.is_some() || self.stderr.is_some() {
                self.wait(left.min(Duration::from_millis(50)), false)?;
                self.received.clear();
            } else {
                thread::sleep(Duration::from_millis(1));
            }
            if let Some(status) = self.child.try_wait()? {
                drain(&mut self.stderr, &mut self.talk);
                return Ok(status);
            }
            if left.is_zero() {
                self.child.kill()?;
                return self.child.wait();
            }
        }
    }

    /// Waits for any pipe and takes whatever has come; false if a signal came.
    fn wait(&mut self, timeout: Duration, to_write: bool) -> io::Result<bool> {
        let mut fds = Vec::with_capacity(3);
        if let Some(stdout) = &self.stdout {
            fds.push(PollFd::new(stdout, PollFlags::IN));
        }
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::new(stderr, PollFlags::IN));
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| to_write) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        drain(&mut self.stdout, &mut self.received);
        drain(&mut self.stderr, &mut self.talk);
        let excess = self.talk.len().saturating_sub(TALK_LIMIT);
        self.talk.drain(..excess);
        Ok(true)
    }
}

impl Drop for ChildPipes {
    fn drop(&mut self) {
        // Nobody is left to hear of an error.
        let _ = self.finish();
    }
}

/// Reads what a pipe holds now; a pipe at its end becomes none.
fn drain(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) {
    let Some(open) = pipe else { return };
    let mut buffer = [0; 16 * 1024];
    // Bounded, so that a child that never stops talking cannot hold the caller here.
    for _ in 0..16 {
        match open.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return;
            }
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => {
                *pipe = None;
                return;
            }
        }
    }
}
