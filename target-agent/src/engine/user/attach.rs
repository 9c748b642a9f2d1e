//! Opening perf events on every CPU, each CPU's into one ring.
//!
//! In: a plan's sources. Out: [`Attached`]: descriptors and rings. Invariant: nothing fires before `enable`, and dropping it
//! closes every descriptor.

use alloc::vec::Vec;

use ktap_link::message::{Refusal, RefusalCode, Stage};

use super::lost::LostLedger;
use super::plan::{Source, What};
use super::ring::Ring;
use super::sorted::SortedMap;
use crate::exclusion::Exclusion;
use crate::inventory::memory;
use crate::refusal::{refuse, refuse_errno};
use crate::sys::closer::Closer;
use crate::sys::file::Fd;
use crate::sys::perf::{self, Attr, Chains};
use crate::sys::{Errno, memory::page_size, process};

/// Data pages of a ring unless asked otherwise: 1 MiB loses almost nothing at millions of events a second.
const DEFAULT_PAGES: u32 = 256;
/// Most data pages of a ring.
const MAX_PAGES: u32 = 8192;
/// Least data pages worth having.
const MIN_PAGES: u32 = 4;

/// Events opened before the link gets its turn; a kernel that is busy takes some milliseconds for one.
const BREATH: usize = 16;
/// Events that are closed on the spot. The kernel waits for all CPUs after each, some ten milliseconds.
const FEW: usize = 16;

/// How to open.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// CPUs to sample.
    pub cpus: &'a [u32],
    /// Stacks samples carry.
    pub chains: Chains,
    /// True if births, names and deaths of tasks are needed.
    pub tasks: bool,
    /// Data pages per ring, 0 for the default.
    pub pages: u32,
    /// Whose events are left out.
    pub exclusion: &'a Exclusion,
}

/// One open event.
#[derive(Debug)]
struct Event {
    /// By which samples name it; ascending in the list.
    id: u64,
    source: u32,
    fd: Fd,
}

/// Everything that is open.
#[derive(Debug, Default)]
pub struct Attached {
    // Rings go first: a ring's memory must not outlive its owner's descriptor in the kernel's accounts.
    /// One ring per CPU.
    pub rings: Vec<Ring>,
    owners: Vec<Fd>,
    events: Vec<Event>,
    /// What is open, the source of every sample.
    pub sources: Vec<Source>,
    keeps_lost: bool,
}

impl Attached {
    /// Opens all sources on all CPUs, disabled. Between some events it calls `breathe`, and gives up if that says false.
    ///
    /// # Errors
    /// A refusal by the first thing the kernel would not open.
    pub fn open(
        sources: Vec<Source>,
        how: &Opening<'_>,
        breathe: &mut dyn FnMut() -> bool,
    ) -> Result<Attached, Refusal> {
        let mut attached = Attached::default();
        attached.sources = sources;
        if attached.sources.is_empty() {
            return Ok(attached);
        }
        let highest = attached.sources.len() * how.cpus.len() + 64;
        process::raise_open_files((highest + how.cpus.len() + 1) as u64);
        let watermark = attached.open_rings(how, highest)?;
        attached.keeps_lost = true;
        let mut order: Vec<Event> = Vec::new();
        let mut left_out = None;
        for source in 0..attached.sources.len() {
            if source % BREATH == BREATH - 1 && !breathe() {
                attached.events = order;
                return Err(refuse(Stage::Attach, RefusalCode::OutOfOrder, 0, ""));
            }
            for cpu in 0..how.cpus.len() {
                match attached.open_one(source, cpu, how, watermark) {
                    Ok(event) => order.push(event),
                    Err(Failure::LeaveOut(errno)) => {
                        left_out = Some((source, errno));
                        break;
                    }
                    Err(Failure::Refuse(refusal)) => {
                        attached.events = order;
                        return Err(refusal);
                    }
                }
            }
        }
        if let (true, Some((source, errno))) = (order.is_empty(), left_out) {
            let name = attached.sources[source].name();
            return Err(refuse_errno(Stage::Attach, open_code(errno), errno, &name));
        }
        order.sort_unstable_by_key(|event| event.id);
        attached.events = order;
        Ok(attached)
    }

