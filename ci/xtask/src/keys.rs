//! The keys of QEMU boards: one that the board proves itself with, one that logs in.
//!
//! In: nothing. Out: `${cache}/NAME/{host_key,id_ed25519,id_ed25519.pub,known_hosts}`. Invariant: made once, so `known_hosts` pins the
//! board however often its image is built anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::board::{self, Board};
use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// Makes sure of the keys of all boards of `boards/`.
pub fn board_keys(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for board in Board::all(cache, board::BOARDS)? {
        if keys_of(cache, &board)? == Outcome::Done {
            outcome = Outcome::Done;
        }
    }
    Ok(outcome)
}

/// Makes sure of the keys of a board.
pub fn keys_of(cache: &Cache, board: &Board) -> Result<Outcome, XtaskError> {
    let known_hosts = board.path(cache, "known_hosts");
    let host_key = board.path(cache, "host_key");
    let key = board.path(cache, "id_ed25519");
    // Written last, so its presence says that the others are complete.
    if known_hosts.exists() && host_key.exists() && key.exists() {
        return Ok(Outcome::Cached);
    }
    let public = board.path(cache, "id_ed25519.pub");
    let directory = board.path(cache, "");
    fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
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
    let pinned = format!("[127.0.0.1]:{} {}\n", board.port, key_words.join(" "));
    cache::write_changed(&known_hosts, pinned.as_bytes(), 0o644)
}

fn dropbearkey(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("dropbearkey");
    command.args(arguments).arg("-f").arg(file);
    command
}
