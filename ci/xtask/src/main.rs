//! The build UI: `cargo xtask TASK`.
//!
//! In: a task's name. Out: exit 0, or 1 with one message on stderr. Invariant: standard library only, so it compiles in seconds on
//! a system that has nothing yet.

mod agent;
mod apt;
mod build;
mod cache;
mod command;
mod cpio;
mod error;
mod initramfs;
mod kernel;
mod keys;
mod modules;
mod programs;
mod setup;
mod step;
mod terminal;
mod toolchain;

use std::process::ExitCode;

use cache::Cache;
use error::XtaskError;

const HELP: &str = "\
cargo xtask TASK

  setup               get all that is needed from outside the checkout
  build               setup, then the agents, the board's image, ktap-host";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            terminal::talk(&format!("xtask: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), XtaskError> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::run(&Cache::open()?),
        ["build"] => build::run(&Cache::open()?),
        [] | ["help" | "-h" | "--help"] => {
            terminal::result(HELP);
            Ok(())
        }
        [task, ..] => Err(XtaskError::Usage(format!(
            "there is no task `{task}` with these arguments"
        ))),
    }
}
