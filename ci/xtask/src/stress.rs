//! `cargo xtask stress`: the module on a loaded kernel, in every way that could hurt it.
//!
//! In: [`PHASES`], a board, a time. Out: a line for each phase with what its sessions did; an error if the kernel's log complains, something stays behind, or a
//! session ends as it must not. Invariant: a phase is judged by the kernel's log after it, and the next begins on a board that was found well.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::board::Board;
use crate::cache::Cache;
use crate::command::run_for;
use crate::error::XtaskError;
use crate::guest::{self, Guest};
use crate::stress_phases::{Beside, PHASES, Phase};
use crate::{build, initramfs, keys, kmod_boards, terminal};

/// The board when none is named.
pub const BOARD: &str = "x86-stress";

/// How much longer than it asks for a session may take: the board is loaded and emulated, and attaching to every tracepoint then takes half a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long the board may take to say how it is.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// Writes requests down for the fuzzer: those of a session over the serial line, where an agent runs all the time.
const RECORD: &str = "for p in /proc/[0-9]*; do grep -q serve $p/cmdline 2>/dev/null && \
     case $(readlink $p/exe) in *ktap-agent*) exec timeout 240 ktap_fuzz record ${p#/proc/} /root/requests ;; esac; done";

/// A session that makes every kind of request, with an attachment of every kind.
const RECORDED: &str = "var t = {} var n = 0 var s = {}\n\
     trace sched:sched_switch { t[execname] += 1 }\n\
     trace sched:sched_wakeup /pid > 1/ { print(argstr) }\n\
     trace syscalls:sys_enter_openat { printf(\"%s\\n\", argstr) }\n\
     trace raw_syscalls:sys_exit { n += 1 }\n\
     trace \"probe:vfs_write size=$arg3:u64 name=$comm:string first=+0($arg2):u8 /size > 1/\" function (e) { s[e.size] <<< e.size }\n\
     trace \"probe:vfs_read%return\" function (e) { n += e.retval }\n\
     trace \"ftrace:function /ip == vfs_open/\" function (e) { t[ipof(e.ip)] += 1 }\n\
     trace page-faults:1 { n += 1 }\n\
     trace \"probe:/usr/bin/known_calls:known_sum a=$arg1:u64\" function (e) { t[e.a] = stack() }\n\
     profile-10ms { n += 1 }\n\
     tick-20ms { n += 1 print(n) }\n\
     trace_end { print_hist(t) print(n) }";

/// Runs the task.
pub fn run(cache: &Cache, board: &str, minutes: u64) -> Result<(), XtaskError> {
    build::run(cache)?;
    let board = Board::load(cache, board)?;
    keys::keys_of(cache, &board)?;
    initramfs::image(cache, &board)?;
    kmod_boards::build(cache, &board)?;
    let mut stress = Stress {
        guest: Guest::of(cache, board),
        seconds: minutes * 60,
        log_seen: 0,
        failed: false,
    };
    stress.guest.up()?;
    for phase in PHASES {
        stress.phase(phase)?;
    }
    let unloaded = stress.guest.run("rmmod ktapvm", LOOK_LIMIT)?;
    if unloaded.code != Some(0) {
        stress.complain(&["the module cannot be taken out at the end".to_owned()]);
    }
    let complaints = stress.complaints()?;
    stress.complain(&complaints);
    stress.guest.down()?;
    if stress.failed {
        Err(XtaskError::TestsFailed)
    } else {
        Ok(())
    }
}

struct Stress<'a> {
    guest: Guest<'a>,
    seconds: u64,
    log_seen: usize,
    failed: bool,
}

/// What the sessions of a phase did.
#[derive(Default)]
struct Done {
    sessions: u32,
    codes: Vec<(Option<i32>, u32)>,
    problems: Vec<String>,
    said: String,
}

