//! What is to be attached: probe points turned into kernel events.
//!
//! In: probe sites, attachments, the kernel's list of events. Out: [`Plan`]. Invariant: two attachments that want the same event
//! under the same filter share one source, so that it is sampled once.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::OnceCell;

use ktap_bytecode::code::{CodeRef, FieldKind};
use ktap_bytecode::glob;
use ktap_bytecode::op::Op;
use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_link::message::{Armed, Refusal, RefusalCode, Stage};

use super::fields::Layout;
use crate::inventory::events::{self, EventName};
use crate::inventory::tracefs::Tracefs;
use crate::refusal::{refuse, refuse_errno};

/// The kernel's events, where there is a tracefs.
#[derive(Debug)]
pub struct Catalog {
    /// The tracefs.
    pub tracefs: Tracefs,
    /// All events.
    pub events: Vec<EventName>,
}

impl Catalog {
    /// Reads the list of events.
    ///
    /// # Errors
    /// `NoTracefs`, or what reading it says.
    pub fn read() -> Result<Catalog, Refusal> {
        let failed = |errno| refuse_errno(Stage::Attach, RefusalCode::NoTracefs, errno, "tracefs");
        let tracefs = Tracefs::find().map_err(failed)?;
        let events = events::all(&tracefs).map_err(failed)?;
        Ok(Catalog { tracefs, events })
    }
}

/// What a source samples.
#[derive(Debug)]
pub enum What {
    /// A tracepoint.
    Event {
        /// Its name.
        name: EventName,
        /// The kernel's id.
        id: u32,
        /// The program's fields in it, bound when it first fires; nothing if its format cannot be read.
        layout: OnceCell<Option<Layout>>,
    },
    /// The CPU clock.
    Profile {
        /// Nanoseconds.
        period_ns: u64,
    },
}

/// Something to open on every CPU.
#[derive(Debug)]
pub struct Source {
    /// What it samples.
    pub what: What,
    /// The script's filter.
    pub filter: Option<String>,
    /// Attachments whose handlers run on it.
    pub attached: Vec<u16>,
    /// True if a glob found it: then it is left out if the kernel will not open it.
    pub by_glob: bool,
}

impl Source {
    /// Returns its name for refusals.
    pub fn name(&self) -> String {
        match &self.what {
            What::Event { name, .. } => alloc::format!("{}:{}", name.system, name.event),
            What::Profile { .. } => "cpu-clock".to_string(),
        }
    }
}

/// Everything to be attached.
#[derive(Debug, Default)]
pub struct Plan {
    /// Sources to open.
    pub sources: Vec<Source>,
    /// Ticks: attachment and period in nanoseconds.
    pub ticks: Vec<(u16, u64)>,
    /// Attachments that run at the end, in order.
    pub ends: Vec<u16>,
    /// Per attachment: its site and the number of its events.
    pub armed: Vec<Armed>,
}

impl Plan {
    /// Finds what the attachments, given as probe sites in order of attachment, come to.
    ///
    /// # Errors
    /// As [`check`].
    pub fn make(probes: &[Probe], attached: &[u16], catalog: Option<&Catalog>) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        for (number, site) in attached.iter().enumerate() {
            let number = number as u16;
            let mut count = 0;
            for point in probes.get(*site as usize).map_or(&[][..], |probe| &probe.points) {
                match point {
                    ProbePoint::Tracepoint { system, event, filter } => {
                        let Some(catalog) = catalog else { continue };
                        let by_glob = is_glob(system, event);
                        for name in events::matching(&catalog.events, system, event) {
                            let Ok(id) = events::id(&catalog.tracefs, name) else {
                                continue;
                            };
                            let source = plan.source(name, id, filter.as_deref(), by_glob);
                            // Two EVENTDEFs of one site may name the same event: its handler still runs once.
                            if !source.attached.contains(&number) {
                                source.attached.push(number);
                                count += 1;
                            }
                        }
                    }
                    ProbePoint::Tick { period_ns } => {
                        plan.ticks.push((number, *period_ns));
                        count += 1;
                    }
                    ProbePoint::Profile { period_ns } => {
                        let what = What::Profile { period_ns: *period_ns };
                        let attached = alloc::vec![number];
                        plan.sources.push(Source {
                            what,
                            filter: None,
                            attached,
                            by_glob: false,
                        });
                        count += 1;
                    }
                    ProbePoint::End => plan.ends.push(number),
                    _ => return Err(wrong_engine(*site)),
                }
            }
            plan.armed.push(Armed {
                probe: *site,
                events: count,
            });
        }
        Ok(plan)
    }

    /// Returns the source of this event under this filter, a new one if there is none yet.
    fn source(&mut self, name: &EventName, id: u32, filter: Option<&str>, by_glob: bool) -> &mut Source {
        let same = |source: &Source| match source.what {
            What::Event { id: other, .. } => other == id && source.filter.as_deref() == filter,
            What::Profile { .. } => false,
        };
        let at = self.sources.iter().position(same).unwrap_or_else(|| {
            let what = What::Event {
                name: name.clone(),
                id,
                layout: OnceCell::new(),
            };
            let filter = filter.map(ToString::to_string);
            self.sources.push(Source {
                what,
                filter,
                attached: Vec::new(),
                by_glob,
            });
            self.sources.len() - 1
        });
        &mut self.sources[at]
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
            if !point.kind().user_engine() {
                return Err(wrong_engine(site as u16));
            }
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

/// Returns true if any site needs the list of events.
pub fn needs_events(probes: &[Probe]) -> bool {
    probes
        .iter()
        .flat_map(|probe| &probe.points)
        .any(|point| matches!(point, ProbePoint::Tracepoint { .. }))
}

fn is_glob(system: &str, event: &str) -> bool {
    glob::is_glob(system.as_bytes()) || glob::is_glob(event.as_bytes())
}

fn wrong_engine(site: u16) -> Refusal {
    refuse(Stage::Attach, RefusalCode::WrongEngine, site as i64, "user")
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

    #[test]
    fn ticks_and_ends_need_no_kernel() {
        let probes = [
            site(vec![ProbePoint::End]),
            site(vec![ProbePoint::Tick { period_ns: 5 }]),
        ];
        let plan = Plan::make(&probes, &[1, 0, 1], None).expect("a plan");
        assert_eq!((plan.ticks, plan.ends), (vec![(0, 5), (2, 5)], vec![1]));
        let counts: Vec<_> = plan.armed.iter().map(|armed| (armed.probe, armed.events)).collect();
        assert_eq!(counts, [(1, 1), (0, 0), (1, 1)]);
        assert!(!needs_events(&probes));
    }

    #[test]
    fn other_kinds_are_refused_with_their_site() {
        let probes = [
            site(vec![ProbePoint::End]),
            site(vec![ProbePoint::Function { glob: "x".into() }]),
        ];
        let refusal = Plan::make(&probes, &[1], None).expect_err("a refusal");
        assert_eq!((refusal.code, refusal.detail), (RefusalCode::WrongEngine, 1));
    }
}
