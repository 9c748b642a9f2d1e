//! Runs one test case over one link with one engine.
//!
//! In: a [`Case`], a board that is up. Out: what is wrong with the run, if anything. Invariant: every case is followed by a look at
//! the kernel's log and at what the session left behind, whether the case itself passed or not.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::build;
use crate::cache::{self, Cache};
use crate::case::{Case, Script};
use crate::error::XtaskError;
use crate::guest::{self, Guest, Health};

/// What ktap-host says once everything is attached.
const ATTACHED: &str = "Tracing";

/// How long a board may take to be clean after a session: the agent ends when it sees its link closed.
const CLEAN_LIMIT: Duration = Duration::from_secs(3);

/// How often what is waited for is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How a case ended on a link.
pub enum Ending {
    /// All was as it must be.
    Passed,
    /// The board has not what the case requires.
    Skipped,
    /// What was wrong, and what was seen.
    Failed(Vec<String>),
}

/// How a case is to be run.
pub struct Way<'a> {
    /// The board, which is up.
    pub guest: &'a Guest<'a>,
    /// The link to it.
    pub link: &'a str,
    /// Where the program runs.
    pub engine: &'a str,
}

/// Runs the case. `log_seen` is the number of lines of the kernel's log that were looked at before.
pub fn run(cache: &Cache, case: &Case, way: &Way<'_>, log_seen: &mut usize) -> Result<Ending, XtaskError> {
    if let Some(required) = &case.requires
        && way.guest.run(required, case.timeout)?.code != Some(0)
    {
        return Ok(Ending::Skipped);
    }
    let run = Run::start(cache, case, way)?;
    let (seen, mut problems) = run.finish(way.guest, case)?;
    if seen.code != Some(case.return_code) && !seen.timed_out {
        problems.push(format!("exit code {:?}, expected {}", seen.code, case.return_code));
    }
    problems.extend(
        case.expected
            .iter()
            .filter_map(|expected| expected.missing_from(&seen.stdout, &seen.stderr)),
    );
    if way.link != "local" {
        problems.extend(damage(&settled(way.guest)?, log_seen));
    }
    if problems.is_empty() {
        return Ok(Ending::Passed);
    }
    for (name, text) in [("stdout", &seen.stdout), ("stderr", &seen.stderr)] {
        problems.extend(text.lines().map(|line| format!("{name}: {line}")));
    }
    Ok(Ending::Failed(problems))
}

/// What a run showed.
struct Seen {
    code: Option<i32>,
    timed_out: bool,
    stdout: String,
    stderr: String,
}

/// A case that is running.
struct Run {
    child: Child,
    started: Instant,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    attached: Receiver<()>,
}

impl Run {
    fn start(cache: &Cache, case: &Case, way: &Way<'_>) -> Result<Self, XtaskError> {
        let directory = cache.path("run/case");
        // What an earlier case wrote must not be taken for this one's.
        cache::remove(&directory)?;
        std::fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
        let mut command = command(cache, case, way, &directory)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| XtaskError::Start {
                program: "sh".into(),
                source,
            })?;
        let (tell, attached) = channel();
        let stdout = read_lines(child.stdout.take(), |_| {});
        let stderr = read_lines(child.stderr.take(), move |line| {
            if line.contains(ATTACHED) {
                // Nobody waits for it in most cases.
                let _ = tell.send(());
            }
        });
        Ok(Self {
            child,
            started: Instant::now(),
            stdout,
            stderr,
            attached,
        })
    }

    fn finish(mut self, guest: &Guest<'_>, case: &Case) -> Result<(Seen, Vec<String>), XtaskError> {
        let mut problems = Vec::new();
        if case.after.is_some() || case.interrupt {
            match self.attached.recv_timeout(case.timeout) {
                Ok(()) => self.act(guest, case, &mut problems)?,
                Err(_) => problems.push(format!("stderr never said `{ATTACHED}`")),
            }
        }
        let mut timed_out = false;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if self.started.elapsed() < case.timeout => sleep(POLL),
                _ => {
                    timed_out = true;
                    problems.push(format!("still running after {} s", case.timeout.as_secs()));
                    // It may end by itself at this very moment.
                    let _ = self.child.kill();
                    break self.child.wait().ok();
                }
            }
        };
        let text = |reader: JoinHandle<String>| reader.join().unwrap_or_default();
        let code = status.and_then(|status| status.code());
        Ok((
            Seen {
                code,
                timed_out,
                stdout: text(self.stdout),
                stderr: text(self.stderr),
            },
            problems,
        ))
    }

    /// Does what the case asks for once its script is attached.
    fn act(&self, guest: &Guest<'_>, case: &Case, problems: &mut Vec<String>) -> Result<(), XtaskError> {
        if let Some(after) = &case.after
            && guest.run(after, case.timeout)?.code != Some(0)
        {
            problems.push(format!("`{after}` failed on the board"));
        }
        if case.interrupt {
            // It may have ended by itself, which its exit code tells.
            let _ = Command::new("kill")
                .args(["-INT", &self.child.id().to_string()])
                .stderr(Stdio::null())
                .status();
        }
        Ok(())
    }
}