    /// Opens and maps a ring per CPU, its descriptor above `highest`; returns the bytes after which a ring wakes us.
    fn open_rings(&mut self, how: &Opening<'_>, highest: usize) -> Result<u32, Refusal> {
        let page = page_size();
        let most = memory::available() / 8 / page as u64 / how.cpus.len() as u64;
        let asked = if how.pages == 0 { DEFAULT_PAGES } else { how.pages };
        let mut pages = asked.clamp(MIN_PAGES, MAX_PAGES).next_power_of_two();
        while pages as u64 > most && pages > MIN_PAGES {
            pages /= 2;
        }
        loop {
            let watermark = pages * (page as u32 / 4);
            match self.try_rings(how, pages, page, highest) {
                Ok(()) => return Ok(watermark),
                // The kernel locks only so much memory; a smaller ring is better than none.
                Err((Errno::ENOMEM | Errno::EPERM, "mmap")) if pages > MIN_PAGES => pages /= 2,
                Err((errno, name)) => return Err(refuse_errno(Stage::Attach, open_code(errno), errno, name)),
            }
        }
    }

    fn try_rings(
        &mut self,
        how: &Opening<'_>,
        pages: u32,
        page: usize,
        highest: usize,
    ) -> Result<(), (Errno, &'static str)> {
        self.rings.clear();
        self.owners.clear();
        for cpu in how.cpus {
            let attr = Attr::ring_owner(how.tasks, how.chains, pages * (page as u32 / 4));
            let owner = perf::open(&attr, *cpu, None).map_err(|errno| (errno, "perf_event_open"))?;
            // A leader that goes first sets its whole group free to fire, each event for itself. So it must go last, also when the
            // process is killed. Where the limit of open files is too low for that, there are but few events.
            let owner = owner.lifted(highest).unwrap_or(owner);
            self.rings
                .push(Ring::map(&owner, pages, page).map_err(|errno| (errno, "mmap"))?);
            self.owners.push(owner);
        }
        Ok(())
    }

