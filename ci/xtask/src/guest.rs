//! A QEMU board as demo and tests use it: through ktap-host, and through ssh for what ktap-host must not be trusted with.
//!
//! In: the cache, a board, a built ktap-host. Out: commands, and what the board says of its health. Invariant: a board that was booted from
//! an older image is not used.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::board::Board;
use crate::build;
use crate::cache::Cache;
use crate::command::{Finished, capture, run_for};
use crate::error::XtaskError;

/// The board that the demo runs on.
pub const BOARD: &str = "x86-edge";

/// How long a command on the board may take when it only looks.
const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Prints the kernel's log after a line, then whatever a session may leave behind on a board, one finding a line.
const LOOK: &str = r#"
dmesg
echo ==
[ -d /sys/kernel/tracing/events ] && for file in enabled_functions kprobe_events uprobe_events set_event; do
    [ -s /sys/kernel/tracing/$file ] && sed "s|^|still in $file: |" /sys/kernel/tracing/$file 2>/dev/null
done
[ -d /sys/kernel/debug/kprobes ] || mount -t debugfs debugfs /sys/kernel/debug
[ -s /sys/kernel/debug/kprobes/list ] && sed 's/^/still probed: /' /sys/kernel/debug/kprobes/list
ls -l /proc/[0-9]*/fd 2>/dev/null | grep perf_event | sed 's/^.*->/still open:/'
for file in /tmp/* /run/ktap* /dev/shm/*; do
    case $file in */\*|/run/ktap\*|/run/ktap-agent.log) ;; *) echo "still there: $file" ;; esac
done
true
"#;

/// What the board says of itself.
pub struct Health {
    /// The kernel's log.
    pub log: Vec<String>,
    /// What a session left behind.
    pub left: Vec<String>,
}

/// A board that is worked with.
pub struct Guest<'a> {
    cache: &'a Cache,
    /// The board.
    pub board: Board,
}

impl<'a> Guest<'a> {
    /// The board of this name.
    pub fn named(cache: &'a Cache, name: &str) -> Result<Self, XtaskError> {
        Ok(Self::of(cache, Board::load(cache, name)?))
    }

    /// This board.
    pub fn of(cache: &'a Cache, board: Board) -> Self {
        Self { cache, board }
    }

    /// Begins a ktap-host command.
    pub fn ktap_host(&self) -> Command {
        let mut command = Command::new(build::ktap_host_path(self.cache));
        command
            .env("KTAP_BOARDS_DIR", &self.board.directory)
            .env("KTAP_CACHE", self.cache.path(""));
        command
    }

    /// Boots the board; one that runs an older image is stopped first.
    pub fn up(&self) -> Result<(), XtaskError> {
        let modified = |path: PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let booted = modified(self.cache.path("run").join(&self.board.name).join("pid"));
        let built = modified(self.board.path(self.cache, "initramfs.cpio"));
        if booted < built {
            self.down()?;
        }
        capture(self.ktap_host().args(["board", "up", &self.board.name]))?;
        Ok(())
    }

    /// Stops the board, if it runs.
    pub fn down(&self) -> Result<(), XtaskError> {
        capture(self.ktap_host().args(["board", "down", &self.board.name]))?;
        Ok(())
    }

    /// Begins an ssh command on the board. The first one stays as a master, which makes the later ones ten times as fast.
    pub fn ssh(&self, on_board: &str) -> Command {
        let mut command = Command::new("ssh");
        let option = |name: &str, value: &str| format!("{name}={value}");
        let file = |name: &str| self.board.path(self.cache, name).display().to_string();
        let options = [
            option("IdentityFile", &file("id_ed25519")),
            option("IdentitiesOnly", "yes"),
            option("UserKnownHostsFile", &file("known_hosts")),
            option("StrictHostKeyChecking", "yes"),
            option("BatchMode", "yes"),
            option("ConnectTimeout", "10"),
            option("ControlMaster", "auto"),
            option("ControlPath", &self.cache.path("run/ssh-%C").display().to_string()),
            option("ControlPersist", "60"),
        ];
        command.args(["-F", "none"]);
        for option in options {
            command.arg("-o").arg(option);
        }
        command.args(["-p", &self.board.port.to_string(), "root@127.0.0.1", on_board]);
        command
    }

    /// Returns the words of an ssh command on the board, for a shell: what is to be run there comes behind them.
    pub fn ssh_line(&self) -> String {
        let command = self.ssh("");
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        words.join(" ").trim_end().to_owned()
    }

    /// Runs a command on the board for at most `limit`.
    pub fn run(&self, on_board: &str, limit: Duration) -> Result<Finished, XtaskError> {
        run_for(&mut self.ssh(on_board), limit)
    }

    /// Asks the board how it is.
    pub fn health(&self) -> Result<Health, XtaskError> {
        let finished = self.run(LOOK, LOOK_LIMIT)?;
        if finished.code != Some(0) {
            return Err(XtaskError::BadFile {
                place: format!("board {}", self.board.name),
                problem: format!(
                    "cannot be reached: {}",
                    String::from_utf8_lossy(&finished.stderr).trim()
                ),
            });
        }
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let (log, left) = text.split_once("\n==\n").unwrap_or((&text, ""));
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        Ok(Health {
            log: lines(log),
            left: lines(left),
        })
    }
}

/// Tells whether a line of the kernel's log says that the kernel is hurt.
pub fn is_complaint(line: &str) -> bool {
    const COMPLAINTS: &[&str] = &[
        "WARNING:",
        "BUG:",
        "Oops",
        "Kernel panic",
        "general protection fault",
        "self-detected stall",
        "soft lockup",
        "hard LOCKUP",
        "possible recursive locking",
        "circular locking",
        "blocked for more than",
        "Out of memory",
        "refcount_t:",
        "detected stalls",
        "INFO: task",
        "suspicious RCU usage",
        "inconsistent lock state",
        "possible circular",
        "sleeping function called",
        "scheduling while atomic",
        "list_add corruption",
        "list_del corruption",
        "Unable to handle kernel",
        "Internal error",
        "kernel BUG",
        "ktapvm: leak",
    ];
    COMPLAINTS.iter().any(|complaint| line.contains(complaint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_ordinary_lines() {
        assert!(is_complaint("[   12.3] WARNING: CPU: 1 PID: 99 at kernel/trace/x.c:12"));
        assert!(is_complaint(
            "[   12.3] rcu: INFO: rcu_preempt self-detected stall on CPU"
        ));
        assert!(!is_complaint(
            "[    0.0] DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian"
        ));
    }
}
