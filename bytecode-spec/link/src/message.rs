//! Messages: what host and board say to each other.
//!
//! In: typed values. Out: postcard bytes. Invariant: variants are append-only and a struct never changes within a major version; the
//! first message each side sends is `Hello`, whose first three bytes stay readable for every version.

use alloc::string::String;
use alloc::vec::Vec;
use ktap_bytecode::bounded;
use ktap_bytecode::limits::{Limits, MAX_ARGS};
use serde::{Deserialize, Serialize};

/// Largest encoded message, bytes; longer answers come as several messages.
pub const MAX_MESSAGE: usize = 1 << 20;

/// What the host says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostMessage {
    /// First message: the host's versions.
    Hello {
        /// Contract major.
        major: u8,
        /// Contract minor.
        minor: u8,
    },
    /// Verify and load an image, run nothing yet.
    Load {
        /// The encoded image.
        image: Packed,
        /// How to run it.
        options: RunOptions,
    },
    /// Run main and arm the probes.
    Start,
    /// Detach, run trace_end, send what is left, then `Ended`.
    Stop,
    /// Detach and forget the program at once, without trace_end.
    Abort,
    /// The host can take this many more bytes of records.
    Credit {
        /// Bytes.
        bytes: u32,
    },
    /// A question about the board; answered by any number of `Answer`s with this id, the last one marked.
    Ask {
        /// Chosen by the host.
        id: u32,
        /// The question.
        question: Question,
    },
    /// Are you there?
    Ping,
    /// The host leaves; the agent ends.
    Bye,
    /// Insert this kernel module; answered by `Inserted` or `Refused` at stage `Module`. Only while no program is loaded.
    Module {
        /// The module's file, built for the running kernel.
        image: Packed,
    },
}

/// What the board says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BoardMessage {
    /// First message: the agent's versions and the board's identity.
    Hello(BoardHello),
    /// The image is verified and bound; `warnings` are facts the user should know.
    Loaded {
        /// Memory the session took, bytes.
        memory: u32,
        /// Things that will not work as asked.
        warnings: Vec<Refusal>,
        /// The engine taken: `User` or `Kmod`.
        engine: EngineChoice,
        /// Why this one.
        reason: String,
    },
    /// A request was refused; nothing of it is in effect.
    Refused(Refusal),
    /// Main has run and everything is armed.
    Started {
        /// Kernel events armed, per attached probe in order of attachment.
        armed: Vec<Armed>,
        /// Process id of the command that runs on the board, if one was asked for.
        command_pid: Option<u32>,
    },
    /// Whole records, one after another.
    Records(#[serde(with = "ktap_bytecode::byte_string")] Vec<u8>),
    /// Counters so far; sent when they changed, and before `Ended`.
    Lost(LostCounters),
    /// A part of an answer.
    Answer {
        /// The question's id.
        id: u32,
        /// True for the last part.
        last: bool,
        /// The part.
        answer: Answer,
    },
    /// The session's program is over and detached.
    Ended(Ending),
    /// I am here.
    Pong,
    /// A line of the traced command's output, or the agent's own talk.
    Talk {
        /// Where it comes from.
        source: TalkSource,
        /// The bytes.
        #[serde(with = "ktap_bytecode::byte_string")]
        bytes: Vec<u8>,
    },
    /// The kernel module is in place.
    Inserted(Module),
}

/// How the kernel module stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its state.
    pub state: ModuleState,
    /// Why so, in words.
    pub reason: String,
}

/// Whether the engine `kmod` is there, and whether inserting a module would help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModuleState {
    /// It is not there and cannot be inserted: not root, modules switched off, forbidden to the agent.
    #[default]
    Unable,
    /// It is not loaded; `HostMessage::Module` may help.
    Missing,
    /// One with another interface is loaded; `HostMessage::Module` replaces it.
    Foreign,
    /// It is loaded and speaks this agent's interface.
    Ready,
}

/// Who talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TalkSource {
    /// The command's stdout.
    CommandOut,
    /// The command's stderr.
    CommandErr,
    /// The agent.
    Agent,
}

/// The board's identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardHello {
    /// Contract major.
    pub major: u8,
    /// Contract minor.
    pub minor: u8,
    /// Version of the agent.
    pub agent: String,
    /// `uname -m`.
    pub machine: String,
    /// `uname -r`.
    pub release: String,
    /// `uname -n`.
    pub node: String,
    /// The running kernel's GNU build id, empty if unknown.
    pub build_id: Vec<u8>,
    /// CPUs online.
    pub cpus: u16,
    /// How the kernel module stands.
    pub module: Module,
}

/// Bytes, compressed by LZ4 (block format) where that made them smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Length when unpacked.
    pub raw_len: u32,
    /// The bytes; LZ4 if shorter than `raw_len`, else as they are.
    #[serde(with = "ktap_bytecode::byte_string")]
    pub bytes: Vec<u8>,
}

/// How to run a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Which engine.
    pub engine: EngineChoice,
    /// What it may use.
    pub limits: Limits,
    /// Only this process (TGID).
    pub pid: Option<u32>,
    /// Only this CPU.
    pub cpu: Option<u32>,
    /// A command to run on the board: argv. The session ends when it does.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_ARGS>")]
    pub command: Vec<String>,
    /// Take events of the agent and of the link's processes too.
    pub include_self: bool,
    /// Allow what changes the kernel.
    pub allow_unsafe: bool,
    /// Pages of each per-CPU ring, a power of two; 0 for the default.
    pub ring_pages: u32,
    /// Attach everything, then detach: nothing runs.
    pub dry_run: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            engine: EngineChoice::Auto,
            limits: Limits::default(),
            pid: None,
            cpu: None,
            command: Vec::new(),
            include_self: false,
            allow_unsafe: false,
            ring_pages: 0,
            dry_run: false,
        }
    }
}

