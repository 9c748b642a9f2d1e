//! EVENTDEFs: the text behind `trace` and in `kdebug.probe("...")` to probe points.
//!
//! In: text and its place. Out: [`ProbePoint`]s. Invariant: globs and names are taken as written; what they match is the board's to say.
//!
//! One file per kind; [`split`] cuts a list into definitions and their filters.

mod fetch;
#[cfg(test)]
mod fetch_tests;
mod fetch_type;
mod function;
mod kprobe;
mod memory;
mod perf_event;
mod sdt;
mod split;
#[cfg(test)]
mod tests;
mod tracepoint;
mod uprobe;

use ktap_bytecode::probe::ProbePoint;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use split::Definition;

pub use perf_event::EVENTS as PERF_EVENTS;

/// Reads an EVENTDEF, a list of definitions with filters.
///
/// A filter belongs to its definition; but if only the last definition of a list has one, it is the whole list's, as in ktap.
/// `base` is the text's place, for diagnostics.
///
/// # Errors
/// If a definition or a filter cannot be read.
pub fn parse_eventdef(text: &str, base: Span) -> Result<Vec<ProbePoint>, Diagnostic> {
    let definitions = split::split(text).map_err(|error| error.at(text, base))?;
    let mut points = Vec::new();
    for definition in &definitions {
        points.extend(parse_definition(definition).map_err(|error| error.at(text, base))?);
    }
    Ok(points)
}

fn parse_definition(definition: &Definition<'_>) -> Result<Vec<ProbePoint>, EventDefError> {
    let text = definition.text;
    let Some((prefix, rest)) = text.split_once(':') else {
        return perf_event::parse(definition).map(|point| vec![point]);
    };
    match prefix.trim() {
        "probe" | "uprobe" | "uprobes" if rest.trim_start().starts_with('/') => {
            uprobe::parse(definition, rest).map(|point| vec![point])
        }
        "probe" | "kprobe" | "kprobes" => kprobe::parse(definition, rest).map(|point| vec![point]),
        "sdt" | "stapsdt" => sdt::parse(definition, rest).map(|point| vec![point]),
        "tp" | "tracepoint" => tracepoint::parse_prefixed(definition, rest),
        "ftrace" if rest.trim() == "function" => function::parse(definition),
        "mem" => memory::parse(definition, rest).map(|point| vec![point]),
        name if perf_event::is_event(name) => perf_event::parse(definition).map(|point| vec![point]),
        _ => tracepoint::parse(definition, text).map(|point| vec![point]),
    }
}

/// What is wrong with an EVENTDEF, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EventDefError {
    code: Code,
    /// Byte offsets in the text.
    start: usize,
    end: usize,
    label: String,
    help: Vec<String>,
}

impl EventDefError {
    fn new(definition: &Definition<'_>, label: impl Into<String>) -> EventDefError {
        EventDefError {
            code: Code::BadEventDef,
            start: definition.start,
            end: definition.start + definition.text.len(),
            label: label.into(),
            help: Vec::new(),
        }
    }

    fn help(mut self, text: impl Into<String>) -> EventDefError {
        self.help.push(text.into());
        self
    }

    fn at(self, text: &str, base: Span) -> Diagnostic {
        // Text from a string with escapes is shorter than its source: stay inside.
        let clamp = |offset: usize| {
            base.start
                .saturating_add(u32::try_from(offset).unwrap_or(u32::MAX))
                .min(base.end)
        };
        let span = Span {
            start: clamp(self.start),
            end: clamp(self.end),
        };
        let shown = text.get(self.start..self.end).unwrap_or(text).trim();
        let what = match self.code {
            Code::BadFetchArg => "fetch-arg",
            _ => "eventdef",
        };
        let message = format!("cannot parse {what} '{shown}'");
        let mut diagnostic = Diagnostic::new(self.code, span, message).label(self.label);
        diagnostic.help = self.help;
        diagnostic
    }
}

/// Returns the filter as the image holds it.
fn filter_of(definition: &Definition<'_>) -> Option<String> {
    definition.filter.map(str::to_string)
}

/// Refuses a filter on a kind that has no fields to filter by.
fn refuse_filter(definition: &Definition<'_>, kind: &str) -> Result<(), EventDefError> {
    match definition.filter {
        Some(_) => {
            Err(EventDefError::new(definition, format!("{kind} takes no filter")).help("test in the handler with `if`"))
        }
        None => Ok(()),
    }
}

/// Reads a number, decimal or 0x hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Returns true if the text can be a glob over names of the kernel.
fn is_glob(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-*?[]!\\$@".contains(c))
}