    fn open_one(&mut self, source: usize, cpu: usize, how: &Opening<'_>, watermark: u32) -> Result<Event, Failure> {
        let Source {
            what,
            filter,
            by_glob,
            attached,
        } = &self.sources[source];
        let attr = match what {
            What::Event { id, .. } => Attr::tracepoint(*id, how.chains, watermark),
            What::Profile { period_ns } => Attr::profile((*period_ns).max(10_000), how.chains, watermark),
        };
        let name = self.sources[source].name();
        let (owner, on) = (Some(&self.owners[cpu]), how.cpus[cpu]);
        let opened = match self.keeps_lost.then(|| perf::open(&attr.with_lost(), on, owner)) {
            Some(Ok(fd)) => Ok(fd),
            // Before Linux 6.0 the kernel keeps no count per event.
            Some(Err(Errno::EINVAL)) | None => perf::open(&attr, on, owner).inspect(|_| self.keeps_lost = false),
            Some(Err(errno)) => Err(errno),
        };
        let first = attached.first().copied().unwrap_or_default();
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::EMFILE | Errno::ENFILE) => {
                return Err(refuse(Stage::Attach, RefusalCode::TooMany, first as i64, &name).into());
            }
            // Some events are not for everybody: a glob means those that are.
            Err(errno @ (Errno::EINVAL | Errno::ENODEV | Errno::EOPNOTSUPP | Errno::ENOENT | Errno::EPERM))
                if *by_glob =>
            {
                return Err(Failure::LeaveOut(errno));
            }
            Err(errno) => return Err(refuse_errno(Stage::Attach, open_code(errno), errno, &name).into()),
        };
        let system = |errno, what: &str| Failure::from(refuse_errno(Stage::Attach, RefusalCode::System, errno, what));
        if let (What::Event { .. }, Some(full)) = (what, how.exclusion.kernel_filter(filter.as_deref())) {
            perf::set_filter(&fd, &full).map_err(|errno| match filter {
                Some(text) => {
                    let refusal = refuse(Stage::Attach, RefusalCode::BadFilter, first as i64, text);
                    Failure::from(Refusal {
                        errno: errno.into_raw(),
                        ..refusal
                    })
                }
                None => system(errno, "PERF_EVENT_IOC_SET_FILTER"),
            })?;
        }
        let id = perf::identifier(&fd).map_err(|errno| system(errno, "PERF_EVENT_IOC_ID"))?;
        Ok(Event {
            id,
            source: source as u32,
            fd,
        })
    }

    /// Lets everything fire.
    ///
    /// # Errors
    /// A refusal with the kernel's errno.
    pub fn enable(&self) -> Result<(), Refusal> {
        self.owners.iter().try_for_each(|owner| {
            perf::enable(owner, true)
                .map_err(|errno| refuse_errno(Stage::Attach, RefusalCode::System, errno, "PERF_EVENT_IOC_ENABLE"))
        })
    }

    /// Stops everything at once; what is in the rings stays there.
    pub fn disable(&self) {
        // Cannot fail: the descriptors are perf events of ours.
        for owner in &self.owners {
            let _ = perf::enable(owner, false);
        }
    }

    /// Returns the number of the source whose samples carry this identifier.
    pub fn source_of(&self, id: u64) -> Option<usize> {
        let at = self.events.binary_search_by_key(&id, |event| event.id).ok()?;
        self.events.get(at).map(|event| event.source as usize)
    }

    /// Returns the number of sources that are open.
    pub fn open_sources(&self) -> impl Iterator<Item = usize> {
        let mut open: Vec<usize> = self.events.iter().map(|event| event.source as usize).collect();
        open.sort_unstable();
        open.dedup();
        open.into_iter()
    }

    /// Notes what the kernel counted as lost, exactly, where it keeps that count. Only sensible once disabled.
    pub fn note_lost(&self, site_of: impl Fn(u16) -> u16, ledger: &mut LostLedger) {
        if !self.keeps_lost {
            return;
        }
        let mut totals = SortedMap::<u64>::default();
        for event in &self.events {
            let lost = perf::lost(&event.fd).unwrap_or(0);
            let attached = self.sources[event.source as usize]
                .attached
                .first()
                .copied()
                .unwrap_or_default();
            *totals.entry(site_of(attached) as u32) += lost;
        }
        totals
            .iter()
            .for_each(|(site, total)| ledger.ring_total(site as u16, total));
    }

    /// Returns the descriptors that become readable when a ring has filled to its watermark.
    pub fn wakers(&self) -> impl Iterator<Item = i32> {
        self.owners.iter().map(Fd::raw)
    }

    /// Returns the memory the rings take, bytes.
    pub fn ring_bytes(&self) -> u64 {
        self.rings.iter().map(Ring::bytes).sum()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.events.is_empty() {
            return;
        }
        // Nothing fires any more from here on, whoever holds the descriptors how long.
        self.disable();
        // Without a closer it only takes longer.
        let closer = if self.events.len() > FEW {
            Closer::start().ok()
        } else {
            None
        };
        self.rings.clear();
        self.events.clear();
        self.owners.clear();
        drop(closer);
    }
}

/// Why an event is not open.
enum Failure {
    LeaveOut(Errno),
    Refuse(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refuse(refusal)
    }
}

fn open_code(errno: Errno) -> RefusalCode {
    match errno {
        Errno::ENOSYS | Errno::ENOENT => RefusalCode::NoPerf,
        _ => RefusalCode::System,
    }
}
