//! Exit codes.
//!
//! In: nothing. Out: the codes and what each means. Invariant: a code never changes its meaning; `docs/exit-codes.md` is this table.

/// All went well; Ctrl-C is well.
pub const OK: u8 = 0;
/// The script trapped.
pub const TRAP: u8 = 1;
/// The command line or a board file is wrong.
pub const USAGE: u8 = 2;
/// The script has errors.
pub const SCRIPT: u8 = 3;
/// The board refused.
pub const REFUSED: u8 = 4;
/// The link could not be made, or broke.
pub const LINK: u8 = 5;
/// Versions or kernels do not fit.
pub const MISMATCH: u8 = 6;

/// The table that `ktap-host doc exit` and the documentation show.
pub const TABLE: &[(u8, &str)] = &[
    (
        OK,
        "The script ended, or was ended by Ctrl-C, --timeout or its command. exit(n) gives n.",
    ),
    (
        TRAP,
        "The script met a run-time error; its place and cause are on stderr.",
    ),
    (USAGE, "The command line or a board file is wrong."),
    (SCRIPT, "The script has errors; nothing was pushed."),
    (REFUSED, "The board refused the program or a probe."),
    (LINK, "The board could not be reached, or the link broke."),
    (MISMATCH, "Host and agent, or image and kernel, do not fit together."),
];
