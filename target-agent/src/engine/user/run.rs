//! A program that runs: events in, handlers run, until it stops.
//!
//! In: a loaded VM and what main attached. Out: records in the outbox, counts. Invariant: handlers run one at a time, in the order of their
//! events' times up to the moment `pump` is told.

use alloc::vec::Vec;

use ktap_bytecode::code::CodeRef;
use ktap_vm::{Outcome, Vm};

use super::attach::Attached;
use super::host::{Occasion, Surroundings, UserHost};
use super::lost::LostLedger;
use super::merge;
use super::plan::What;
use super::sample::{self, RingRecord, Sample};
use super::timers::Timers;
use crate::engine::Stop;
use crate::engine::catalog::Catalog;
use crate::engine::fields::Layout;
use crate::engine::scope::Scope;
use crate::exclusion::Exclusion;
use crate::inventory::events;

/// Records handled before the link gets its turn.
const BURST: usize = 4096;
/// The one frame of this engine: handlers run one at a time.
const FRAME: usize = 0;

/// Whose events count, as tasks come and go.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    exclusion: Exclusion,
    only: Option<Vec<u32>>,
    follow: bool,
}

impl Whose {
    /// Begins with what was asked for.
    pub fn new(scope: &Scope) -> Whose {
        Whose {
            exclusion: scope.exclusion.clone(),
            only: scope.only.map(|pid| alloc::vec![pid]),
            follow: scope.follow,
        }
    }

    fn takes(&self, pid: u32) -> bool {
        !self.exclusion.covers(pid) && self.only.as_ref().is_none_or(|only| only.contains(&pid))
    }

    fn note(&mut self, record: &RingRecord<'_>) {
        let (true, Some(only)) = (self.follow, &mut self.only) else {
            return;
        };
        if let RingRecord::Fork { pid, parent_pid, .. } = record
            && only.contains(parent_pid)
            && !only.contains(pid)
        {
            only.push(*pid);
        }
    }
}

/// A program that runs.
pub struct Running<'p> {
    /// The machine.
    pub vm: &'p Vm<'p>,
    /// What its handlers see of the world.
    pub around: &'p Surroundings,
    /// Its code.
    pub code: CodeRef<'p>,
    /// The kernel's events.
    pub catalog: Option<&'p Catalog>,
    /// What is open.
    pub attached: Attached,
    /// Its ticks.
    pub timers: Timers,
    /// Whose events count.
    pub whose: Whose,
    /// True if samples carry stacks.
    pub chains: bool,
    /// Events handled.
    pub events: u64,
    /// What was lost.
    pub lost: LostLedger,
}

impl Running<'_> {
    /// Handles what is in the rings up to the moment `limit`, a burst at most. Returns true if there is more.
    ///
    /// # Errors
    /// Why the program stopped.
    pub fn pump(&mut self, limit: u64) -> Result<bool, Stop> {
        for ring in &mut self.attached.rings {
            ring.refresh();
        }
        let mut record = Vec::new();
        for _ in 0..BURST {
            let Some(ring) = merge::earliest(&mut self.attached.rings, limit) else {
                return Ok(false);
            };
            if self.attached.rings[ring].take(&mut record) {
                self.handle(&record)?;
            }
        }
        Ok(true)
    }

    /// Runs the ticks that are due at `now`, each after the events before it. Returns true if events are still to be handled first.
    ///
    /// # Errors
    /// Why the program stopped.
    pub fn tick(&mut self, now: u64) -> Result<bool, Stop> {
        while self.timers.next_due().is_some_and(|due| due <= now) {
            let due = self.timers.next_due().unwrap_or(now);
            if self.pump(due)? {
                return Ok(true);
            }
            if let Some((attached, due)) = self.timers.take_due(now) {
                self.run(attached, Occasion::none(due))?;
            }
        }
        Ok(false)
    }

    /// Runs one attachment's handler.
    ///
    /// # Errors
    /// Why the program stopped.
    pub fn run(&self, attached: u16, occasion: Occasion<'_>) -> Result<(), Stop> {
        let host = UserHost {
            around: self.around,
            occasion,
        };
        match self.vm.run_attached(&host, FRAME, attached) {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Exit(status)) => Err(Stop::Exit(status)),
            Err(fault) => Err(Stop::Trap(fault)),
        }
    }

    /// Returns the probe site of an attachment.
    pub fn site_of(&self, attached: u16) -> u16 {
        self.vm.attached_probe(attached).unwrap_or_default()
    }

    fn handle(&mut self, record: &[u8]) -> Result<(), Stop> {
        match sample::decode(record, self.chains) {
            RingRecord::Sample(sample) => self.handle_sample(sample),
            RingRecord::Lost { id, count } => {
                let source = self
                    .attached
                    .source_of(id)
                    .and_then(|source| self.attached.sources.get(source));
                let attached = source
                    .and_then(|source| source.attached.first().copied())
                    .unwrap_or_default();
                self.lost.ring_full(self.site_of(attached), count);
                Ok(())
            }
            other => {
                self.whose.note(&other);
                self.around.tasks.borrow_mut().note(&other);
                Ok(())
            }
        }
    }

    fn handle_sample(&mut self, sample: Sample<'_>) -> Result<(), Stop> {
        let Some(source) = self.attached.source_of(sample.id) else {
            return Ok(());
        };
        if !self.whose.takes(sample.pid) {
            return Ok(());
        }
        let Some(source) = self.attached.sources.get(source) else {
            return Ok(());
        };
        self.events += 1;
        let occasion = match &source.what {
            What::Event { name, layout, .. } => {
                let layout = layout.get_or_init(|| {
                    let format = events::format(&self.catalog?.tracefs, name).ok()?;
                    Some(Layout::bind(name, &format, &self.code))
                });
                Occasion {
                    sample,
                    name: Some(&name.event),
                    layout: layout.as_ref(),
                }
            }
            What::Profile { .. } => Occasion {
                sample,
                name: Some("profile"),
                layout: None,
            },
        };
        for attached in &source.attached {
            self.run(*attached, occasion)?;
        }
        Ok(())
    }
}
