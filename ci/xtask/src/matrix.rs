//! Boards, engines and cases: which runs with which.
//!
//! In: the cases, the boards. Out: a line for every case on every board with every engine, and their number. Invariant: a board boots
//! once for an engine, and what it says while booting and when the module leaves is looked at like what it says in between.

use crate::board::{self, Board};
use crate::cache::Cache;
use crate::case::Case;
use crate::error::XtaskError;
use crate::guest::Guest;
use crate::run_case::{self, Ending, Way};
use crate::test::Tally;
use crate::{cases, initramfs, keys, terminal};

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
    Plan {
        board: "x86-edge",
        engine: "user",
        brief: false,
    },
    Plan {
        board: "arm64-field",
        engine: "user",
        brief: true,
    },
];

/// Runs a plan; of its cases only those whose name contains `name`.
pub fn run(cache: &Cache, plan: &Plan, name: &str) -> Result<Tally, XtaskError> {
    let board = Board::load(cache, plan.board)?;
    run_on(cache, board, plan.engine, |case| {
        case.name.contains(name) && (case.smoke || !plan.brief)
    })
}

/// Runs every case on every board, of the users and of the tests, with every engine.
pub fn run_all(cache: &Cache, name: &str) -> Result<Tally, XtaskError> {
    let mut tally = Tally::default();
    let mut boards = Board::all(cache, board::BOARDS)?;
    boards.extend(Board::all(cache, board::TEST_BOARDS)?);
    for board in boards {
        for engine in crate::case::ENGINES {
            tally.add(run_on(cache, board.clone(), engine, |case| case.name.contains(name))?);
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
    let guest = Guest::of(cache, board);
    guest.up()?;
    // What the kernel said before the first case, while booting, is looked at with the first case.
    let mut log_seen = 0;
    for case in &cases {
        for link in &case.links {
            // A case for this PC alone needs no second board.
            let way = Way {
                guest: &guest,
                link,
                engine,
            };
            let ending = run_case::run(cache, case, &way, &mut log_seen)?;
            report(&mut tally, &guest.board, case, &way, ending);
        }
    }
    guest.down()?;
    Ok(tally)
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
