//! What is to be attached: probe points turned into kernel events.
//!
//! In: probe sites, attachments, the kernel's list of events. Out: [`Plan`]. Invariant: two attachments that want the same event
//! under the same filter share one source, so that it is sampled once.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::OnceCell;

use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_link::message::{Armed, Refusal, RefusalCode, Stage};

use crate::engine::catalog::{Catalog, is_glob};
use crate::engine::fields::Layout;
use crate::inventory::events::{self, EventName};
use crate::refusal::refuse;

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

/// Returns the first site this engine cannot attach.
pub fn lacking(probes: &[Probe]) -> Option<u16> {
    let lacks = |probe: &Probe| probe.points.iter().any(|point| !point.kind().user_engine());
    probes.iter().position(lacks).map(|site| site as u16)
}

/// Refuses a kind of probe that only the kernel can attach.
pub fn wrong_engine(site: u16) -> Refusal {
    refuse(Stage::Attach, RefusalCode::WrongEngine, site as i64, "user")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(points: Vec<ProbePoint>) -> Probe {
        Probe { points }
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
