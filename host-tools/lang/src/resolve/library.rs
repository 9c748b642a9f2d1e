//! Names the language itself gives: builtins, libraries, attaching calls.
//!
//! In: a name or dotted name. Out: its [`Binding`]. Invariant: a name the script declares never gets here.

use ktap_bytecode::builtin::{ALIASES, Builtin, Spelling};

use super::{AttachCall, Binding};

/// What a name of the language is.
pub(super) enum Known {
    /// Something that can be lowered.
    Bound(Binding),
    /// A part of the language that is not lowered yet.
    Unsupported,
    /// Nothing.
    Nothing,
}

/// Names without a row in the builtin table.
const SPECIAL: &[(&str, Binding)] = &[
    ("pairs", Binding::Iterator { sorted: false }),
    ("sort_pairs", Binding::Iterator { sorted: true }),
    ("backtrace", Binding::Backtrace { print: false }),
    ("print_backtrace", Binding::Backtrace { print: true }),
    ("kdebug.dumpstack", Binding::Backtrace { print: true }),
    ("kdebug.probe", Binding::Attach(AttachCall::Probe)),
    ("kdebug.probe_end", Binding::Attach(AttachCall::End)),
    ("kdebug.trace_end", Binding::Attach(AttachCall::End)),
    ("timer.s", Binding::Attach(AttachCall::Timer(1_000_000_000))),
    ("timer.sec", Binding::Attach(AttachCall::Timer(1_000_000_000))),
    ("timer.ms", Binding::Attach(AttachCall::Timer(1_000_000))),
    ("timer.msec", Binding::Attach(AttachCall::Timer(1_000_000))),
    ("timer.us", Binding::Attach(AttachCall::Timer(1_000))),
    ("timer.usec", Binding::Attach(AttachCall::Timer(1_000))),
    ("timer.ns", Binding::Attach(AttachCall::Timer(1))),
    ("timer.nsec", Binding::Attach(AttachCall::Timer(1))),
    ("timer.tick", Binding::Attach(AttachCall::TickText)),
    ("timer.profile", Binding::Attach(AttachCall::ProfileText)),
];

/// Parts of the language that are understood but not lowered yet; a trailing dot stands for a whole library.
const UNSUPPORTED: &[&str] = &[
    "ffi.",
    "C.",
    "os.",
    "cdef",
    "traceoff",
    "kdebug.kprobe",
    "kdebug.probe_by_id",
    "kdebug.trace_by_id",
    "kdebug.tracepoint",
    "quantize",
    "lquantize",
];

/// Returns what a name means when the script does not declare it.
pub(super) fn lookup(name: &str) -> Known {
    if let Some((_, binding)) = SPECIAL.iter().find(|(n, _)| *n == name) {
        return Known::Bound(*binding);
    }
    if let Some(number) = event_arg(name) {
        return Known::Bound(Binding::EventArg(number));
    }
    if let Some(builtin) = Builtin::from_name(name) {
        return Known::Bound(Binding::Builtin(builtin));
    }
    let unsupported = |entry: &&str| {
        if entry.ends_with('.') {
            name.starts_with(*entry)
        } else {
            name == *entry
        }
    };
    if UNSUPPORTED.iter().any(unsupported) {
        Known::Unsupported
    } else {
        Known::Nothing
    }
}

/// Returns N of `argN`, one digit.
fn event_arg(name: &str) -> Option<u16> {
    match name.strip_prefix("arg")?.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(u16::from(digit - b'0')),
        _ => None,
    }
}

/// Returns true if the name is the first part of dotted names.
pub(super) fn is_library(name: &str) -> bool {
    let prefix = |dotted: &str| dotted.split_once('.').is_some_and(|(library, _)| library == name);
    Builtin::ALL.iter().any(|b| prefix(b.name()))
        || SPECIAL.iter().any(|(n, _)| prefix(n))
        || UNSUPPORTED.iter().any(|n| prefix(n))
}

/// Returns true for a name that reads as a variable, so that declaring it hides something.
pub(super) fn is_variable(name: &str) -> bool {
    event_arg(name).is_some() || Builtin::from_name(name).is_some_and(|b| b.spelling() == Spelling::Variable)
}

/// Returns every name of the language, dotted ones whole, to suggest from.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let builtins = Builtin::ALL
        .iter()
        .filter(|b| b.spelling() != Spelling::Hidden)
        .map(|b| b.name());
    builtins
        .chain(ALIASES.iter().map(|(alias, _)| *alias))
        .chain(SPECIAL.iter().map(|(name, _)| *name))
}
