//! The only place that prints: results to stdout, talk to stderr.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this module is how the tasks print"
)]

use std::io::Write;

/// Prints a line of a task's result.
pub fn result(line: &str) {
    println!("{line}");
}

/// Prints a line about what goes on.
pub fn talk(line: &str) {
    eprintln!("{line}");
}

/// Prints the beginning of a line that a later [`talk`] ends.
pub fn begin(text: &str) {
    eprint!("{text}");
    // Without a terminal there is nobody to wait for the beginning.
    let _ = std::io::stderr().flush();
}
