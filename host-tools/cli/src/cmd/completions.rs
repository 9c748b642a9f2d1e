//! `completions SHELL`: a completion script on stdout.

use clap::CommandFactory;

use crate::args::Cli;
use crate::failure::Failure;

/// Prints completions.
///
/// # Errors
/// None.
pub fn run(shell: clap_complete::Shell) -> Result<u8, Failure> {
    clap_complete::generate(shell, &mut Cli::command(), "ktap-host", &mut std::io::stdout());
    Ok(0)
}