/// Which engine runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineChoice {
    /// The best the board has.
    Auto,
    /// perf and tracefs, from user space.
    User,
    /// The kernel module.
    Kmod,
}

/// What an attached probe came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// Probe site.
    pub probe: u16,
    /// Kernel events it matched.
    pub events: u32,
}

/// A refusal as data; the host makes a sentence of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was being done.
    pub stage: Stage,
    /// Why not.
    pub code: RefusalCode,
    /// The kernel's errno, 0 if none.
    pub errno: i32,
    /// A number by code: a probe's index, a rule's number, a pc.
    pub detail: i64,
    /// A name by code: an event, a path. At most 256 bytes.
    pub name: String,
}

/// What the board was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Reading a message.
    Message,
    /// Decoding the image.
    Decode,
    /// Verifying it.
    Verify,
    /// Reserving memory.
    Memory,
    /// Finding and opening probes.
    Attach,
    /// Starting the command.
    Command,
    /// Answering a question.
    Ask,
    /// Running.
    Run,
    /// Inserting the kernel module.
    Module,
}

/// Why the board refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The message makes no sense now.
    OutOfOrder,
    /// Bytes that are no message or no image.
    Malformed,
    /// Another version.
    Version,
    /// Breaks the verifier's rule `detail` at word `errno`.
    Rule,
    /// The image is for another kernel.
    WrongKernel,
    /// The session's memory does not fit, or the board has none.
    NoMemory,
    /// No tracefs is mounted and none can be.
    NoTracefs,
    /// perf_event_open is missing or forbidden.
    NoPerf,
    /// Not root.
    NoPermission,
    /// No event matches `name`.
    NoSuchEvent,
    /// The event `name` has no field asked for by probe `detail`.
    NoSuchField,
    /// The kernel refuses the filter `name`.
    BadFilter,
    /// This engine has no such kind of probe: `detail` is the probe.
    WrongEngine,
    /// More probes than the board allows.
    TooMany,
    /// The engine asked for is not there: `name` says why, in words.
    NoEngine,
    /// The command `name` cannot be started.
    NoCommand,
    /// A system call failed: errno, and `name` says which.
    System,
    /// Needs --unsafe.
    Unsafe,
    /// The engine `name` lacks the builtin that word `detail` calls.
    NoBuiltin,
    /// The kernel does not take the module: `name` says why, in words.
    NoModule,
    /// The board's kernel cannot attach probe `detail`: `name` is the place and the reason.
    Unsupported,
    /// There is no function, symbol or file `name` for probe `detail`.
    NoSuchTarget,
    /// The fetch-arg `name` of probe `detail` cannot be taken here.
    BadFetch,
}

/// Everything that was not delivered, by cause. Counts since the start of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostCounters {
    /// Per attached probe that lost anything: (probe site, samples lost in the kernel's ring).
    pub ring: Vec<(u16, u64)>,
    /// Records not delivered for want of credit or buffer.
    pub link: u64,
    /// Handler runs given up for want of memory, or because a table was busy where nothing may wait.
    pub fuel: u64,
    /// Table updates dropped for want of memory.
    pub table: u64,
    /// Events skipped as they fired inside the VM.
    pub recursion: u64,
    /// Records longer than the contract allows.
    pub oversize: u64,
    /// Return probes the kernel missed.
    pub missed: u64,
}

/// Why and how a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Why.
    pub reason: EndReason,
    /// exit(status).
    pub status: i64,
    /// Events handled.
    pub events: u64,
    /// Exit status of the command, `128 + signal` if it was killed.
    pub command_status: Option<i32>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// Main ended and nothing is attached.
    Finished,
    /// The script called exit().
    Exit,
    /// The host said Stop.
    Stopped,
    /// The command ended.
    Command,
    /// A trap: (trap, function, pc, detail).
    Trap {
        /// [`ktap_bytecode::trap::Trap`] as number.
        trap: u8,
        /// Function.
        function: u16,
        /// Word in the code.
        pc: u32,
        /// Detail.
        detail: i64,
    },
    /// A dry run: everything could be attached.
    DryRun,
}

/// What begins a glob of [`Question::Events`] that means functions.
pub const FUNCTIONS: &str = "probe:";

/// A question about the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Names of tracepoints, `system:event` lines, by a glob over the whole name; for a glob that begins with [`FUNCTIONS`], the functions that
    /// kprobes may be put on, `probe:function` or `probe:module:function` lines, by a glob over the function's name.
    Events {
        /// Glob.
        glob: String,
    },
    /// The `format` file of the event with this id.
    Format {
        /// The kernel's event id.
        id: u16,
    },
    /// The `format` file of this event.
    FormatOf {
        /// `system:event`.
        name: String,
    },
    /// What the board can do.
    Abilities,
    /// /proc/kallsyms.
    Kallsyms,
    /// The contents of a file on the board, at most this many bytes.
    File {
        /// Path.
        path: String,
        /// Bytes.
        limit: u32,
    },
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Text, packed; parts are concatenated.
    Text(Packed),
    /// What the board can do.
    Abilities(Vec<Ability>),
    /// It cannot be answered.
    Refused(Refusal),
}

/// One thing a board can or cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ability {
    /// What, e.g. `tracefs`, `perf_event_open`, `engine user`.
    pub name: String,
    /// Can it.
    pub yes: bool,
    /// How it was found, or why not.
    pub reason: String,
}
