//! A board over a serial line, at whose far end an agent already serves.
//!
//! In: a port's path and speed. Out: a [`Link`] over it. Invariant: one program has the port at a time, in raw mode, 8 data
//! bits, no parity, 1 stop bit; DTR and RTS, which reset some boards, are left as they are.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serial2::SerialPort;

use crate::{Link, LinkError, STALL};

/// An open serial port.
struct SerialLink {
    port: SerialPort,
    path: PathBuf,
    baud: u32,
}

/// Opens a serial port for this program alone.
pub(crate) fn open(path: &Path, baud: u32) -> Result<Box<dyn Link>, LinkError> {
    let fail = |source: io::Error| match Errno::from_io_error(&source) {
        Some(Errno::BUSY) => LinkError::SerialBusy { path: path.to_owned() },
        _ => LinkError::Serial {
            path: path.to_owned(),
            baud,
            source,
        },
    };
    // A speed as settings: raw mode, 8N1, no flow control.
    let port = SerialPort::open(path, baud).map_err(fail)?;
    // The exclusive mode of a terminal keeps out all but root; the lock keeps out the programs that ask for it, as most do.
    rustix::fs::flock(&port, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::WOULDBLOCK => LinkError::SerialBusy { path: path.to_owned() },
        other => fail(other.into()),
    })?;
    rustix::termios::ioctl_tiocexcl(&port).map_err(|errno| fail(errno.into()))?;
    port.discard_input_buffer().map_err(fail)?;
    Ok(Box::new(SerialLink {
        port,
        path: path.to_owned(),
        baud,
    }))
}

impl SerialLink {
    /// Names the port in the reason.
    fn closed(&self, reason: &str) -> LinkError {
        LinkError::Closed(format!(": {} at the serial port {}", reason, self.path.display()))
    }

    /// Waits for the port; false if the time passed or a signal came.
    fn wait(&self, flags: PollFlags, timeout: Duration) -> Result<bool, LinkError> {
        let timeout = Timespec::try_from(timeout).map_err(|error| self.closed(&error.to_string()))?;
        match rustix::event::poll(&mut [PollFd::new(&self.port, flags)], Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(self.closed(&error.to_string())),
        }
    }
}

impl Link for SerialLink {
    fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> Result<usize, LinkError> {
        if !self.wait(PollFlags::IN, timeout)? {
            return Ok(0);
        }
        let mut buffer = [0; 16 * 1024];
        match self.port.read(&mut buffer) {
            // Ready to read, yet nothing there: the device was unplugged.
            Ok(0) => Err(self.closed("end of file")),
            Ok(count) => {
                out.extend_from_slice(&buffer[..count]);
                Ok(count)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(0)
            }
            Err(error) => Err(self.closed(&error.to_string())),
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        let mut deadline = Instant::now() + STALL;
        while !bytes.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.closed("the other side takes no more bytes"));
            }
            if !self.wait(PollFlags::OUT, left)? {
                continue;
            }
            match self.port.write(bytes) {
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    deadline = Instant::now() + STALL;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(self.closed(&error.to_string())),
            }
        }
        Ok(())
    }

    fn talk(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn describe(&self) -> String {
        format!("serial {} at {} baud", self.path.display(), self.baud)
    }
}
