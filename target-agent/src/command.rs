//! A command run on the board while its events are traced.
//!
//! In: argv. Out: [`Command`]: a child that waits until the probes are armed. Invariant: a child never outlives the agent, and dropping
//! the command ends it.

use alloc::string::String;
use alloc::vec::Vec;

use ktap_link::message::{BoardMessage, Refusal, RefusalCode, Stage, TalkSource};

use crate::refusal::{refuse, refuse_errno};
use crate::sys::file::{self, Fd};
use crate::sys::poll::{POLLIN, PollFd};
use crate::sys::{Errno, process, signal};
use crate::wire::Wire;

/// Where programs are looked for if PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The agent's environment, to be handed on.
#[derive(Clone, Copy, Debug)]
pub struct Environment(*const *const u8);

impl Environment {
    /// No variables.
    pub const EMPTY: Environment = Environment(&core::ptr::null() as *const *const u8);

    /// Takes the environment the kernel gave this process.
    ///
    /// # Safety
    /// `list` is a NULL-terminated list of NUL-terminated strings that lives and stays as long as the process.
    pub const unsafe fn new(list: *const *const u8) -> Environment {
        Environment(list)
    }

    fn variable(&self, name: &str) -> Option<String> {
        let mut at = self.0;
        loop {
            // SAFETY: by the constructor's contract the list ends with NULL and each entry with NUL.
            let entry = unsafe {
                if (*at).is_null() {
                    return None;
                }
                core::ffi::CStr::from_ptr((*at).cast())
            };
            let text = entry
                .to_str()
                .ok()
                .and_then(|entry| entry.strip_prefix(name)?.strip_prefix('='));
            if let Some(value) = text {
                return Some(value.into());
            }
            // SAFETY: the entry was not the last.
            at = unsafe { at.add(1) };
        }
    }
}

/// A child that runs a command.
#[derive(Debug)]
pub struct Command {
    pid: u32,
    go: Option<Fd>,
    streams: [(Option<Fd>, TalkSource); 2],
    status: Option<i32>,
}

impl Command {
    /// Makes the child, which waits for [`Command::go`].
    ///
    /// # Errors
    /// `NoCommand` if there is no such program; otherwise the system call that failed.
    pub fn prepare(argv: &[String], environment: Environment) -> Result<Command, Refusal> {
        let name = argv.first().map_or("", String::as_str);
        let missing = |errno: Errno| {
            let refusal = refuse(Stage::Command, RefusalCode::NoCommand, 0, name);
            Refusal {
                errno: errno.into_raw(),
                ..refusal
            }
        };
        let path = find(name, environment).ok_or(missing(Errno::ENOENT))?;
        let path = file::c_path(path.as_bytes()).map_err(missing)?;
        let strings: Vec<Vec<u8>> = argv
            .iter()
            .map(|arg| c_argument(arg))
            .collect::<Option<_>>()
            .ok_or(missing(Errno::EINVAL))?;
        let mut pointers: Vec<*const u8> = strings.iter().map(|arg| arg.as_ptr()).collect();
        pointers.push(core::ptr::null());

        let failed = |errno| refuse_errno(Stage::Command, RefusalCode::System, errno, "fork");
        let null = Fd::open("/dev/null", file::O_RDONLY).map_err(failed)?;
        let (wait, go) = process::pipe().map_err(failed)?;
        let (out, out_child) = process::pipe().map_err(failed)?;
        let (err, err_child) = process::pipe().map_err(failed)?;
        for stream in [&out, &err] {
            stream.set_nonblocking().map_err(failed)?;
        }
        // SAFETY: the child below only sets itself up with system calls, then executes or exits; it allocates nothing.
        let pid = unsafe { process::fork() }.map_err(failed)?;
        if pid == 0 {
            // The child must not hold the end it waits on, or it would never see the agent go.
            drop(go);
            let child = Child {
                wait: &wait,
                null: &null,
                out: &out_child,
                err: &err_child,
            };
            child.become_command(path.as_ptr(), pointers.as_ptr(), environment);
        }
        let streams = [(Some(out), TalkSource::CommandOut), (Some(err), TalkSource::CommandErr)];
        Ok(Command {
            pid,
            go: Some(go),
            streams,
            status: None,
        })
    }

