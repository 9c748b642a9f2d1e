//! How things go wrong without a board: the cause is named, the exit code says which kind it is.
//!
//! What needs a board is in `ci/qemu/cases/failures.ktest`. Agents run on this PC as children; those that need its tracefs are left
//! out where the tests do not run as root.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use ktap_bytecode::version::{MAJOR, MINOR};
use ktap_link::message::{BoardHello, BoardMessage};
use ktap_link::session::{Received, Session};

/// A directory of boards and programs that goes with its test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("ktap-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        // Others run programs of it.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Place(path)
    }

    fn board(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(format!("{name}.toml")), text).unwrap();
    }

    /// Writes a shell program; `AGENT` in it stands for a copy of the built agent.
    fn program(&self, text: &str) -> PathBuf {
        let agent = self.0.join("agent");
        if text.contains("AGENT") {
            std::fs::copy(built_agent(), &agent).unwrap();
        }
        let path = self.0.join("program");
        let text = text.replace("AGENT", &agent.display().to_string());
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    fn ktap(&self, agent: Option<&Path>, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktap-host"));
        command
            .args(args)
            .env("NO_COLOR", "1")
            .env("KTAP_BOARDS_DIR", &self.0)
            .env_remove("KTAP_BOARD");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match agent {
            Some(path) => command.env("KTAP_AGENT", path),
            None => command.env_remove("KTAP_AGENT"),
        };
        command
    }

    /// Runs to the end and compares the exit code and a part of stderr.
    fn fails(&self, agent: Option<&Path>, args: &[&str], code: i32, sentence: &str) {
        let output = self.ktap(agent, args).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {words}");
        assert!(words.contains(sentence), "{args:?}: {words}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn built_agent() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/agents")
        .join(std::env::consts::ARCH)
        .join("ktap-agent");
    assert!(
        path.exists(),
        "there is no agent at {}: run `cargo xtask build` first",
        path.display()
    );
    path
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

fn push<'a>(script: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["push", "--board", "local", "-e", script], rest].concat()
}

const SWITCH: &str = "trace sched:sched_switch { } trace_end { print(\"over\") }";

#[test]
fn a_board_that_is_off_or_unknown_is_5() {
    let place = Place::new("off");
    // Taken and given back: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let board = |host: &str| format!("arch = \"x86_64\"\nlink = \"ssh\"\n[ssh]\nhost = \"{host}\"\nport = {port}\n");
    place.board("off", &board("127.0.0.1"));
    place.board("nowhere", &board("no-such-board.invalid"));
    for link in ["ssh2", "ssh-child"] {
        let args = |name| ["push", "--board", name, "--link", link, "-e", "print(1)"];
        place.fails(
            None,
            &args("off"),
            5,
            "refused the connection: is its ssh server running?",
        );
        place.fails(
            None,
            &args("nowhere"),
            5,
            "there is no host named 'no-such-board.invalid'",
        );
    }
}

#[test]
fn a_program_that_is_no_agent_is_5() {
    let place = Place::new("none");
    place.fails(
        Some(Path::new("/no/such/agent")),
        &push("print(1)", &[]),
        5,
        "cannot start /no/such/agent",
    );
    place.fails(
        Some(Path::new("/bin/true")),
        &push("print(1)", &[]),
        5,
        "the agent on this PC ended",
    );
}

#[test]
fn another_version_is_6() {
    let place = Place::new("version");
    // This very test program, asked to play an agent; the words of its test harness are noise on the link.
    let own = std::env::current_exe().unwrap();
    let agent = place.program(&format!(
        "KTAP_FAR_END=1 exec {} --exact an_agent_of_another_version",
        own.display()
    ));
    let sentence = format!("speaks version {}.0, this ktap-host {MAJOR}.{MINOR}", MAJOR + 1);
    place.fails(Some(&agent), &push("print(1)", &[]), 6, &sentence);
}

/// No test of its own: the far end of the one above.
#[test]
fn an_agent_of_another_version() {
    if std::env::var_os("KTAP_FAR_END").is_none() {
        return;
    }
    let start = std::time::Instant::now();
    let now = || start.elapsed().as_millis() as u64;
    let mut session = Session::board();
    let (mut buffer, mut out) = ([0; 4096], Vec::new());
    while let Ok(got @ 1..) = std::io::stdin().read(&mut buffer) {
        session.receive(&buffer[..got], now());
        while let Some(received) = session.next_received() {
            if let Received::Message(_) = received {
                let hello = BoardHello {
                    major: MAJOR + 1,
                    minor: 0,
                    ..BoardHello::default()
                };
                session.send(&BoardMessage::Hello(hello).to_bytes()).unwrap();
            }
        }
        session.transmit(now(), &mut out);
        std::io::stdout().write_all(&out).unwrap();
        std::io::stdout().flush().unwrap();
        out.clear();
    }
}

#[test]
fn refusals_of_the_board_are_4() {
    if !is_root() {
        return;
    }
    let place = Place::new("refused");
    let agent = place.program("exec AGENT");
    for (script, rest, sentence) in [
        (
            "trace syscalls:sys_enter_getpppid { }",
            &[] as &[&str],
            "did you mean `syscalls:sys_enter_getppid`?",
        ),
        (
            "trace sched:sched_switch /nosuch == 1/ { }",
            &[],
            "the kernel refuses the filter `nosuch == 1`",
        ),
        (
            "trace probe:do_sys_open { }",
            &[],
            "the engine `user` cannot attach this probe",
        ),
        (
            "trace sched:sched_switch { }",
            &["--", "/no/such/command"],
            "`/no/such/command` cannot be started",
        ),
    ] {
        place.fails(Some(&agent), &push(script, rest), 4, sentence);
    }
    let nobody = place.program("exec setpriv --reuid=65534 --regid=65534 --clear-groups AGENT");
    place.fails(Some(&nobody), &push(SWITCH, &[]), 4, "the agent must run as root");
    // An empty /sys, as a kernel without CONFIG_TRACING has no place for tracefs.
    let without = place.program("exec unshare -m sh -c 'mount -t tmpfs -o ro none /sys && exec AGENT'");
    place.fails(
        Some(&without),
        &push(SWITCH, &[]),
        4,
        "the board's kernel has no tracefs",
    );
}

#[test]
fn what_a_script_does_is_its_exit_code() {
    let place = Place::new("script");
    let agent = place.program("exec AGENT");
    place.fails(
        Some(&agent),
        &push("var zero = 0\nprint(1 / zero)", &[]),
        1,
        "--> (command line):2:7",
    );
    place.fails(Some(&agent), &push("exit(9)", &[]), 9, "");
    place.fails(
        Some(&agent),
        &push("print(nosuch)\nprint((1)\nvar = 3", &[]),
        3,
        "nothing was run",
    );
    place.fails(
        Some(&agent),
        &push("print(1)", &["--no-such-option"]),
        2,
        "--no-such-option",
    );
}

/// Starts a push of `SWITCH` and waits until it traces; the agent's pid is in the file `pid`.
fn tracing(place: &Place, script: &str) -> (Child, String, BufReader<std::process::ChildStderr>) {
    let agent = place.program(&format!("echo $$ >{}\nexec AGENT", place.0.join("pid").display()));
    let mut child = place.ktap(Some(&agent), &push(script, &[])).spawn().unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Tracing") {
        line.clear();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "it never traced");
    }
    let pid = std::fs::read_to_string(place.0.join("pid")).unwrap().trim().to_owned();
    (child, pid, words)
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

