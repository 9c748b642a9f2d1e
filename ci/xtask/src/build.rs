//! `cargo xtask build`: agents, board image, ktap-host.
//!
//! In: a system that setup has made ready. Out: `target/agents/`, the board's image, a release build of ktap-host. Invariant: the
//! agents come first, because the image and ktap-host hold them.

use std::path::PathBuf;

use crate::cache::Cache;
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::{self, Outcome, Step};
use crate::{agent, setup, toolchain};

/// The steps, after those of setup.
pub const STEPS: &[Step] = &[
    Step {
        name: "agent for x86_64",
        run: agent::x86_64,
    },
    Step {
        name: "agent for aarch64",
        run: agent::aarch64,
    },
    setup::IMAGE,
    Step {
        name: "ktap-host",
        run: ktap_host,
    },
];

/// Runs the task: all that setup does, then the builds.
pub fn run(cache: &Cache) -> Result<(), XtaskError> {
    let steps: Vec<Step> = setup::STEPS.iter().chain(STEPS).copied().collect();
    step::run(cache, &steps)
}

/// Returns where ktap-host is built.
pub fn ktap_host_path(cache: &Cache) -> PathBuf {
    cache.target().join("release/ktap-host")
}

fn ktap_host(cache: &Cache) -> Result<Outcome, XtaskError> {
    let modified = || {
        ktap_host_path(cache)
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    let before = modified();
    let mut cargo = toolchain::cargo();
    capture(
        cargo
            .current_dir(cache.checkout(""))
            .args(["build", "--release", "--package", "ktap-host"]),
    )?;
    Ok(if before.is_some() && before == modified() {
        Outcome::Cached
    } else {
        Outcome::Done
    })
}
