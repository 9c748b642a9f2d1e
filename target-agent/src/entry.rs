//! The program: its arguments, its modes, its exit status.
//!
//! In: arguments. Out: an exit status: 0 well ended, 1 could not begin, 2 wrong arguments. Invariant: whatever the mode, when
//! this returns nothing is attached.

use alloc::boxed::Box;

use ktap_bytecode::version::{MAJOR, MINOR};

use crate::agent::{Board, converse};
use crate::command::Environment;
use crate::crc::crc32;
use crate::port::{Port, stdio::Stdio, tty::Tty};
use crate::sys::file::{self, Fd};
use crate::sys::poll::{self, POLLIN, PollFd};
use crate::sys::signal::Signals;
use crate::wire::{Gone, Wire};

const USAGE: &str = "usage: ktap-agent [--unlink] [--deny-unsafe] [--no-module] [serve TTY [BAUD] | version]\n\
    without arguments: one session on standard input and output\n";

/// Time before a serial line that went away is opened again, nanoseconds.
const REOPEN: u64 = 500_000_000;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
enum Mode<'a> {
    Stdio,
    Serve { tty: &'a str, baud: Option<u32> },
    Version,
}

#[derive(Debug, PartialEq, Eq)]
struct Arguments<'a> {
    mode: Mode<'a>,
    unlink: bool,
    deny_unsafe: bool,
    no_module: bool,
}

fn parse<'a>(arguments: impl Iterator<Item = &'a str>) -> Option<Arguments<'a>> {
    let mut out = Arguments {
        mode: Mode::Stdio,
        unlink: false,
        deny_unsafe: false,
        no_module: false,
    };
    let mut rest = arguments.peekable();
    while let Some(option) = rest.next_if(|word| word.starts_with("--")) {
        match option {
            "--unlink" => out.unlink = true,
            "--deny-unsafe" => out.deny_unsafe = true,
            "--no-module" => out.no_module = true,
            _ => return None,
        }
    }
    match rest.next() {
        None => {}
        Some("version") => out.mode = Mode::Version,
        Some("serve") => {
            let tty = rest.next()?;
            let baud = match rest.next() {
                Some(text) => Some(text.parse().ok()?),
                None => None,
            };
            out.mode = Mode::Serve { tty, baud };
        }
        Some(_) => return None,
    }
    rest.next().is_none().then_some(out)
}

/// Runs the agent; `arguments` without the program's name.
pub fn main<'a>(arguments: impl Iterator<Item = &'a str>, environment: Environment) -> i32 {
    let Some(arguments) = parse(arguments) else {
        say(2, USAGE);
        return 2;
    };
    if arguments.mode == Mode::Version {
        return version();
    }
    if arguments.unlink
        && let Ok(own) = file::read_link("/proc/self/exe")
    {
        // On a read-only file system there is nothing to clean up either.
        let _ = file::unlink(&own);
    }
    let Ok(signals) = Signals::take_over() else {
        say(2, "ktap-agent: the kernel has no signalfd\n");
        return 1;
    };
    let board = Board::find(environment, arguments.deny_unsafe, arguments.no_module);
    match arguments.mode {
        Mode::Serve { tty, baud } => serve(tty, baud, &signals, &board),
        Mode::Stdio | Mode::Version => {
            let mut wire = Wire::new(Box::new(Stdio), &signals);
            // End of input, a cut link and a Bye are all a session's end.
            let _ = converse(&mut wire, &board);
            0
        }
    }
}

/// Serves hosts on a serial line, one after another, until a signal comes.
fn serve(path: &str, baud: Option<u32>, signals: &Signals, board: &Board) -> i32 {
    let mut served = false;
    loop {
        match Tty::open(path, baud) {
            Ok(tty) => {
                served = true;
                let port: Box<dyn Port> = Box::new(tty);
                let mut wire = Wire::new(port, signals);
                loop {
                    match converse(&mut wire, board) {
                        // Its session stays: late frames of this host must not look like those of a new one.
                        Ok(()) => {}
                        // A host that comes back opens a new session, and that needs nothing of this one.
                        Err(Gone::Silent | Gone::Closed) => break,
                        Err(Gone::Signalled) => return 0,
                    }
                }
            }
            Err(errno) if !served => {
                say(
                    2,
                    &alloc::format!("ktap-agent: cannot open {path}: errno {}\n", errno.into_raw()),
                );
                return 1;
            }
            // An unplugged adapter may come back.
            Err(_) => {}
        }
        let mut fds = [PollFd::new(signals.raw(), POLLIN)];
        let _ = poll::wait(&mut fds, Some(REOPEN));
        if fds[0].revents != 0 && signals.take().end {
            return 0;
        }
    }
}

fn version() -> i32 {
    match own_crc() {
        Some(crc) => {
            say(
                1,
                &alloc::format!("{} {MAJOR}.{MINOR} {crc:08x}\n", env!("CARGO_PKG_VERSION")),
            );
            0
        }
        None => 1,
    }
}

fn own_crc() -> Option<u32> {
    let own = Fd::open("/proc/self/exe", file::O_RDONLY).ok()?;
    let mut buf = alloc::vec![0u8; 16 << 10];
    let mut crc = 0;
    loop {
        match own.read(&mut buf).ok()? {
            0 => return Some(crc),
            got => crc = crc32(crc, &buf[..got]),
        }
    }
}

fn say(fd: i32, text: &str) {
    // Nobody may be listening.
    let _ = file::write(fd, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let parsed = |line: &'static str| parse(line.split_whitespace());
        let plain = Arguments {
            mode: Mode::Stdio,
            unlink: false,
            deny_unsafe: false,
            no_module: false,
        };
        assert_eq!(parsed(""), Some(plain));
        let serve = Mode::Serve {
            tty: "/dev/ttyS1",
            baud: Some(115_200),
        };
        let all = Arguments {
            mode: serve,
            unlink: true,
            deny_unsafe: true,
            no_module: true,
        };
        assert_eq!(
            parsed("--unlink --deny-unsafe --no-module serve /dev/ttyS1 115200"),
            Some(all)
        );
        for wrong in ["serve", "serve /dev/x fast", "version now", "--what", "run"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
