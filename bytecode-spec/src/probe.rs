//! Probe points: what a script may attach to.
//!
//! In: nothing. Out: [`ProbePoint`], one per EVENTDEF; [`ProbeKind`], the table of kinds. Invariant: kinds are append-only,
//! for postcard numbers the variants by their order.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::fetch::{FetchArg, MAX_FETCH_ARGS};
use crate::limits::MAX_POINTS;

/// One place to attach to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbePoint {
    /// `SYSTEM:EVENT`, both globs (`*`, `?`, `[a-z]`, `[!x]`); the filter is in the kernel's event filter language.
    Tracepoint {
        /// Glob over systems.
        system: String,
        /// Glob over events.
        event: String,
        /// Kernel event filter, without its slashes.
        filter: Option<String>,
    },
    /// `probe:FUNC[+OFF][%return] [fetch-args]`.
    Kprobe {
        /// Function name or glob.
        function: String,
        /// Module, if named.
        module: Option<String>,
        /// Bytes from the function's start.
        offset: u64,
        /// True for a return probe.
        ret: bool,
        /// What it takes along.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_FETCH_ARGS>")]
        args: Vec<FetchArg>,
        /// Kernel event filter.
        filter: Option<String>,
    },
    /// `probe:/PATH:SYM[+OFF][%return] [fetch-args]` or `probe:/PATH:0xOFF`.
    Uprobe {
        /// File on the board.
        path: String,
        /// Symbol or glob; empty when only an offset is given.
        symbol: String,
        /// Bytes from the symbol, or from the file's start.
        offset: u64,
        /// True for a return probe.
        ret: bool,
        /// What it takes along.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_FETCH_ARGS>")]
        args: Vec<FetchArg>,
        /// Kernel event filter.
        filter: Option<String>,
        /// Where it is in the board's file; nothing before the host has looked. An engine attaches only what is bound.
        bound: Option<FilePlace>,
    },
    /// `sdt:/PATH:MARK`.
    Sdt {
        /// File on the board.
        path: String,
        /// Mark name or glob; a bound mark has its own name.
        mark: String,
        /// Where its arguments are, `arg1` .., as the file says; empty before it is bound.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_FETCH_ARGS>")]
        args: Vec<FetchArg>,
        /// Kernel event filter.
        filter: Option<String>,
        /// Where it is in the board's file; nothing before the host has looked.
        bound: Option<FilePlace>,
    },
    /// `ftrace:function /ip==GLOB/`: every traced kernel function the glob matches.
    Function {
        /// Glob over function names.
        glob: String,
    },
    /// A hardware or software perf event, e.g. `cycles`, `page-faults`.
    PerfEvent {
        /// The event's name as in perf.
        name: String,
        /// Events per sample; 0 takes the kind's default.
        period: u64,
    },
    /// `mem:ADDR[/len][:rwx]`, a hardware breakpoint.
    Memory {
        /// Address or symbol.
        address: String,
        /// Bytes watched: 1, 2, 4 or 8.
        len: u8,
        /// Access: bit 0 read, bit 1 write, bit 2 execute.
        access: u8,
    },
    /// `tick-N`: one timer on one CPU.
    Tick {
        /// Nanoseconds between ticks.
        period_ns: u64,
    },
    /// `profile-N`: a sample on every CPU.
    Profile {
        /// Nanoseconds of CPU time between samples.
        period_ns: u64,
    },
    /// `trace_end`: runs once, after all probes are detached.
    End,
}

/// A place in a file of the board, found by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePlace {
    /// Byte of the file.
    pub offset: u64,
    /// Byte of the file where a mark's reference counter (its semaphore) is, 0 if it has none.
    pub ref_ctr: u64,
}

impl ProbePoint {
    /// Returns the fetch-args, of kinds that have some.
    pub fn args(&self) -> &[FetchArg] {
        match self {
            ProbePoint::Kprobe { args, .. } | ProbePoint::Uprobe { args, .. } | ProbePoint::Sdt { args, .. } => args,
            _ => &[],
        }
    }
}

/// A probe site: the EVENTDEFs of one `trace`, with one handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The places, at least one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_POINTS>")]
    pub points: Vec<ProbePoint>,
}

macro_rules! define_kinds {
    ($($name:ident $pattern:pat, $text:literal $user:literal $kmod:literal $doc:literal;)*) => {
        /// A kind of probe point.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProbeKind { $(#[doc = $doc] $name,)* }

        impl ProbeKind {
            /// Every kind.
            pub const ALL: &'static [ProbeKind] = &[$(ProbeKind::$name),*];

            /// Returns the spelling in a script.
            pub const fn syntax(self) -> &'static str {
                match self { $(ProbeKind::$name => $text,)* }
            }

            /// Returns true if the `user` engine can attach it.
            pub const fn user_engine(self) -> bool {
                match self { $(ProbeKind::$name => $user,)* }
            }

            /// Returns true if the kernel module can attach it.
            pub const fn kmod_engine(self) -> bool {
                match self { $(ProbeKind::$name => $kmod,)* }
            }

            /// Returns the one-line documentation.
            pub const fn doc(self) -> &'static str {
                match self { $(ProbeKind::$name => $doc,)* }
            }
        }

        impl ProbePoint {
            /// Returns the point's kind.
            pub const fn kind(&self) -> ProbeKind {
                match self { $($pattern => ProbeKind::$name,)* }
            }
        }
    };
}

define_kinds! {
    // The columns: syntax, engine user, engine kmod, documentation.
    Tracepoint ProbePoint::Tracepoint { .. }, "SYSTEM:EVENT" true true "A kernel tracepoint; both parts may be globs.";
    Kprobe ProbePoint::Kprobe { .. }, "probe:FUNC[+OFF][%return] [args]" false true "A kernel function's entry, return or inside.";
    Uprobe ProbePoint::Uprobe { .. }, "probe:/PATH:SYM[%return] [args]" false true "A function of a program or library.";
    Sdt ProbePoint::Sdt { .. }, "sdt:/PATH:MARK" false true "A static mark of a program or library.";
    Function ProbePoint::Function { .. }, "ftrace:function /ip==GLOB/" false true "Kernel functions through the function tracer.";
    PerfEvent ProbePoint::PerfEvent { .. }, "NAME" false true "A hardware or software perf event.";
    Memory ProbePoint::Memory { .. }, "mem:ADDR[/len][:rwx]" false true "A hardware breakpoint.";
    Tick ProbePoint::Tick { .. }, "tick-N{unit}" true true "A timer on one CPU.";
    Profile ProbePoint::Profile { .. }, "profile-N{unit}" true true "A sampling timer on every CPU.";
    End ProbePoint::End, "trace_end" true true "Once, when tracing has ended.";
}
