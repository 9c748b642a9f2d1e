//! Standard input and output: over ssh, or as a child on this machine.
//!
//! In: descriptors 0 and 1. Out: [`Stdio`]. Invariant: their flags stay as they are, for others may share them.

use super::Port;

/// Descriptors 0 and 1.
#[derive(Debug, Default)]
pub struct Stdio;

impl Port for Stdio {
    fn input(&self) -> i32 {
        0
    }

    fn output(&self) -> i32 {
        1
    }

    fn write_limit(&self) -> usize {
        // A pipe that polls writable takes this much without waiting (PIPE_BUF).
        4096
    }
}
