//! The kernel's events, and what can be known of a program's tracepoints before it runs.
//!
//! In: tracefs, probe sites. Out: [`Catalog`], warnings. Invariant: the list is read once per program, and only for globs: reading it costs the board
//! more than all else that one probe needs.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_bytecode::code::{CodeRef, FieldKind};
use ktap_bytecode::glob;
use ktap_bytecode::op::Op;
use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::inventory::events::{self, EventName};
use crate::inventory::tracefs::Tracefs;
use crate::refusal::{refuse, refuse_errno};

/// The kernel's events, where there is a tracefs.
#[derive(Debug)]
pub struct Catalog {
    /// The tracefs.
    pub tracefs: Tracefs,
    /// All events; where no site has a glob, those that the sites name.
    pub events: Vec<EventName>,
}

impl Catalog {
    /// Finds the events that sites may be about.
    ///
    /// # Errors
    /// `NoTracefs`, or what reading it says.
    pub fn find(probes: &[Probe]) -> Result<Catalog, Refusal> {
        let failed = |errno| refuse_errno(Stage::Attach, RefusalCode::NoTracefs, errno, "tracefs");
        let tracefs = Tracefs::find().map_err(failed)?;
        if named(probes).any(|(system, event)| is_glob(system, event)) {
            let events = events::all(&tracefs).map_err(failed)?;
            return Ok(Catalog { tracefs, events });
        }
        let mut events: Vec<EventName> = Vec::new();
        for (system, event) in named(probes) {
            let name = EventName::of(system, event);
            if !events.contains(&name) && events::exists(&tracefs, &name) {
                events.push(name);
            }
        }
        Ok(Catalog { tracefs, events })
    }
}

/// Checks at load what can be known before main runs: kinds of probes, names of events and fields. Returns warnings.
///
/// # Errors
/// A kind this engine has not, an event named without a glob that is not there, a field its only event has not.
pub fn check(probes: &[Probe], code: &CodeRef<'_>, catalog: Option<&Catalog>) -> Result<Vec<Refusal>, Refusal> {
    let mut warnings = Vec::new();
    for (site, probe) in probes.iter().enumerate() {
        for point in &probe.points {
            let (ProbePoint::Tracepoint { system, event, .. }, Some(catalog)) = (point, catalog) else {
                continue;
            };
            if events::matching(&catalog.events, system, event).next().is_none() {
                let name = alloc::format!("{system}:{event}");
                let missing = refuse(Stage::Attach, RefusalCode::NoSuchEvent, site as i64, &name);
                if !is_glob(system, event) {
                    return Err(missing);
                }
                warnings.push(missing);
            }
        }
    }
    if let (Some((site, name)), Some(catalog)) = (only_event(probes), catalog) {
        check_fields(site, &name, code, catalog)?;
    }
    Ok(warnings)
}

/// Returns true if any site is about events of the kernel.
pub fn needs_events(probes: &[Probe]) -> bool {
    named(probes).next().is_some()
}

/// Returns the systems and events that sites name.
fn named(probes: &[Probe]) -> impl Iterator<Item = (&str, &str)> {
    let points = probes.iter().flat_map(|probe| &probe.points);
    points.filter_map(|point| match point {
        ProbePoint::Tracepoint { system, event, .. } => Some((system.as_str(), event.as_str())),
        _ => None,
    })
}

/// Returns true if either name is a glob.
pub fn is_glob(system: &str, event: &str) -> bool {
    glob::is_glob(system.as_bytes()) || glob::is_glob(event.as_bytes())
}

/// Returns the event if the program can only ever see this one.
fn only_event(probes: &[Probe]) -> Option<(usize, EventName)> {
    let points = probes
        .iter()
        .enumerate()
        .flat_map(|(site, probe)| probe.points.iter().map(move |point| (site, point)));
    let mut found = None;
    for (site, point) in points {
        match point {
            ProbePoint::Tracepoint { system, event, .. } if !is_glob(system, event) && found.is_none() => {
                found = Some((
                    site,
                    EventName {
                        system: system.to_string(),
                        event: event.to_string(),
                    },
                ));
            }
            ProbePoint::Tick { .. } | ProbePoint::End => {}
            _ => return None,
        }
    }
    found
}

fn check_fields(site: usize, name: &EventName, code: &CodeRef<'_>, catalog: &Catalog) -> Result<(), Refusal> {
    // Only `evfield` is sure to mean the event; a member of a value may be a table's.
    let read = code
        .code
        .iter()
        .filter(|word| word.op() == Some(Op::EvField))
        .map(|word| word.d() as usize);
    let named = read
        .filter_map(|index| code.fields.get(index))
        .filter(|field| field.kind == FieldKind::Name as u8);
    let mut named = named.filter_map(|field| code.str_const(field.name as usize)).peekable();
    if named.peek().is_none() {
        return Ok(());
    }
    let Ok(format) = events::format(&catalog.tracefs, name) else {
        return Ok(());
    };
    match named.find(|field| format.field(field).is_none()) {
        Some(field) => {
            let text = alloc::format!("{}:{}.{}", name.system, name.event, String::from_utf8_lossy(field));
            Err(refuse(Stage::Attach, RefusalCode::NoSuchField, site as i64, &text))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracepoint(system: &str, event: &str) -> ProbePoint {
        ProbePoint::Tracepoint {
            system: system.into(),
            event: event.into(),
            filter: None,
        }
    }

    fn site(points: Vec<ProbePoint>) -> Probe {
        Probe { points }
    }

    #[test]
    fn the_only_event() {
        let one = [
            site(vec![ProbePoint::End]),
            site(vec![tracepoint("sched", "sched_switch")]),
        ];
        assert_eq!(
            only_event(&one).map(|(site, name)| (site, name.event)),
            Some((1, "sched_switch".into()))
        );
        let two = [site(vec![tracepoint("a", "b"), tracepoint("a", "c")])];
        assert!(only_event(&two).is_none());
        assert!(only_event(&[site(vec![tracepoint("a", "*")])]).is_none());
        assert!(only_event(&[site(vec![ProbePoint::Profile { period_ns: 1 }, tracepoint("a", "b")])]).is_none());
    }
}
