//! `cargo xtask build`: agents, the kernel module's Rust, board image, ktap-host.
//!
//! In: a system that setup has made ready. Out: `target/agents/`, `target/kmod/`, the board's image, a release build of ktap-host.
//! Invariant: agents and objects come first, because the image and ktap-host hold them.

use std::path::PathBuf;

use crate::cache::Cache;
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::{self, Outcome, Step};
use crate::{agent, kmod, kmod_boards, setup, toolchain};

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
    kmod::STEPS[0],
    kmod::STEPS[1],
    setup::IMAGE,
    Step {
        name: "ktap-host",
        run: ktap_host,
    },
    Step {
        name: "kernel modules of the boards",
        run: kmod_boards::build_all,
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
