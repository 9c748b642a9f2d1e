//! `cargo xtask test`: every test, with one count at the end.
//!
//! In: the checkout. Out: what cargo's tests and the board's cases say, then `N passed, N failed` alone on a line. Invariant: a failure
//! anywhere is a failure of the task, and nothing that was asked for is left out silently.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::cache::Cache;
use crate::error::XtaskError;
use crate::guest::{self, Guest};
use crate::{agent, build, events, matrix, terminal, toolchain};

/// The parts of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Unit, golden, property and command line tests: all that cargo runs.
    Cargo,
    /// The cases on a QEMU board.
    Cases,
    /// The texts of all events of a QEMU board.
    Events,
}

/// Numbers of tests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All was as it must be.
    pub passed: u32,
    /// Something was not.
    pub failed: u32,
    /// What they need is not there.
    pub skipped: u32,
}

/// Runs the tests: all, or one part of them; of the cases only those whose name contains `name`.
pub fn run(cache: &Cache, only: Option<Part>, name: &str) -> Result<(), XtaskError> {
    build::run(cache)?;
    let mut tally = Tally::default();
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Cargo) {
        tally.add(cargo_tests(cache)?);
        tally.add(agent_sizes(cache)?);
    }
    if wanted(Part::Cases) {
        for plan in matrix::PLANS {
            tally.add(matrix::run(cache, plan, name)?);
        }
    }
    if wanted(Part::Events) {
        tally.add(event_texts(cache)?);
    }
    tally.conclude()
}

/// Runs the cases whose name contains `name` on every board with every engine.
pub fn matrix(cache: &Cache, name: &str) -> Result<(), XtaskError> {
    build::run(cache)?;
    matrix::run_all(cache, name)?.conclude()
}

/// Runs the cases whose name contains `name` on one board with one engine.
pub fn on_board(cache: &Cache, board: &str, engine: &str, name: &str) -> Result<(), XtaskError> {
    build::run(cache)?;
    matrix::run_one(cache, board, engine, name)?.conclude()
}

impl Tally {
    /// Adds other tests.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Prints the numbers; an error if anything failed.
    fn conclude(self) -> Result<(), XtaskError> {
        let skipped = if self.skipped == 0 {
            String::new()
        } else {
            format!(", {} skipped", self.skipped)
        };
        terminal::result(&format!("{} passed, {} failed{skipped}", self.passed, self.failed));
        if self.failed == 0 {
            Ok(())
        } else {
            Err(XtaskError::TestsFailed)
        }
    }

    /// Reads cargo's `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
    fn of_cargo(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |word: &str| {
            counts
                .split("; ")
                .find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }
}

fn cargo_tests(cache: &Cache) -> Result<Tally, XtaskError> {
    let mut cargo = toolchain::cargo();
    cargo
        .current_dir(cache.checkout(""))
        .args(["test", "--workspace", "--no-fail-fast"]);
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| XtaskError::Start {
            program: "cargo".into(),
            source,
        })?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            tally.add(Tally::of_cargo(&line).unwrap_or_default());
            terminal::result(&line);
        }
    }
    let status = child.wait().map_err(|source| XtaskError::Start {
        program: "cargo".into(),
        source,
    })?;
    // A test program that does not build or that dies has no result line of its own.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
        terminal::result("cargo test failed without a failed test: something did not build, or a test program died");
    }
    Ok(tally)
}

fn agent_sizes(cache: &Cache) -> Result<Tally, XtaskError> {
    let mut tally = Tally::default();
    for target in [&toolchain::X86_64, &toolchain::AARCH64] {
        let file = agent::path(cache, target.arch);
        let size = file.metadata().map_err(XtaskError::file("read", &file))?.len();
        let fits = size <= agent::SIZE_LIMIT;
        let shown = if fits { "ok" } else { "FAILED" };
        let limit = agent::SIZE_LIMIT;
        terminal::result(&format!(
            "size of the agent for {}: {size} of {limit} bytes ... {shown}",
            target.arch
        ));
        tally.passed += u32::from(fits);
        tally.failed += u32::from(!fits);
    }
    Ok(tally)
}

fn event_texts(cache: &Cache) -> Result<Tally, XtaskError> {
    let guest = Guest::named(cache, guest::BOARD)?;
    guest.up()?;
    let alike = events::run(cache, &guest)?;
    let health = guest.health()?;
    guest.down()?;
    let complaints = health.log.iter().filter(|line| guest::is_complaint(line));
    let problems: Vec<&String> = complaints.chain(&health.left).collect();
    for problem in &problems {
        terminal::result(&format!("  {problem}"));
    }
    let passed = alike && problems.is_empty();
    let shown = if passed { "ok" } else { "FAILED" };
    terminal::result(&format!("texts of all events of {} ... {shown}", guest::BOARD));
    Ok(Tally {
        passed: u32::from(passed),
        failed: u32::from(!passed),
        skipped: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_result_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s";
        assert_eq!(
            Tally::of_cargo(line),
            Some(Tally {
                passed: 12,
                failed: 3,
                skipped: 1
            })
        );
        assert_eq!(Tally::of_cargo("test a ... ok"), None);
    }
}
