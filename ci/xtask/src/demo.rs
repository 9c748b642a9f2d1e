//! `cargo xtask demo`: the main job on a real kernel, from nothing.
//!
//! In: a fresh checkout. Out: the histogram of what a board's kernel did for five seconds, on stdout. Invariant: the board is down
//! afterwards unless it is to be kept.

use std::process::{Child, Stdio};

use crate::cache::Cache;
use crate::command::show;
use crate::error::XtaskError;
use crate::guest::{self, Guest};
use crate::{build, terminal};

/// The script that is shown.
const SCRIPT: &str = "scripts/syscalls/syscalls_histogram.kp";

/// Runs the task.
pub fn run(cache: &Cache, keep: bool) -> Result<(), XtaskError> {
    build::run(cache)?;
    terminal::talk(&format!("$ ktap-host board up {}", guest::BOARD));
    let guest = Guest::named(cache, guest::BOARD)?;
    guest.up()?;
    let shown = trace(cache, &guest);
    if keep {
        let path = build::ktap_host_path(cache);
        terminal::talk(&format!(
            "the board stays up; `{} board down {}` ends it",
            path.display(),
            guest::BOARD
        ));
        return shown;
    }
    let stopped = guest.down();
    shown.and(stopped)
}

fn trace(cache: &Cache, guest: &Guest<'_>) -> Result<(), XtaskError> {
    let _load = Load::start(guest)?;
    let words = ["push", "--board", guest::BOARD, "--timeout", "5s", SCRIPT];
    terminal::talk(&format!("$ ktap-host {}", words.join(" ")));
    show(guest.ktap_host().current_dir(cache.checkout("")).args(words))
}

/// Something to see on the board; dropping it ends the ssh that runs it, and the load ends itself soon after.
struct Load(Child);

impl Load {
    fn start(guest: &Guest<'_>) -> Result<Self, XtaskError> {
        let mut ssh = guest.ssh("load 8");
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        ssh.spawn().map(Self).map_err(|source| XtaskError::Start {
            program: "ssh".into(),
            source,
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
