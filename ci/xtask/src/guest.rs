//! The QEMU board as demo and tests use it: through ktap-host, and through ssh for what ktap-host must not be trusted with.
//!
//! In: the cache, a built ktap-host. Out: commands, and what the board says of its health. Invariant: a board that was booted from
//! an older image is not used.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::build;
use crate::cache::Cache;
use crate::command::{capture, run_for};
use crate::error::XtaskError;
use crate::keys;

/// The board that demo and tests run on.
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

/// Begins a ktap-host command.
pub fn ktap_host(cache: &Cache) -> Command {
    let mut command = Command::new(build::ktap_host_path(cache));
    command
        .env("KTAP_BOARDS_DIR", cache.checkout("boards"))
        .env("KTAP_CACHE", cache.path(""));
    command
}

/// Boots the board; one that runs an older image is stopped first.
pub fn up(cache: &Cache) -> Result<(), XtaskError> {
    let modified = |path: PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let booted = modified(cache.path("run").join(BOARD).join("pid"));
    let built = modified(cache.board(BOARD, "initramfs.cpio"));
    if booted < built {
        down(cache)?;
    }
    capture(ktap_host(cache).args(["board", "up", BOARD]))?;
    Ok(())
}

/// Stops the board, if it runs.
pub fn down(cache: &Cache) -> Result<(), XtaskError> {
    capture(ktap_host(cache).args(["board", "down", BOARD]))?;
    Ok(())
}

/// Begins an ssh command on the board. The first one stays as a master, which makes the later ones ten times as fast.
pub fn ssh(cache: &Cache, on_board: &str) -> Result<Command, XtaskError> {
    let mut command = Command::new("ssh");
    let option = |name: &str, value: &str| format!("{name}={value}");
    let file = |name: &str| cache.board(BOARD, name).display().to_string();
    let options = [
        option("IdentityFile", &file("id_ed25519")),
        option("IdentitiesOnly", "yes"),
        option("UserKnownHostsFile", &file("known_hosts")),
        option("StrictHostKeyChecking", "yes"),
        option("BatchMode", "yes"),
        option("ConnectTimeout", "10"),
        option("ControlMaster", "auto"),
        option("ControlPath", &cache.path("run/ssh-%C").display().to_string()),
        option("ControlPersist", "60"),
    ];
    command.args(["-F", "none"]);
    for option in options {
        command.arg("-o").arg(option);
    }
    command.args(["-p", &keys::ssh_port(cache)?.to_string(), "root@127.0.0.1", on_board]);
    Ok(command)
}

/// Returns the words of an ssh command on the board, for a shell: what is to be run there comes behind them.
pub fn ssh_line(cache: &Cache) -> Result<String, XtaskError> {
    let command = ssh(cache, "")?;
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    Ok(words.join(" ").trim_end().to_owned())
}

/// Asks the board how it is.
pub fn health(cache: &Cache) -> Result<Health, XtaskError> {
    let finished = run_for(&mut ssh(cache, LOOK)?, LOOK_LIMIT)?;
    if finished.code != Some(0) {
        return Err(XtaskError::BadFile {
            place: format!("board {BOARD}"),
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

/// Tells whether a line of the kernel's log says that the kernel is hurt.
pub fn is_complaint(line: &str) -> bool {
    const COMPLAINTS: &[&str] = &[
        "WARNING:",
        "BUG:",
        "Oops",
        "Kernel panic",
        "general protection fault",
        "rcu_preempt detected stalls",
        "rcu_sched detected stalls",
        "self-detected stall",
        "soft lockup",
        "hard LOCKUP",
        "possible recursive locking",
        "circular locking",
        "blocked for more than",
        "Out of memory",
        "refcount_t:",
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
