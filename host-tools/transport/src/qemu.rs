//! A QEMU board: a Linux guest on this PC that outlives the program that started it.
//!
//! In: a [`QemuSpec`] out of a board file. Out: a running [`Qemu`] with ssh on a loopback port, a console and a data line.
//! Invariant: a process is taken for the board's only if its command line names the board's own pid file.
//!
//! The state directory of a running board:
//!
//! ```text
//! pid            QEMU's process id; QEMU removes it when it ends
//! console.log    all that the guest said on its console
//! console.sock   the console's UART, for an interactive console
//! data           a link to the pty that is the far end of the guest's second UART
//! qmp.sock       QEMU's monitor
//! ```

mod console;
mod error;
mod machine;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use error::QemuError;

/// What the guest's console says when ssh can be reached.
const READY: &str = "ktap-board: READY";

/// How long a guest may take to boot. Emulated on a busy machine it takes ten seconds or so.
const BOOT_LIMIT: Duration = Duration::from_secs(90);

/// How long QEMU may take to end when asked.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// How often files and processes are looked at while waiting.
const POLL: Duration = Duration::from_millis(50);

/// Lines of the console that an error repeats.
const TAIL_LINES: usize = 20;

/// What a board file says about its guest.
#[derive(Clone, Debug)]
pub struct QemuSpec {
    /// The board's name.
    pub name: String,
    /// The guest's architecture in the kernel's words: `x86_64`.
    pub arch: String,
    /// The CPU in QEMU's words; empty for what is usual for the architecture.
    pub cpu: String,
    /// The kernel image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// More words for the kernel's command line.
    pub append: String,
    /// Memory in MiB.
    pub memory_mb: u32,
    /// Number of CPUs.
    pub cpus: u32,
    /// The loopback port that leads to the guest's ssh.
    pub ssh_port: u16,
    /// Where the running board keeps its files.
    pub state_dir: PathBuf,
}

/// A running QEMU board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qemu {
    /// QEMU's process id.
    pub pid: u32,
    /// The tty that is the far end of the guest's second UART.
    pub serial: PathBuf,
    state_dir: PathBuf,
}

/// Boots the board, or finds it running, and waits until its ssh can be reached.
///
/// # Errors
/// Any [`QemuError`]; a board that does not get ready is stopped again.
pub fn up(spec: &QemuSpec) -> Result<Qemu, QemuError> {
    let qemu = match status(&spec.state_dir) {
        Some(qemu) => qemu,
        None => start(spec)?,
    };
    let ready = qemu.wait_until_ready();
    if ready.is_err() {
        // The boot's failure is what the caller must hear of, not that of the clean-up.
        let _ = qemu.down();
    }
    ready.map(|()| qemu)
}

/// Returns the board that runs in this state directory, if one does.
pub fn status(state_dir: &Path) -> Option<Qemu> {
    let state_dir = state_dir.canonicalize().ok()?;
    let pid = fs::read_to_string(state_dir.join("pid")).ok()?.trim().parse().ok()?;
    let serial = fs::read_link(state_dir.join("data")).unwrap_or_default();
    let qemu = Qemu { pid, serial, state_dir };
    qemu.is_alive().then_some(qemu)
}

/// Stops the board that runs in this state directory and waits until it is gone.
///
/// # Errors
/// [`QemuError::NotRunning`] or [`QemuError::Stuck`].
pub fn down(state_dir: &Path) -> Result<(), QemuError> {
    running(state_dir)?.down()
}

/// Joins this program's stdin and stdout to the console of the board that runs in this state directory, until Ctrl-].
///
/// # Errors
/// [`QemuError::NotRunning`], or [`QemuError::State`] when the console cannot be reached.
pub fn console(state_dir: &Path) -> Result<(), QemuError> {
    running(state_dir)?.console(io::stdin(), &mut io::stdout())
}

fn running(state_dir: &Path) -> Result<Qemu, QemuError> {
    status(state_dir).ok_or_else(|| QemuError::NotRunning(state_dir.to_owned()))
}

