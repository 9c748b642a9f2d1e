//! `cargo xtask test`: every test, with one count at the end.
//!
//! In: the checkout. Out: what cargo's tests and the board's cases say, then `N passed, N failed` alone on a line. Invariant: a failure
//! anywhere is a failure of the task, and nothing that was asked for is left out silently.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::cache::{self, Cache};
use crate::case::{self, Case};
use crate::error::XtaskError;
use crate::run_case::{self, Ending};
use crate::{agent, build, events, guest, terminal, toolchain};

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
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
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
        tally.add(cases(cache, name)?);
    }
    if wanted(Part::Events) {
        tally.add(event_texts(cache)?);
    }
    if only != Some(Part::Cargo) {
        guest::down(cache)?;
    }
    let skipped = if tally.skipped == 0 {
        String::new()
    } else {
        format!(", {} skipped", tally.skipped)
    };
    terminal::result(&format!("{} passed, {} failed{skipped}", tally.passed, tally.failed));
    if tally.failed == 0 {
        Ok(())
    } else {
        Err(XtaskError::TestsFailed)
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
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
    for target in toolchain::TARGETS {
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

fn cases(cache: &Cache, name: &str) -> Result<Tally, XtaskError> {
    let cases: Vec<Case> = load(cache)?
        .into_iter()
        .filter(|case| case.name.contains(name))
        .collect();
    let mut tally = Tally::default();
    if cases.is_empty() {
        return Err(XtaskError::Usage(format!("no case has `{name}` in its name")));
    }
    guest::up(cache)?;
    // What the kernel said before the first case, while booting, is looked at with the first case.
    let mut log_seen = 0;
    for case in &cases {
        for link in &case.links {
            let ending = run_case::run(cache, case, link, &mut log_seen)?;
            let shown = match &ending {
                Ending::Passed => "ok",
                Ending::Skipped => "skipped",
                Ending::Failed(_) => "FAILED",
            };
            terminal::result(&format!("case {} ({link}) ... {shown}", case.name));
            match ending {
                Ending::Passed => tally.passed += 1,
                Ending::Skipped => tally.skipped += 1,
                Ending::Failed(problems) => {
                    tally.failed += 1;
                    terminal::result(&format!("  {}", case.place));
                    for problem in problems {
                        terminal::result(&format!("  {problem}"));
                    }
                }
            }
        }
    }
    Ok(tally)
}

fn event_texts(cache: &Cache) -> Result<Tally, XtaskError> {
    guest::up(cache)?;
    let alike = events::run(cache)?;
    let health = guest::health(cache)?;
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

fn load(cache: &Cache) -> Result<Vec<Case>, XtaskError> {
    let directory = cache.checkout("ci/qemu/cases");
    let listing = std::fs::read_dir(&directory).map_err(XtaskError::file("read", &directory))?;
    let mut files: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ktest"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&cache::read(&file)?).into_owned();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        cases.extend(case::parse(&format!("ci/qemu/cases/{name}"), &text)?);
    }
    cases.extend(shipped(cache)?);
    Ok(cases)
}

/// Returns a case for every script in `scripts/TOPIC/`.
fn shipped(cache: &Cache) -> Result<Vec<Case>, XtaskError> {
    let list = |directory: &Path| -> Result<Vec<PathBuf>, XtaskError> {
        let listing = std::fs::read_dir(directory).map_err(XtaskError::file("read", directory))?;
        let mut paths: Vec<_> = listing.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut cases = Vec::new();
    for topic in list(&cache.checkout("scripts"))? {
        for script in list(&topic)? {
            let text = String::from_utf8_lossy(&cache::read(&script)?).into_owned();
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let place = format!("scripts/{}/{}", name(&topic), name(&script));
            cases.push(Case::shipped(place, text));
        }
    }
    Ok(cases)
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

    #[test]
    fn every_case_of_the_project_can_be_read() {
        let cases = load(&Cache::open().unwrap()).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            for link in &case.links {
                assert!(
                    ["ssh", "ssh-child", "serial", "local"].contains(&link.as_str()),
                    "{}: {link}",
                    case.place
                );
            }
        }
    }
}
