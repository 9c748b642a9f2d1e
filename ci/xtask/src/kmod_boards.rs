//! The kernel modules of the boards, built by ktap-host as a user would.
//!
//! In: ktap-host, the boards' kernels. Out: `${cache}/kmod/RELEASE/ktapvm.ko`. Invariant: a build that warns of anything fails.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::board::{BOARDS, Board};
use crate::build;
use crate::cache::Cache;
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;

/// Makes sure of the modules for all boards of `boards/`.
pub fn build_all(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for board in Board::all(cache, BOARDS)? {
        if build(cache, &board)? == Outcome::Done {
            outcome = Outcome::Done;
        }
    }
    Ok(outcome)
}

/// Makes sure of the module for one board, whose kernel is fetched if need be.
///
/// # Errors
/// The kernel cannot be had; ktap-host cannot build the module, or the build warns.
pub fn build(cache: &Cache, board: &Board) -> Result<Outcome, XtaskError> {
    board.fetch_kernel(cache)?;
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let started = std::time::SystemTime::now();
    let said = capture(
        Command::new(build::ktap_host_path(cache))
            .env("KTAP_BOARDS_DIR", &board.directory)
            .env("KTAP_CACHE", cache.path(""))
            .args(["kmod", "build", "--strict", "--board", &board.name]),
    )?;
    let path = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(if modified(Path::new(&path)) >= Some(started) {
        Outcome::Done
    } else {
        Outcome::Cached
    })
}
