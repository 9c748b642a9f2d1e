//! The interactive console of a QEMU board.
//!
//! In: a terminal or any other pair of streams. Out: the guest's console, until Ctrl-]. Invariant: the terminal has its old mode back
//! when the console is left, however that happens.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use super::{Qemu, QemuError};

/// Ctrl-], which leaves an interactive console as it leaves telnet.
const ESCAPE: u8 = 0x1d;

impl Qemu {
    /// Joins `input` and `output` to the guest's console until Ctrl-] or the end of either.
    ///
    /// The terminal is put into raw mode meanwhile, when there is one. The thread that reads `input` ends at its next byte.
    ///
    /// # Errors
    /// [`QemuError::State`] when the console cannot be reached.
    pub fn console(&self, input: impl Read + Send + 'static, output: &mut impl Write) -> Result<(), QemuError> {
        let path = self.state_dir.join("console.sock");
        let broken = |source| QemuError::State {
            path: path.clone(),
            source,
        };
        let mut guest = UnixStream::connect(&path).map_err(broken)?;
        let to_guest = guest.try_clone().map_err(broken)?;
        let _raw = RawTerminal::enter();
        thread::spawn(move || send_until_escape(input, to_guest));
        let mut bytes = [0; 4096];
        loop {
            match guest.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => output
                    .write_all(&bytes[..count])
                    .and_then(|()| output.flush())
                    .map_err(broken)?,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                Err(problem) => return Err(broken(problem)),
            }
        }
    }
}

fn send_until_escape(mut input: impl Read, mut guest: UnixStream) {
    let mut bytes = [0; 256];
    while let Ok(count @ 1..) = input.read(&mut bytes) {
        let typed = &bytes[..count];
        let end = typed.iter().position(|byte| *byte == ESCAPE);
        if guest.write_all(&typed[..end.unwrap_or(count)]).is_err() || end.is_some() {
            break;
        }
    }
    // Wakes the reader, whether the guest is still there or not.
    let _ = guest.shutdown(std::net::Shutdown::Both);
}

/// The terminal on stdin in raw mode; dropping it restores the mode that was.
struct RawTerminal(Option<String>);

impl RawTerminal {
    fn enter() -> Self {
        let saved = stty(&["-g"]).map(|mode| mode.trim().to_owned());
        if saved.is_some() {
            stty(&["raw", "-echo"]);
        }
        Self(saved)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(mode) = &self.0 {
            stty(&[mode]);
        }
    }
}

/// Runs stty on stdin; `None` if that is no terminal.
fn stty(arguments: &[&str]) -> Option<String> {
    let output = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