fn command(cache: &Cache, case: &Case, way: &Way<'_>, directory: &Path) -> Result<Command, XtaskError> {
    let board = &way.guest.board;
    let (name, arch) = if way.link == "local" {
        ("local", std::env::consts::ARCH)
    } else {
        (board.name.as_str(), board.arch.as_str())
    };
    let line = match &case.script {
        Script::Command(line) => line.clone(),
        Script::Program(text) => {
            cache::write_changed(&directory.join("case.kp"), format!("{text}\n").as_bytes(), 0o644)?;
            // The command to trace, after `--`, must come last.
            let (options, traced) = case.arguments.split_once("-- ").unwrap_or((&case.arguments, ""));
            let traced = if traced.is_empty() {
                String::new()
            } else {
                format!("-- {traced}")
            };
            format!("exec ktap-host push --board $BOARD --link $LINK --engine $ENGINE {options} case.kp {traced}")
        }
    };
    let programs = build::ktap_host_path(cache);
    let programs = programs.parent().unwrap_or(&programs).display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let boards = if way.link == "local" {
        cache.checkout(crate::board::BOARDS)
    } else {
        board.directory.clone()
    };
    let mut command = Command::new("sh");
    command
        .args(["-c", &line])
        .current_dir(directory)
        .env("PATH", format!("{programs}:{path}"))
        .env("BOARD", name)
        .env("LINK", way.link)
        .env("ENGINE", way.engine)
        .env("ON_BOARD", way.guest.ssh_line())
        .env("NO_COLOR", "1")
        .env("KTAP_BOARDS_DIR", boards)
        .env("KTAP_CACHE", cache.path(""))
        .env("KTAP_AGENT", crate::agent::path(cache, arch));
    Ok(command)
}

fn read_lines(
    pipe: Option<impl Read + Send + 'static>,
    mut each: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<String> {
    spawn(move || {
        let mut all = String::new();
        let Some(pipe) = pipe else { return all };
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = lines.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line);
            each(&text);
            all.push_str(&text);
            line.clear();
        }
        all
    })
}

/// Looks at the board until nothing is left of the session, or until that takes too long.
fn settled(guest: &Guest<'_>) -> Result<Health, XtaskError> {
    let started = Instant::now();
    loop {
        let health = guest.health()?;
        if health.left.is_empty() || started.elapsed() > CLEAN_LIMIT {
            return Ok(health);
        }
        sleep(POLL * 10);
    }
}

fn damage(health: &Health, log_seen: &mut usize) -> Vec<String> {
    let fresh = health.log.get(*log_seen..).unwrap_or_default();
    let complaints = fresh
        .iter()
        .filter(|line| guest::is_complaint(line))
        .map(|line| format!("kernel: {line}"));
    let found = complaints.chain(health.left.iter().cloned()).collect();
    *log_seen = health.log.len();
    found
}
