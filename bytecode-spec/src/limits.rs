//! Bounds: what the contract fixes for all boards, and what a session may be given.

/// Most registers a function may use.
pub const MAX_REGS: usize = 250;
/// Most words in one program.
pub const MAX_CODE: usize = 65_536;
/// Most constants in one program.
pub const MAX_CONSTS: usize = 65_535;
/// Most functions in one program.
pub const MAX_FUNCTIONS: usize = 4_096;
/// Most globals in one program.
pub const MAX_GLOBALS: usize = 4_096;
/// Most captures of one closure.
pub const MAX_CAPTURES: usize = 250;
/// Most probe sites in one program.
pub const MAX_PROBES: usize = 1_024;
/// Most probe points of one site.
pub const MAX_POINTS: usize = 256;
/// Most probe points in one program.
pub const MAX_ALL_POINTS: usize = 4_096;
/// Most fetch-args of all probe points of one program, their dereferences counted as well.
pub const MAX_ALL_FETCHES: usize = 16_384;
/// Most captures, field references and formats in one program, each.
pub const MAX_LIST: usize = 65_536;
/// Most arguments of a command to run on the board.
pub const MAX_ARGS: usize = 1_024;
/// Most attached (probe, handler) pairs in a session.
pub const MAX_ATTACHED: usize = 1_024;
/// Longest string value, bytes.
pub const MAX_STRING: usize = 4_096;
/// Longest encoded record, bytes; a longer one is refused where it is made.
pub const MAX_RECORD: usize = 16_384;
/// Longest execname, bytes with its NUL (the kernel's TASK_COMM_LEN).
pub const COMM_LEN: usize = 16;
/// Deepest stack, frames (ktap's bound of `stack()`).
pub const MAX_STACK_DEPTH: usize = 50;
/// Largest encoded image, bytes.
pub const MAX_IMAGE: usize = 1 << 20;

/// What one session may use on the board. Every field has a board setting and a command-line option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// Memory for tables, strings, closures and frames, bytes.
    pub memory: u32,
    /// Backward jumps one handler run may take; main included.
    pub loops: u32,
    /// Ops one handler run may execute; main is bounded by `loops` alone.
    pub fuel: u32,
    /// Register slots of one frame stack.
    pub stack_slots: u32,
    /// Calls nested in one another.
    pub call_depth: u32,
    /// Bytes of temporary strings per handler run.
    pub scratch: u32,
}

impl Default for Limits {
    /// The limits of a board that sets none: loops as ktap's max_loop_count, the rest sized for a 64 MiB board.
    fn default() -> Self {
        Limits {
            memory: 8 << 20,
            loops: 100_000,
            fuel: 1_000_000,
            stack_slots: 4_096,
            call_depth: 200,
            scratch: 64 << 10,
        }
    }
}
