//! `cargo xtask size`: bytes of what goes to a board, and of what stays here.
//!
//! In: what `cargo xtask build` made. Out: a table on stdout. Invariant: what is above its limit fails the task.

use std::path::Path;

use crate::board::{self, Board};
use crate::cache::Cache;
use crate::command::capture;
use crate::error::XtaskError;
use crate::guest::Guest;
use crate::{agent, build, kmod, terminal};

/// Bytes that a kernel module may have, without debug information.
const MODULE_LIMIT: u64 = 200 * 1024;

/// Runs the task.
pub fn run(cache: &Cache) -> Result<(), XtaskError> {
    build::run(cache)?;
    let mut fits = true;
    let boards = Board::all(cache, board::BOARDS)?;
    let mut arches: Vec<String> = boards.iter().map(|board| board.arch.clone()).collect();
    arches.sort();
    arches.dedup();
    for arch in &arches {
        let name = format!("agent for {arch}");
        fits &= show(&name, &agent::path(cache, arch), Some(agent::SIZE_LIMIT))?;
    }
    for board in boards {
        let name = format!("kernel module for {} ({})", board.name, board.kernel);
        let guest = Guest::of(cache, board);
        let built = capture(guest.ktap_host().args(["kmod", "build", "--board", &guest.board.name]))?;
        let path = String::from_utf8_lossy(&built).trim().to_owned();
        fits &= show(&name, path.as_ref(), Some(MODULE_LIMIT))?;
    }
    for arch in &arches {
        show(
            &format!("Rust object of the module for {arch}"),
            &kmod::path(cache, arch),
            None,
        )?;
    }
    show("ktap-host", &build::ktap_host_path(cache), None)?;
    if fits { Ok(()) } else { Err(XtaskError::TestsFailed) }
}

/// Prints a line and tells whether the file is within its limit.
fn show(name: &str, file: &Path, limit: Option<u64>) -> Result<bool, XtaskError> {
    let size = file.metadata().map_err(XtaskError::file("read", file))?.len();
    let fits = limit.is_none_or(|limit| size <= limit);
    let verdict = match limit {
        Some(limit) => format!("at most {limit}: {}", if fits { "pass" } else { "MISS" }),
        None => String::new(),
    };
    terminal::result(format!("{name:<48} {size:>9}  {verdict}").trim_end());
    Ok(fits)
}