    /// Returns the child's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the child execute the command.
    pub fn go(&mut self) {
        if let Some(go) = self.go.take() {
            // A child that died meanwhile shows in its status.
            let _ = go.write(&[1]);
        }
    }

    /// Returns what to poll for its output.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd> {
        self.streams
            .iter()
            .filter_map(|(fd, _)| fd.as_ref())
            .map(|fd| PollFd::new(fd.raw(), POLLIN))
    }

    /// Sends on what it has printed.
    pub fn relay(&mut self, wire: &mut Wire<'_>) {
        // A bounded bite: a command that prints without end must not keep the rings waiting.
        const BITES: usize = 16;
        for (slot, source) in &mut self.streams {
            for _ in 0..BITES {
                let Some(fd) = slot.as_ref() else { break };
                let mut buf = [0u8; 4096];
                match fd.read(&mut buf) {
                    Ok(0) => *slot = None,
                    Ok(got) => wire.send(&BoardMessage::Talk {
                        source: *source,
                        bytes: buf[..got].to_vec(),
                    }),
                    Err(_) => break,
                }
            }
        }
    }

    /// Looks whether the child has ended and returns its status.
    pub fn ended(&mut self) -> Option<i32> {
        if self.status.is_none() {
            self.status = process::reap(self.pid);
        }
        self.status
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // It belongs to the trace that is over. Without its pipes it could not go on anyway.
            let _ = process::kill(self.pid, signal::SIGTERM);
        }
    }
}

/// What the child needs between fork and exec.
struct Child<'a> {
    wait: &'a Fd,
    null: &'a Fd,
    out: &'a Fd,
    err: &'a Fd,
}

impl Child<'_> {
    fn become_command(&self, path: *const u8, argv: *const *const u8, environment: Environment) -> ! {
        const NOT_EXECUTED: i32 = 127;
        process::end_with_parent(signal::SIGTERM);
        let prepared = signal::reset_for_child()
            .and_then(|()| process::duplicate(self.null, 0))
            .and_then(|()| process::duplicate(self.out, 1))
            .and_then(|()| process::duplicate(self.err, 2));
        let mut go = [0u8];
        if prepared.is_ok() && self.wait.read(&mut go) == Ok(1) {
            // SAFETY: path and argv were made by `prepare`, the environment is the kernel's own list.
            let _ = unsafe { process::execute(path, argv, environment.0) };
            let _ = file::write(2, b"ktap-agent: cannot execute the command\n");
        }
        process::exit(NOT_EXECUTED)
    }
}

fn c_argument(arg: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::from(arg.as_bytes());
    bytes.push(0);
    (!arg.contains('\0')).then_some(bytes)
}

fn find(name: &str, environment: Environment) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        return file::is_executable(name.as_bytes()).then(|| name.into());
    }
    let path = environment.variable("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let mut candidates = path
        .split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| alloc::format!("{dir}/{name}"));
    candidates.find(|candidate| file::is_executable(candidate.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        let found = find("sh", Environment::EMPTY).expect("every system has a shell");
        assert!(found.ends_with("/sh") && found.starts_with('/'));
        assert_eq!(find("/bin/sh", Environment::EMPTY).as_deref(), Some("/bin/sh"));
        assert_eq!(find("no such program", Environment::EMPTY), None);
        assert_eq!(find("", Environment::EMPTY), None);
        assert_eq!(find("/etc/passwd", Environment::EMPTY), None);
    }

    #[test]
    fn variables() {
        let list = [
            c"HOME=/x".as_ptr().cast::<u8>(),
            c"PATH=/a:/b".as_ptr().cast(),
            core::ptr::null(),
        ];
        // SAFETY: the list is NULL-terminated, its strings are static.
        let environment = unsafe { Environment::new(list.as_ptr()) };
        assert_eq!(environment.variable("PATH").as_deref(), Some("/a:/b"));
        assert_eq!(environment.variable("PAT"), None);
    }
}
