//! Boards, engines and cases: which runs with which.
//!
//! In: the cases, the boards. Out: a line for every case on every board with every engine, and their number. Invariant: a board boots
//! once for an engine, and what it says while booting and when the module leaves is looked at like what it says in between.

use std::time::Duration;

use crate::board::{self, Board};
use crate::cache::Cache;
use crate::case::Case;
use crate::error::XtaskError;
use crate::guest::{self, Guest};
use crate::run_case::{self, Ending, Way};
use crate::test::Tally;
use crate::{cases, initramfs, keys, kmod_boards, terminal};

/// Takes the module out and prints whatever of it is still there.
const UNLOAD: &str = r#"
rmmod ktapvm || exit
grep ktapvm /proc/modules /proc/vmallocinfo /proc/misc
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
cat /sys/kernel/debug/kprobes/list 2>/dev/null
true
"#;

/// How long that may take.
const UNLOAD_LIMIT: Duration = Duration::from_secs(20);

/// A board with an engine, and how much runs there.
pub struct Plan {
    /// The board.
    pub board: &'static str,
    /// The engine.
    pub engine: &'static str,
    /// Only the cases that say `SMOKE`.
    pub brief: bool,
}

/// What runs for every change.
pub const PLANS: &[Plan] = &[
    full("x86-edge", "user"),
    full("x86-edge", "kmod"),
    full("arm64-field", "kmod"),
    brief("arm64-field", "user"),
    full("x86-6.12", "kmod"),
];

const fn full(board: &'static str, engine: &'static str) -> Plan {
    Plan {
        board,
        engine,
        brief: false,
    }
}

const fn brief(board: &'static str, engine: &'static str) -> Plan {
    Plan {
        board,
        engine,
        brief: true,
    }
}

/// Runs a plan; of its cases only those whose name contains `name`.
pub fn run(cache: &Cache, plan: &Plan, name: &str) -> Result<Tally, XtaskError> {
    let board = Board::load(cache, plan.board)?;
    run_on(cache, board, plan.engine, |case| {
        case.is_named(name) && (case.smoke || !plan.brief)
    })
}

/// Runs the cases whose name contains `name` on one board with one engine.
pub fn run_one(cache: &Cache, board: &str, engine: &str, name: &str) -> Result<Tally, XtaskError> {
    run_on(cache, Board::load(cache, board)?, engine, |case| case.is_named(name))
}

/// Runs every case on every board, of the users and of the tests, with every engine.
pub fn run_all(cache: &Cache, name: &str) -> Result<Tally, XtaskError> {
    let mut tally = Tally::default();
    let mut boards = Board::all(cache, board::BOARDS)?;
    boards.extend(Board::all(cache, board::TEST_BOARDS)?);
    for board in boards {
        for engine in crate::case::ENGINES {
            tally.add(run_on(cache, board.clone(), engine, |case| case.is_named(name))?);
        }
    }
    Ok(tally)
}

fn run_on(cache: &Cache, board: Board, engine: &str, wanted: impl Fn(&Case) -> bool) -> Result<Tally, XtaskError> {
    let is_for = |case: &Case| case.is_for(&board.arch) && case.engines.iter().any(|known| known == engine);
    let mut cases = cases::load(cache)?;
    cases.retain(|case| is_for(case) && wanted(case));
    let mut tally = Tally::default();
    if cases.is_empty() {
        return Ok(tally);
    }
    keys::keys_of(cache, &board)?;
    initramfs::image(cache, &board)?;
    if engine == "kmod" && !module(cache, &board, &mut tally) {
        return Ok(tally);
    }
    let guest = Guest::of(cache, board);
    guest.up()?;
    // What the kernel said before the first case, while booting, is looked at with the first case.
    let mut log_seen = 0;
    for case in &cases {
        // No module is put into this PC's own kernel.
        for link in case.links.iter().filter(|link| *link != "local" || engine == "user") {
            let way = Way {
                guest: &guest,
                link,
                engine,
            };
            let ending = run_case::run(cache, case, &way, &mut log_seen)?;
            report(&mut tally, &guest.board, case, &way, ending);
        }
    }
    if engine == "kmod" {
        let problems = unload(&guest, log_seen)?;
        conclude(&mut tally, &guest.board, &problems);
    }
    guest.down()?;
    Ok(tally)
}

/// Builds the module for the board; a build that warns is a failure, as it is of every case that would need it.
fn module(cache: &Cache, board: &Board, tally: &mut Tally) -> bool {
    let built = kmod_boards::build(cache, board);
    let shown = if built.is_ok() { "ok" } else { "FAILED" };
    terminal::result(&format!("building the module ({} kmod) ... {shown}", board.kernel));
    tally.passed += u32::from(built.is_ok());
    tally.failed += u32::from(built.is_err());
    if let Err(problem) = &built {
        terminal::result(&format!("  {problem}"));
    }
    built.is_ok()
}

/// Takes the module out, and looks at what it leaves.
fn unload(guest: &Guest<'_>, log_seen: usize) -> Result<Vec<String>, XtaskError> {
    let finished = guest.run(UNLOAD, UNLOAD_LIMIT)?;
    let said = [finished.stdout, finished.stderr].concat();
    let mut problems: Vec<String> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    if finished.code != Some(0) {
        problems.push("the module cannot be taken out".into());
    }
    let health = guest.health()?;
    let fresh = health.log.get(log_seen..).unwrap_or_default();
    let complaints = fresh.iter().filter(|line| guest::is_complaint(line));
    problems.extend(complaints.map(|line| format!("kernel: {line}")));
    problems.extend(health.left);
    Ok(problems)
}

fn conclude(tally: &mut Tally, board: &Board, problems: &[String]) {
    let shown = if problems.is_empty() { "ok" } else { "FAILED" };
    terminal::result(&format!("unloading the module ({} kmod) ... {shown}", board.kernel));
    for problem in problems {
        terminal::result(&format!("  {problem}"));
    }
    tally.passed += u32::from(problems.is_empty());
    tally.failed += u32::from(!problems.is_empty());
}

fn report(tally: &mut Tally, board: &Board, case: &Case, way: &Way<'_>, ending: Ending) {
    let shown = match &ending {
        Ending::Passed => "ok",
        Ending::Skipped => "skipped",
        Ending::Failed(_) => "FAILED",
    };
    terminal::result(&format!(
        "case {} ({} {} {}) ... {shown}",
        case.name, board.kernel, way.engine, way.link
    ));
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
