//! Builds the agents, one static binary an architecture.
//!
//! In: the crate `ktap-agent`. Out: `target/agents/ARCH/ktap-agent`, which ktap-host carries inside itself. Invariant: an agent that
//! did not change keeps its time, so nothing that holds it is built anew.

use std::path::PathBuf;

use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::step::Outcome;
use crate::toolchain::{AARCH64, Target, Toolchain, X86_64};

/// Bytes that an agent may have, stripped.
pub const SIZE_LIMIT: u64 = 280 * 1024;

/// Builds the agent for x86_64.
pub fn x86_64(cache: &Cache) -> Result<Outcome, XtaskError> {
    build(cache, &X86_64)
}

/// Builds the agent for aarch64.
pub fn aarch64(cache: &Cache) -> Result<Outcome, XtaskError> {
    build(cache, &AARCH64)
}

/// Returns where an agent is put.
pub fn path(cache: &Cache, arch: &str) -> PathBuf {
    cache.checkout("target/agents").join(arch).join("ktap-agent")
}

fn build(cache: &Cache, target: &Target) -> Result<Outcome, XtaskError> {
    let toolchain = Toolchain::find(target).ok_or_else(|| XtaskError::BadFile {
        place: format!("the agent for {}", target.arch),
        problem: "nothing here can build it; `cargo xtask setup` brings what can".into(),
    })?;
    // Its own directory: a build for a board and one for this PC would else make each other's anew.
    let directory = cache.target().join("agent-build");
    let mut cargo = toolchain.cargo(target);
    cargo.current_dir(cache.checkout("")).args([
        "--profile",
        "agent",
        "--package",
        "ktap-agent",
        "--bin",
        "ktap-agent",
        "--features",
        "freestanding",
    ]);
    capture(
        cargo
            .args(["--features", "freestanding", "--target-dir"])
            .arg(&directory),
    )?;
    let triple = if toolchain == Toolchain::Rustup {
        target.rustup
    } else {
        target.source
    };
    let binary = cache::read(&directory.join(triple).join("agent/ktap-agent"))?;
    cache::write_changed(&path(cache, target.arch), &binary, 0o755)
}
