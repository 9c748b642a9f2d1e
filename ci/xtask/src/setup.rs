//! `cargo xtask setup`: everything that builds, boards and tests need from outside the checkout.
//!
//! In: a fresh system. Out: a full cache. Invariant: each step can be interrupted and repeated.

use crate::cache::Cache;
use crate::error::XtaskError;
use crate::step::{self, Step};
use crate::{apt, board, initramfs, keys, programs, toolchain};

/// The steps that need nothing of the project built.
pub const STEPS: &[Step] = &[
    Step {
        name: "Debian packages",
        run: apt::packages,
    },
    Step {
        name: "compiler for the boards",
        run: toolchain::prepare,
    },
    Step {
        name: "kernels of the boards",
        run: board::kernels,
    },
    Step {
        name: "board keys",
        run: keys::board_keys,
    },
    Step {
        name: "board programs",
        run: programs::build,
    },
];

/// The step that puts the boards' images together, with the agent if it is built.
pub const IMAGE: Step = Step {
    name: "board images",
    run: initramfs::images,
};

/// Runs the task.
pub fn run(cache: &Cache) -> Result<(), XtaskError> {
    let steps: Vec<Step> = STEPS.iter().chain([&IMAGE]).copied().collect();
    step::run(cache, &steps)
}
