//! The command line.
//!
//! In: argv. Out: [`Cli`]. Invariant: every option that a board file or the environment can also set names both in its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Script-driven kernel tracing: compile here, run on a board.
#[derive(Debug, Parser)]
#[command(name = "ktap-host", version, about, long_about = None, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "`ktap-host script.kp` and `#!/usr/bin/env ktap-host` are short for `ktap-host push script.kp`.\n\
Exit codes: 0 ok, 1 trap or exit(n), 2 usage, 3 script, 4 board refused, 5 link, 6 version or kernel mismatch."
)]
pub struct Cli {
    /// When to use colour on stderr.
    #[arg(long, global = true, value_enum, default_value_t = ColorWhen::Auto, env = "KTAP_COLOR")]
    pub color: ColorWhen,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs, one file of `cmd/` each.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Compile a script, push it to a board, show what it reports.
    Push(Box<PushArgs>),
    /// Compile and verify a script, offline.
    Check(CheckArgs),
    /// Show a script at a stage of compilation, offline.
    Dump(DumpArgs),
    /// List what there is to probe, to call or to push to.
    List(ListArgs),
    /// Say what a board can do.
    Info(InfoArgs),
    /// Manage boards; QEMU boards can be started and stopped.
    Board(BoardArgs),
    /// Build the kernel module for a board.
    Kmod(KmodArgs),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Explain a diagnostic's code, an exit code, a builtin.
    Doc {
        /// `K0101`, `exit`, `print_hist`; without one, what there is.
        topic: Option<String>,
    },
}

/// Where the script comes from.
#[derive(Debug, Args)]
pub struct ScriptArgs {
    /// Run this text instead of a file.
    #[arg(short = 'e', long = "execute", value_name = "PROGRAM")]
    pub program: Option<String>,
    /// The script (`-` for stdin), and the script's arguments.
    #[arg(value_name = "SCRIPT [ARGS]", value_hint = ValueHint::FilePath)]
    pub words: Vec<String>,
}

/// Which board, and over which of its links.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The board: a file boards/NAME.toml.
    #[arg(
        long,
        value_name = "NAME",
        env = "KTAP_BOARD",
        default_value = "local",
        help_heading = "Board"
    )]
    pub board: String,
    /// The link to take, if not the board's own choice.
    #[arg(long, value_enum, help_heading = "Board")]
    pub link: Option<LinkKind>,
    /// Leave the uploaded agent on the board for the next time.
    #[arg(long, help_heading = "Board")]
    pub keep_agent: bool,
    /// Accept the key of an ssh host that is not in known_hosts yet.
    #[arg(long, help_heading = "Board")]
    pub trust_host: bool,
}

/// Kinds of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkKind {
    /// This PC's own kernel.
    Local,
    /// ssh, by the method the board file names.
    Ssh,
    /// ssh through the library inside ktap-host.
    Ssh2,
    /// ssh through the user's own `ssh` program.
    SshChild,
    /// A serial line.
    Serial,
}

/// Arguments of `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub script: ScriptArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub target: TargetArgs,
    /// Only events of this process, with all its threads.
    #[arg(short, long, value_name = "PID", help_heading = "What to trace")]
    pub pid: Option<u32>,
    /// Only events on this CPU.
    #[arg(short = 'C', long, value_name = "CPU", help_heading = "What to trace")]
    pub cpu: Option<u32>,
    /// Run this command on the board by `sh -c`; the session ends with it.
    #[arg(
        short = 'c',
        long = "cmd",
        value_name = "COMMAND",
        conflicts_with = "command",
        help_heading = "What to trace"
    )]
    pub shell_command: Option<String>,
    /// A command and its arguments to run on the board, after `--`.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Take events of the agent and of the link's own processes too.
    #[arg(long, help_heading = "What to trace")]
    pub include_self: bool,
    /// End after this time, e.g. 5s, 500ms, 2m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "What to trace")]
    pub timeout: Option<Duration>,
    /// Write the output to this file instead of stdout.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// How to show it.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, help_heading = "Output")]
    pub format: OutputFormat,
    /// Put the time in front of every line.
    #[arg(short = 'T', long, help_heading = "Output")]
    pub timestamps: bool,
    /// No word but the script's own and errors.
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Say what is being done, with sizes and times.
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// Print a stage of the pipeline and stop.
    #[arg(short, long, value_name = "STAGE", value_enum, help_heading = "Output")]
    pub dump: Option<DumpStage>,
    /// Attach everything on the board, then detach: run nothing.
    #[arg(long, help_heading = "Running")]
    pub dry_run: bool,
    /// Which engine runs it on the board; else `engine` of the board file, else auto.
    #[arg(long, value_enum, help_heading = "Running")]
    pub engine: Option<Engine>,
    /// A copy of the board's files, to find functions of programs in; else `sysroot` of the board file, else the board's own.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Running")]
    pub sysroot: Option<PathBuf>,
    /// Allow what changes the kernel.
    #[arg(long = "unsafe", help_heading = "Running")]
    pub allow_unsafe: bool,
    /// Memory for tables and strings on the board, bytes (K, M).
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Running")]
    pub memory: Option<u32>,
    /// Loop iterations one handler run may take.
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub max_loops: Option<u32>,
    /// Pages of each CPU's ring, a power of two.
    #[arg(long, value_name = "PAGES", help_heading = "Running")]
    pub ring_pages: Option<u32>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub script: ScriptArgs,
    /// How to show findings.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

