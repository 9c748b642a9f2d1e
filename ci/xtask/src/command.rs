//! Running programs.
//!
//! In: a [`Command`]. Out: its output, or an error that carries the command line and what the program said. Invariant: a program
//! that fails is never silent.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::error::XtaskError;

/// Lines of a failed program's stderr that the error repeats.
const STDERR_LINES: usize = 20;

/// How often a program with a time limit is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Runs `command` and returns its stdout.
///
/// # Errors
/// [`XtaskError::Start`] or [`XtaskError::Command`].
pub fn capture(command: &mut Command) -> Result<Vec<u8>, XtaskError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| start_error(command, source))?;
    succeeded(command, output)
}

/// Runs `command` with this program's own stdin, stdout and stderr.
///
/// # Errors
/// [`XtaskError::Start`] or [`XtaskError::Command`].
pub fn show(command: &mut Command) -> Result<(), XtaskError> {
    let status = command.status().map_err(|source| start_error(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(XtaskError::Command {
        line: line_of(command),
        status: status.to_string(),
        stderr: String::new(),
    })
}

/// What a program that had a time limit left behind.
pub struct Finished {
    /// Its exit code; `None` if a signal or the time limit ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// Runs `command` for at most `limit`, then kills it.
///
/// # Errors
/// [`XtaskError::Start`].
pub fn run_for(command: &mut Command, limit: Duration) -> Result<Finished, XtaskError> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| start_error(command, source))?;
    // Both pipes are drained beside the wait, or a talkative program would block.
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if started.elapsed() > limit => {
                let _ = child.kill();
                break child.wait().ok();
            }
            Ok(None) => std::thread::sleep(POLL),
            Err(_) => break None,
        }
    };
    let text = |drained: std::thread::JoinHandle<Vec<u8>>| drained.join().unwrap_or_default();
    Ok(Finished {
        code: status.and_then(|status| status.code()),
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Tells whether a program of that name is in PATH or in the system directories that a user's PATH leaves out.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(Into::into))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before a read error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn succeeded(command: &Command, output: Output) -> Result<Vec<u8>, XtaskError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let stderr = lines[lines.len().saturating_sub(STDERR_LINES)..].join("\n");
    Err(XtaskError::Command {
        line: line_of(command),
        status: output.status.to_string(),
        stderr,
    })
}

fn start_error(command: &Command, source: std::io::Error) -> XtaskError {
    XtaskError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
