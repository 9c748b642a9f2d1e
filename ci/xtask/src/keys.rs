//! The keys of a QEMU board: one that the board proves itself with, one that logs in.
//!
//! In: nothing. Out: `${cache}/NAME/{host_key,id_ed25519,id_ed25519.pub,known_hosts}`. Invariant: made once, so `known_hosts` pins the
//! board however often its image is built anew.

use std::path::Path;
use std::process::Command;

use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// Makes sure of the keys of `x86-edge`.
pub fn board_keys(cache: &Cache) -> Result<Outcome, XtaskError> {
    let known_hosts = cache.board("x86-edge", "known_hosts");
    let host_key = cache.board("x86-edge", "host_key");
    let key = cache.board("x86-edge", "id_ed25519");
    // Written last, so its presence says that the others are complete.
    if known_hosts.exists() && host_key.exists() && key.exists() {
        return Ok(Outcome::Cached);
    }
    let public = cache.board("x86-edge", "id_ed25519.pub");
    for stale in [&host_key, &key, &public] {
        cache::remove(stale)?;
    }
    capture(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ktap board key", "-f"])
            .arg(&key),
    )?;
    capture(&mut dropbearkey(&host_key, &["-t", "ed25519"]))?;
    let shown = capture(&mut dropbearkey(&host_key, &["-y"]))?;
    let shown = String::from_utf8_lossy(&shown);
    let line = shown
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .ok_or_else(|| XtaskError::BadFile {
            place: host_key.display().to_string(),
            problem: "dropbearkey shows no ed25519 key".into(),
        })?;
    let key_words: Vec<&str> = line.split(' ').take(2).collect();
    let pinned = format!("[127.0.0.1]:{} {}\n", ssh_port(cache)?, key_words.join(" "));
    cache::write_changed(&known_hosts, pinned.as_bytes(), 0o644)
}

/// Reads the board's loopback port out of its file: the one line `port = NUMBER`.
pub fn ssh_port(cache: &Cache) -> Result<u16, XtaskError> {
    let file = cache.checkout("boards/x86-edge.toml");
    let text = String::from_utf8_lossy(&cache::read(&file)?).into_owned();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("port")?.trim_start().strip_prefix('='));
    let number = value.and_then(|value| value.split('#').next()?.trim().parse().ok());
    number.ok_or_else(|| XtaskError::BadFile {
        place: file.display().to_string(),
        problem: "has no line `port = NUMBER`".into(),
    })
}

fn dropbearkey(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("dropbearkey");
    command.args(arguments).arg("-f").arg(file);
    command
}