impl Stress<'_> {
    fn phase(&mut self, phase: &Phase) -> Result<(), XtaskError> {
        let time = Duration::from_secs((self.seconds * phase.share / 100).max(5));
        let mut done = Done::default();
        match phase.beside {
            Beside::Only(command) => self.command(command, time, &mut done)?,
            beside => self.sessions(phase, beside, time, &mut done)?,
        }
        done.problems.extend(self.complaints()?);
        let mut codes: Vec<String> = done.codes.iter().map(code_text).collect();
        codes.sort();
        terminal::result(&format!(
            "stress: {} ({} s): {} sessions{}{} ... {}",
            phase.name,
            time.as_secs(),
            done.sessions,
            codes.join(""),
            done.said,
            if done.problems.is_empty() { "ok" } else { "FAILED" }
        ));
        self.complain(&done.problems);
        Ok(())
    }

    /// Pushes scripts until the time is over, while the board works.
    fn sessions(&self, phase: &Phase, beside: Beside, time: Duration, done: &mut Done) -> Result<(), XtaskError> {
        let began = Instant::now();
        let mut beside_it = vec![self.start(&format!("busy {}", time.as_secs() + 5))?];
        if let Beside::Command(command) = beside {
            let line = format!(
                "end=$(($(date +%s) + {})); while [ $(date +%s) -lt $end ]; do {command}; done",
                time.as_secs()
            );
            beside_it.push(self.start(&line)?);
        }
        let mut running: Vec<(usize, Child, Instant)> = Vec::new();
        let mut next = 0;
        while began.elapsed() < time || next < phase.scripts.len() || !running.is_empty() {
            // Each script has its turn, however long that takes.
            let more = began.elapsed() < time || next < phase.scripts.len();
            if running.len() < phase.at_a_time && more {
                let script = next % phase.scripts.len();
                running.push((script, self.push(phase, script)?, Instant::now()));
                next += 1;
            }
            let mut still = Vec::new();
            for (script, mut child, started) in running {
                let limit = Duration::from_millis(phase.session) + PATIENCE;
                match child.try_wait() {
                    Ok(Some(status)) => done.note(phase, script, status.code(), child),
                    Ok(None) if started.elapsed() > limit => {
                        let _ = child.kill();
                        let _ = child.wait();
                        let text = format!("a session did not end in time: {}", phase.scripts[script].0);
                        done.problems.push(text);
                    }
                    _ => still.push((script, child, started)),
                }
            }
            running = still;
            std::thread::sleep(Duration::from_millis(20));
        }
        for mut child in beside_it {
            let _ = child.wait();
        }
        Ok(())
    }

    /// Records what an agent asks of the device, then runs a command on the board for the time of the phase.
    fn command(&self, command: &str, time: Duration, done: &mut Done) -> Result<(), XtaskError> {
        let mut recorder = self.start(RECORD)?;
        // It makes its file when it has the agent.
        self.guest
            .run("until [ -e /root/requests ]; do sleep 0.1; done", LOOK_LIMIT)?;
        let mut push = self.guest.ktap_host();
        push.args([
            "push",
            "--board",
            &self.guest.board.name,
            "--link",
            "serial",
            "--engine",
            "kmod",
        ]);
        push.args(["--timeout", "1s", "-e", RECORDED]);
        let finished = run_for(&mut push, PATIENCE)?;
        if finished.code != Some(0) {
            let said = String::from_utf8_lossy(&finished.stderr).into_owned();
            done.problems.push(format!("the recorded session failed: {said}"));
        }
        // Killing the ssh leaves the recorder: it is told by name, and there is only one.
        self.guest.run("killall ktap_fuzz", LOOK_LIMIT)?;
        let _ = recorder.wait();
        let seed = std::process::id();
        let line = format!("{command} {} 6 {seed}", time.as_secs());
        let finished = self.guest.run(&line, time + PATIENCE)?;
        let said = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        done.said = format!(" seed {seed}: {said}");
        if finished.code != Some(0) {
            done.problems.push(format!("`{line}` ended with {:?}", finished.code));
        }
        Ok(())
    }

    fn push(&self, phase: &Phase, script: usize) -> Result<Child, XtaskError> {
        let (text, more) = phase.scripts[script];
        let mut push = self.guest.ktap_host();
        push.args(["push", "--board", &self.guest.board.name, "--engine", "kmod"])
            .args(["--timeout", &format!("{}ms", phase.session)])
            .args(more.split_whitespace())
            .args(["-e", text]);
        spawn(push.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn start(&self, on_board: &str) -> Result<Child, XtaskError> {
        spawn(self.guest.ssh(on_board).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Looks at the board until it is clean, or has had its time to become so.
    fn complaints(&mut self) -> Result<Vec<String>, XtaskError> {
        let began = Instant::now();
        let health = loop {
            let health = self.guest.health()?;
            if health.left.is_empty() || began.elapsed() > LOOK_LIMIT {
                break health;
            }
            std::thread::sleep(Duration::from_millis(500));
        };
        // A ring that has turned over has forgotten its beginning: then all of it is looked at.
        let fresh = health.log.get(self.log_seen..).unwrap_or(&health.log);
        let lines = fresh.iter().filter(|line| guest::is_complaint(line));
        let mut problems: Vec<String> = lines.map(|line| format!("kernel: {line}")).collect();
        problems.extend(health.left);
        self.log_seen = health.log.len();
        Ok(problems)
    }

    fn complain(&mut self, problems: &[String]) {
        for problem in problems {
            terminal::result(&format!("  {problem}"));
        }
        self.failed |= !problems.is_empty();
    }
}

impl Done {
    fn note(&mut self, phase: &Phase, script: usize, code: Option<i32>, child: Child) {
        drop(child);
        self.sessions += 1;
        match self.codes.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.codes.push((code, 1)),
        }
        if !code.is_some_and(|code| phase.codes.contains(&code)) {
            let text = format!("a session ended with {code:?}: {}", phase.scripts[script].0);
            if !self.problems.contains(&text) {
                self.problems.push(text);
            }
        }
    }
}

fn code_text((code, count): &(Option<i32>, u32)) -> String {
    match code {
        Some(code) => format!(", {count} with exit code {code}"),
        None => format!(", {count} by a signal"),
    }
}

fn spawn(command: &mut Command) -> Result<Child, XtaskError> {
    command
        .stdin(Stdio::null())
        .spawn()
        .map_err(|source| XtaskError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })
}