fn end(child: Child, mut words: impl Read) -> (Output, String) {
    let mut text = String::new();
    words.read_to_string(&mut text).unwrap();
    (child.wait_with_output().unwrap(), text)
}

#[test]
fn an_agent_that_is_killed_is_5() {
    if !is_root() {
        return;
    }
    let place = Place::new("killed");
    let (child, agent, words) = tracing(&place, SWITCH);
    signal("-KILL", &agent);
    let (output, words) = end(child, words);
    assert_eq!(output.status.code(), Some(5), "{words}");
    assert!(
        words.contains("the agent on this PC ended (signal: 9 (SIGKILL))"),
        "{words}"
    );
}

#[test]
fn a_host_that_is_killed_takes_its_agent_along() {
    if !is_root() {
        return;
    }
    let place = Place::new("alone");
    let (mut child, agent, _words) = tracing(&place, SWITCH);
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        // A zombie holds nothing any more.
        let stat = std::fs::read_to_string(format!("/proc/{agent}/stat"));
        stat.map_or(true, |text| text.contains(") Z "))
    });
    assert!(gone, "the agent still runs");
}

#[test]
fn signals_end_in_order() {
    if !is_root() {
        return;
    }
    for name in ["-INT", "-TERM"] {
        let place = Place::new(&format!("signal{name}"));
        let (child, agent, words) = tracing(&place, SWITCH);
        signal(name, &child.id().to_string());
        let (output, words) = end(child, words);
        assert_eq!(
            (output.status.code(), &output.stdout[..]),
            (Some(0), &b"over\n"[..]),
            "{name}: {words}"
        );
        assert!(
            !Path::new(&format!("/proc/{agent}")).exists(),
            "{name}: the agent still runs"
        );
    }
}

#[test]
fn a_second_interrupt_ends_the_printing() {
    if !is_root() {
        return;
    }
    let place = Place::new("twice");
    let (child, _, words) = tracing(&place, "tick-1ms { print(\"x\") } trace_end { print(\"over\") }");
    // Both may come as one, and then it ends in order: neither is an error.
    signal("-INT", &child.id().to_string());
    signal("-INT", &child.id().to_string());
    let (output, words) = end(child, words);
    assert_eq!(output.status.code(), Some(0), "{words}");
}