/// Arguments of `dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// Which stage.
    #[arg(short, long, value_enum, default_value_t = DumpStage::Dis)]
    pub stage: DumpStage,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub script: ScriptArgs,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum)]
    pub what: ListWhat,
    /// Only names that match. Probes are tracepoints, or with `probe:GLOB` the functions that kprobes may be put on.
    #[arg(default_value = "*")]
    pub glob: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub target: TargetArgs,
    /// With each probe, its fields.
    #[arg(short, long)]
    pub verbose: bool,
}

/// What `list` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    /// Tracepoints of the board; other probes name functions and places, which are not listed.
    Probes,
    /// Builtins of the language.
    Builtins,
    /// Boards.
    Boards,
}

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub target: TargetArgs,
    /// How to show it.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

/// Arguments of `board`.
#[derive(Debug, Args)]
pub struct BoardArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: BoardAction,
}

/// What `board` does.
#[derive(Debug, Subcommand)]
pub enum BoardAction {
    /// List the boards and the state of the QEMU ones.
    List,
    /// Start a QEMU board and wait until it is ready.
    Up {
        /// Its name.
        name: String,
    },
    /// Stop a QEMU board.
    Down {
        /// Its name.
        name: String,
    },
    /// Attach the terminal to a QEMU board's console; Ctrl-] leaves it.
    Console {
        /// Its name.
        name: String,
    },
}

/// Arguments of `kmod`.
#[derive(Debug, Args)]
pub struct KmodArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: KmodAction,
}

/// What `kmod` does.
#[derive(Debug, Subcommand)]
pub enum KmodAction {
    /// Build the module for a board's kernel; prints where it is.
    Build(KmodBuildArgs),
    /// Say for which kernel a module is, and how large.
    Info(KmodInfoArgs),
}

/// Arguments of `kmod build`.
#[derive(Debug, Args)]
pub struct KmodBuildArgs {
    /// The board: a file boards/NAME.toml.
    #[arg(long, value_name = "NAME", env = "KTAP_BOARD", default_value = "local")]
    pub board: String,
    /// The directory that the board's kernel was built in, or its headers; else [kernel] build of the board file.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub kernel_dir: Option<PathBuf>,
    /// The C compiler; else the one that the kernel was built with.
    #[arg(long, value_name = "PROGRAM")]
    pub cc: Option<String>,
    /// Write the module to this file too.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Fail if anything in the build warns.
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `kmod info`.
#[derive(Debug, Args)]
pub struct KmodInfoArgs {
    /// The module's file.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Without a file: the module of this board.
    #[arg(long, value_name = "NAME", env = "KTAP_BOARD", default_value = "local")]
    pub board: String,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Engines to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The best the board has.
    Auto,
    /// perf and tracefs, from user space.
    User,
    /// The kernel module.
    Kmod,
}

/// Stages that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DumpStage {
    /// Tokens.
    Tokens,
    /// Syntax tree.
    Ast,
    /// Disassembled program.
    Dis,
    /// Encoded image, as hex.
    Image,
}

/// Reads a time with its unit.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no time; write 5s, 500ms or 2m"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        _ => Err(format!("`{unit}` is no unit of time; use ms, s, m or h")),
    }
}

/// Reads a number of bytes with a binary suffix.
fn parse_size(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1u64 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no size; write 512K or 8M"))?;
    number
        .checked_mul(factor)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_and_sizes() {
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(parse_duration("5 parsecs").is_err());
        assert_eq!(parse_size("8M"), Ok(8 << 20));
        assert!(parse_size("8G").is_err());
        assert!(parse_size("4096M").is_err());
    }
}