impl Qemu {
    /// Stops the board and waits until it is gone.
    ///
    /// # Errors
    /// [`QemuError::Stuck`].
    pub fn down(&self) -> Result<(), QemuError> {
        // A monitor that does not answer is no reason to leave the guest running.
        let asked = self.ask_to_quit().is_ok();
        if asked && self.wait_until_gone() {
            return Ok(());
        }
        if self.is_alive() {
            let _ = Command::new("kill")
                .args(["-KILL", &self.pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        if self.wait_until_gone() {
            Ok(())
        } else {
            Err(QemuError::Stuck(self.pid))
        }
    }

    /// Returns the last lines that the guest said on its console.
    pub fn console_tail(&self) -> String {
        let log = fs::read(self.state_dir.join("console.log")).unwrap_or_default();
        tail(&String::from_utf8_lossy(&log))
    }

    fn is_alive(&self) -> bool {
        // Process ids come round again: the pid file's own path in the command line tells that it is this board's.
        let Ok(command_line) = fs::read(format!("/proc/{}/cmdline", self.pid)) else {
            return false;
        };
        let pid_file = self.state_dir.join("pid");
        command_line
            .split(|byte| *byte == 0)
            .any(|word| word == pid_file.as_os_str().as_encoded_bytes())
    }

    fn wait_until_ready(&self) -> Result<(), QemuError> {
        let started = Instant::now();
        loop {
            let alive = self.is_alive();
            let log = fs::read(self.state_dir.join("console.log")).unwrap_or_default();
            if String::from_utf8_lossy(&log).contains(READY) {
                return Ok(());
            }
            if !alive {
                return Err(QemuError::Died(self.console_tail()));
            }
            if started.elapsed() > BOOT_LIMIT {
                return Err(QemuError::NotReady {
                    limit: BOOT_LIMIT,
                    tail: self.console_tail(),
                });
            }
            thread::sleep(POLL);
        }
    }

    fn ask_to_quit(&self) -> io::Result<()> {
        let mut monitor = UnixStream::connect(self.state_dir.join("qmp.sock"))?;
        monitor.set_read_timeout(Some(QUIT_LIMIT))?;
        monitor.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n")?;
        // QEMU closes the monitor as it ends; closing first could lose the request.
        let mut answers = Vec::new();
        monitor.read_to_end(&mut answers)?;
        Ok(())
    }

    fn wait_until_gone(&self) -> bool {
        let started = Instant::now();
        while self.is_alive() {
            if started.elapsed() > QUIT_LIMIT {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

/// Starts QEMU. It puts itself into the background once its devices stand, so its own words and exit status can be had.
fn start(spec: &QemuSpec) -> Result<Qemu, QemuError> {
    let (program, package) = machine::program(&spec.arch)?;
    for image in [&spec.kernel, &spec.initramfs] {
        if !image.is_file() {
            return Err(QemuError::NoImage(image.clone()));
        }
    }
    if TcpListener::bind(("127.0.0.1", spec.ssh_port)).is_err() {
        return Err(QemuError::PortTaken(spec.ssh_port));
    }
    let state_error = |source| QemuError::State {
        path: spec.state_dir.clone(),
        source,
    };
    fs::create_dir_all(&spec.state_dir).map_err(state_error)?;
    let state_dir = spec.state_dir.canonicalize().map_err(state_error)?;
    for stale in ["pid", "console.log", "console.sock", "qmp.sock", "data"] {
        // What is not there need not be removed, and QEMU names what it cannot make.
        let _ = fs::remove_file(state_dir.join(stale));
    }
    let output = Command::new(program)
        .args(machine::arguments(spec, &state_dir)?)
        .current_dir(&state_dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|problem| match problem.kind() {
            io::ErrorKind::NotFound => QemuError::NoProgram {
                program: program.into(),
                package,
            },
            _ => QemuError::Refused(problem.to_string()),
        })?;
    if !output.status.success() {
        return Err(QemuError::Refused(tail(&String::from_utf8_lossy(&output.stderr))));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let serial = pty_of(&said).ok_or_else(|| QemuError::Refused(format!("it named no pty: {said}")))?;
    std::os::unix::fs::symlink(&serial, state_dir.join("data")).map_err(state_error)?;
    // QEMU writes its pid file before it goes into the background; without one the guest has ended already.
    status(&state_dir).ok_or_else(|| {
        QemuError::Died(tail(
            &fs::read_to_string(state_dir.join("console.log")).unwrap_or_default(),
        ))
    })
}

/// Reads the pty out of QEMU's `char device redirected to /dev/pts/3 (label data)`.
fn pty_of(said: &str) -> Option<PathBuf> {
    let line = said.lines().find(|line| line.ends_with("(label data)"))?;
    line.split_whitespace()
        .find(|word| word.starts_with("/dev/"))
        .map(PathBuf::from)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> QemuSpec {
        QemuSpec {
            name: "test".into(),
            arch: "x86_64".into(),
            cpu: String::new(),
            kernel: "/nonexistent/kernel".into(),
            initramfs: "/nonexistent/initramfs".into(),
            append: String::new(),
            memory_mb: 256,
            cpus: 1,
            ssh_port: 22990,
            state_dir: "/nonexistent/state".into(),
        }
    }

    #[test]
    fn qemu_names_the_pty_of_the_data_line() {
        let said =
            "char device redirected to /dev/pts/1 (label other)\nchar device redirected to /dev/pts/3 (label data)\n";
        assert_eq!(pty_of(said), Some(PathBuf::from("/dev/pts/3")));
        assert_eq!(pty_of("nothing of the kind"), None);
    }

    #[test]
    fn a_missing_image_says_how_to_make_it() {
        let problem = up(&spec()).unwrap_err().to_string();
        assert_eq!(
            problem,
            "the board's image /nonexistent/kernel is missing; `cargo xtask setup` makes it"
        );
    }

    #[test]
    fn an_unknown_architecture_is_named() {
        let problem = up(&QemuSpec {
            arch: "m68k".into(),
            ..spec()
        })
        .unwrap_err()
        .to_string();
        assert!(problem.contains("`m68k`"), "{problem}");
    }

    #[test]
    fn a_process_that_is_not_the_boards_is_not_its_status() {
        let state_dir = std::env::temp_dir().join(format!("ktap-qemu-status-{}", std::process::id()));
        fs::create_dir_all(&state_dir).unwrap();
        fs::write(state_dir.join("pid"), format!("{}\n", std::process::id())).unwrap();
        let found = status(&state_dir);
        fs::remove_dir_all(&state_dir).unwrap();
        assert_eq!(found, None);
    }

    #[test]
    fn a_tail_is_the_last_lines_that_say_something() {
        let text = (0..30).map(|line| format!("{line}\r\n\r\n")).collect::<String>();
        let tail = tail(&text);
        assert!(tail.starts_with("10\n11") && tail.ends_with("28\n29"), "{tail}");
    }
}
