//! The texts of events against the kernel's own, over every event the board has.
//!
//! In: a board that is up. Out: what ktap-symbols' `compare_capture` says of a capture made there. Invariant: text and raw pages are those of
//! one buffer, which no longer grows when they are taken.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cache::{self, Cache};
use crate::command::run_for;
use crate::error::XtaskError;
use crate::guest::Guest;
use crate::{terminal, toolchain};

/// What runs on the board.
const CAPTURE: &str = "ci/qemu/capture.sh";
/// The buffer it fills.
const INSTANCE: &str = "/sys/kernel/tracing/instances/ktap_events";
/// Kinds of events beside system calls that must fire, or the test would say little. About 120 do.
const LEAST_KINDS: &str = "100";
/// How long each step may take: they are a few seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes a capture and compares it. Returns true if all texts are the kernel's.
pub fn run(cache: &Cache, guest: &Guest<'_>) -> Result<bool, XtaskError> {
    let directory = cache.path("run/events");
    cache::remove(&directory)?;
    fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
    let script = String::from_utf8_lossy(&cache::read(&cache.checkout(CAPTURE))?).into_owned();
    on_board(guest, &script)?;
    let fetched = fetch(guest, &directory);
    // The buffer is large: it goes whether its contents came or not.
    let removed = on_board(guest, &format!("rmdir {INSTANCE}"));
    fetched?;
    removed?;
    let mut cargo = toolchain::cargo();
    cargo
        .current_dir(cache.checkout(""))
        .args(["run", "--quiet", "--release", "--package", "ktap-symbols"])
        .args(["--example", "compare_capture", "--"])
        .arg(&directory)
        .arg(LEAST_KINDS);
    let finished = run_for(&mut cargo, LIMIT * 5)?;
    for text in [&finished.stdout, &finished.stderr] {
        for line in String::from_utf8_lossy(text).lines() {
            terminal::result(&format!("  {line}"));
        }
    }
    Ok(finished.code == Some(0))
}

/// Brings everything that the comparison reads into `directory`.
fn fetch(guest: &Guest<'_>, directory: &Path) -> Result<(), XtaskError> {
    const FILES: &[(&str, &str)] = &[
        ("kallsyms", "cat /proc/kallsyms"),
        ("printk_formats", "cat /sys/kernel/tracing/printk_formats"),
        ("header_page", "cat /sys/kernel/tracing/events/header_page"),
        // Of several files, head writes the names in front. No format has a million lines.
        ("formats", "cd /sys/kernel/tracing/events && head -n 1000000 */*/format"),
    ];
    let save = |name: &str, command: &str| {
        let path = directory.join(name);
        fs::write(&path, on_board(guest, command)?).map_err(XtaskError::file("write", &path))
    };
    for (name, command) in FILES {
        save(name, command)?;
    }
    let cpus = on_board(guest, &format!("ls -d {INSTANCE}/per_cpu/cpu*"))?;
    for directory in String::from_utf8_lossy(&cpus).lines() {
        let cpu = directory.rsplit('/').next().unwrap_or_default();
        // The text first: reading the pages takes them out of the buffer.
        save(&format!("{cpu}.text"), &format!("cat {directory}/trace"))?;
        save(
            &format!("{cpu}.pages"),
            &format!("trace_pages {directory}/trace_pipe_raw"),
        )?;
    }
    Ok(())
}

/// Runs a command on the board and returns its stdout.
fn on_board(guest: &Guest<'_>, command: &str) -> Result<Vec<u8>, XtaskError> {
    let finished = guest.run(command, LIMIT)?;
    if finished.code == Some(0) {
        return Ok(finished.stdout);
    }
    Err(XtaskError::Command {
        line: command.lines().next().unwrap_or_default().to_owned(),
        status: format!("exit code {:?} on board {}", finished.code, guest.board.name),
        stderr: String::from_utf8_lossy(&finished.stderr).trim().to_owned(),
    })
}
