//! The kernel's events: their names by glob, their ids, their formats.
//!
//! In: tracefs. Out: [`EventName`]s. Invariant: events of system `ftrace` are never offered, for perf cannot sample them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::format::Format;
use super::tracefs::Tracefs;
use crate::sys::{Errno, Result};
use ktap_bytecode::glob;

/// Longest list of events read, bytes; a distribution kernel has 60 KiB of names.
const MAX_LIST: usize = 4 << 20;
/// Longest format file read, bytes.
const MAX_FORMAT: usize = 256 << 10;

/// The system of entries that only the tracer itself writes.
const NOT_OFFERED: &str = "ftrace";

/// An event's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// Its system.
    pub system: String,
    /// Its name within the system.
    pub event: String,
}

impl EventName {
    /// Makes a name.
    pub fn of(system: &str, event: &str) -> EventName {
        EventName {
            system: system.to_string(),
            event: event.to_string(),
        }
    }
}

/// Returns the names of all events, in the kernel's order.
///
/// # Errors
/// The kernel's errno.
pub fn all(tracefs: &Tracefs) -> Result<Vec<EventName>> {
    let list = tracefs.read("available_events", MAX_LIST)?;
    let list = core::str::from_utf8(&list).map_err(|_| Errno::EILSEQ)?;
    let names = list
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(system, _)| *system != NOT_OFFERED);
    Ok(names
        .map(|(system, event)| EventName {
            system: system.to_string(),
            event: event.to_string(),
        })
        .collect())
}

/// Returns true if there is an event of that name.
pub fn exists(tracefs: &Tracefs, name: &EventName) -> bool {
    is_name(name) && name.system != NOT_OFFERED && tracefs.has(&format!("events/{}/{}/format", name.system, name.event))
}

/// Returns true if both parts can be names of directories.
fn is_name(name: &EventName) -> bool {
    [&name.system, &name.event]
        .iter()
        .all(|part| !part.is_empty() && !part.contains('/') && !part.starts_with('.'))
}

/// Returns the events of `all` that match both globs.
pub fn matching<'a>(all: &'a [EventName], system: &str, event: &str) -> impl Iterator<Item = &'a EventName> {
    all.iter().filter(move |name| matches(name, system, event))
}

/// Returns true if both globs match the event.
pub fn matches(name: &EventName, system: &str, event: &str) -> bool {
    glob::matches(system.as_bytes(), name.system.as_bytes()) && glob::matches(event.as_bytes(), name.event.as_bytes())
}

/// Returns the kernel's id of an event.
///
/// # Errors
/// `ENOENT` for events without an id, which perf cannot sample.
pub fn id(tracefs: &Tracefs, name: &EventName) -> Result<u32> {
    tracefs.read_number(&format!("events/{}/{}/id", name.system, name.event))
}

/// Returns the text of an event's format file.
///
/// # Errors
/// The kernel's errno; `EINVAL` for names that are none.
pub fn format_text(tracefs: &Tracefs, name: &EventName) -> Result<Vec<u8>> {
    if !is_name(name) {
        return Err(Errno::EINVAL);
    }
    tracefs.read(&format!("events/{}/{}/format", name.system, name.event), MAX_FORMAT)
}

/// Returns an event's format.
///
/// # Errors
/// The kernel's errno; `EILSEQ` if it cannot be read as a format.
pub fn format(tracefs: &Tracefs, name: &EventName) -> Result<Format> {
    let text = format_text(tracefs, name)?;
    Format::parse(&String::from_utf8_lossy(&text)).ok_or(Errno::EILSEQ)
}

/// Returns the event with this id.
///
/// # Errors
/// The kernel's errno; `ENOENT` if there is none.
pub fn by_id(tracefs: &Tracefs, wanted: u32) -> Result<EventName> {
    all(tracefs)?
        .into_iter()
        .find(|name| id(tracefs, name) == Ok(wanted))
        .ok_or(Errno::ENOENT)
}
