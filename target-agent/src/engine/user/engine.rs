//! The engine `user` as the session sees it.
//!
//! In: a program, calls in the order of a session. Out: records. Invariant: `load` returns only when nothing of the program is left.

use alloc::vec::Vec;
use core::cell::RefCell;

use ktap_link::message::{Armed, LostCounters, Refusal, RefusalCode, Stage};
use ktap_vm::{LoadError, Outcome, Vm};

use super::attach::{Attached, Opening};
use super::host::{Occasion, Surroundings, UserHost};
use super::needs::{self, Needs};
use super::plan::{self, Plan};
use super::run::{Running, Whose};
use super::tasks::Tasks;
use super::timers::Timers;
use crate::engine::outbox::Outbox;
use crate::engine::scope::Scope;
use crate::engine::{Engine, GoOn, MAX_OUTBOX, Program, Stop};
use crate::inventory::memory;
use crate::refusal::refuse;
use crate::sys::memory::Words;
use crate::sys::poll::{POLLIN, PollFd};
use crate::sys::time;
use crate::wire::Gone;

/// Longest wait while events may fire, nanoseconds: how late an event is seen on an idle board.
const HEARTBEAT: u64 = 50_000_000;
/// How far behind now events are handled, nanoseconds: one that is being written on another CPU is in its ring by then.
const REORDER: u64 = 1_000_000;

/// Says why this engine cannot run a program, if it cannot.
pub fn lacking(program: &Program<'_>) -> Option<Refusal> {
    if let Some(site) = plan::lacking(&program.image.probes) {
        return Some(plan::wrong_engine(site));
    }
    let pc = needs::missing_builtin(program.verified.code())?;
    Some(refuse(Stage::Attach, RefusalCode::NoBuiltin, pc as i64, "user"))
}

/// Loads a program and sees it to its end.
///
/// # Errors
/// A refusal: nothing was loaded.
pub fn load(program: Program<'_>, go_on: GoOn<'_>) -> Result<Result<(), Gone>, Refusal> {
    let (limits, code) = (program.limits, program.code());
    let mut region = region(Vm::region_size(&limits, &code, 1))?;
    let bytes = region.bytes() as u64;
    let Program {
        board,
        options,
        image,
        verified,
        catalog,
        ..
    } = program;
    let needs = Needs::of(&code);
    let vm = Vm::new(verified, region.as_mut_slice(), limits, 1).map_err(no_memory)?;
    let around = Surroundings {
        machine: board.uname.machine.clone(),
        release: board.uname.release.clone(),
        cpus: board.cpus.len() as u32,
        wall_offset: time::wall_ns().wrapping_sub(time::monotonic_ns()),
        tasks: RefCell::new(Tasks::default()),
        outbox: RefCell::new(Outbox::new(memory::available().min(MAX_OUTBOX * 16) as usize / 16)),
        attached: RefCell::new(Vec::new()),
    };
    let mut engine = UserEngine {
        running: Running {
            vm: &vm,
            around: &around,
            code,
            catalog,
            attached: Attached::default(),
            timers: Timers::default(),
            whose: Whose::default(),
            chains: needs.chains.kernel || needs.chains.user,
            events: 0,
            lost: Default::default(),
        },
        probes: &image.probes,
        needs,
        bytes,
        pages: options.ring_pages,
        dry_run: options.dry_run,
        ticks: Vec::new(),
        ends: Vec::new(),
    };
    Ok(go_on(&mut engine))
}

/// Takes memory for a session: at most half of what the board has left.
fn region(words: usize) -> Result<Words, Refusal> {
    let bytes = words as u64 * 8;
    let refusal = || refuse(Stage::Memory, RefusalCode::NoMemory, bytes as i64, "");
    if bytes > memory::available() / 2 || bytes > u32::MAX as u64 {
        return Err(refusal());
    }
    Words::zeroed(words).map_err(|_| refusal())
}

fn no_memory(error: LoadError) -> Refusal {
    let words = match error {
        LoadError::RegionTooSmall(words) => words,
        LoadError::RegionTooLarge | LoadError::OutOfMemory => 0,
    };
    refuse(Stage::Memory, RefusalCode::NoMemory, words as i64 * 8, "")
}

/// A program in this process.
struct UserEngine<'p> {
    running: Running<'p>,
    probes: &'p [ktap_bytecode::probe::Probe],
    needs: Needs,
    bytes: u64,
    pages: u32,
    dry_run: bool,
    ticks: Vec<(u16, u64)>,
    ends: Vec<u16>,
}

impl UserEngine<'_> {
    /// Takes over the VM's counts.
    fn update_lost(&mut self) {
        let counters = self.running.vm.counters();
        let other = &mut self.running.lost.other;
        other.link = self.running.around.outbox.borrow().dropped;
        other.table = counters.table_drops;
        other.fuel = counters.out_of_memory + counters.busy;
        other.recursion = counters.recursion;
        other.oversize = counters.oversize;
    }
}

impl Engine for UserEngine<'_> {
    fn memory(&self) -> u64 {
        self.bytes
    }

    fn run_main(&mut self) -> Result<Option<Stop>, Refusal> {
        let host = UserHost {
            around: self.running.around,
            occasion: Occasion::none(time::monotonic_ns()),
        };
        Ok(match self.running.vm.run_main(&host, 0) {
            Ok(Outcome::Done) => None,
            Ok(Outcome::Exit(status)) => Some(Stop::Exit(status)),
            Err(fault) => Some(Stop::Trap(fault)),
        })
    }

    fn attach(&mut self, scope: Scope, open: bool, breathe: &mut dyn FnMut() -> bool) -> Result<Vec<Armed>, Refusal> {
        let running = &mut self.running;
        let attached = match self.dry_run {
            true => (0..self.probes.len() as u16).collect(),
            false => running.around.attached.borrow().clone(),
        };
        let plan = Plan::make(self.probes, &attached, running.catalog)?;
        (self.ticks, self.ends) = (plan.ticks, plan.ends);
        if open {
            running.whose = Whose::new(&scope);
            let opening = Opening {
                cpus: &scope.cpus,
                chains: self.needs.chains,
                tasks: self.needs.execname || self.needs.uid || scope.follow,
                pages: self.pages,
                exclusion: &scope.exclusion,
            };
            let opened = Attached::open(plan.sources, &opening, breathe);
            running.attached = opened.map_err(|refusal| at_site(refusal, &attached))?;
        }
        Ok(plan.armed)
    }

    fn enable(&mut self) -> Result<(), Refusal> {
        self.running.around.tasks.replace(Tasks::survey(self.needs));
        self.running.attached.enable()?;
        let now = time::monotonic_ns();
        for (attached, period) in self.ticks.drain(..) {
            self.running.timers.add(attached, period, now);
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.running.attached.sources.is_empty() && self.running.timers.is_empty()
    }

    fn pump(&mut self, now: u64) -> Result<bool, Stop> {
        Ok(self.running.tick(now)? || self.running.pump(now.saturating_sub(REORDER))?)
    }

    fn wakers(&self, fds: &mut Vec<PollFd>) -> Option<u64> {
        fds.extend(self.running.attached.wakers().map(|fd| PollFd::new(fd, POLLIN)));
        let tick = self.running.timers.next_due();
        let tick = tick.map_or(HEARTBEAT, |due| due.saturating_sub(time::monotonic_ns()));
        Some(tick.min(HEARTBEAT))
    }

    fn with_outbox(&mut self, send: &mut dyn FnMut(&mut Outbox)) {
        send(&mut self.running.around.outbox.borrow_mut());
    }

    fn lost(&mut self) -> LostCounters {
        self.update_lost();
        self.running.lost.counters()
    }

    fn disable(&mut self) -> bool {
        self.running.attached.disable();
        false
    }

    fn drain(&mut self) -> Result<bool, Stop> {
        self.running.pump(u64::MAX)
    }

    fn end(&mut self, run: bool, note: &mut dyn FnMut(Stop)) {
        let running = &mut self.running;
        running.attached.note_lost(
            |attached| running.vm.attached_probe(attached).unwrap_or_default(),
            &mut running.lost,
        );
        // From here on the kernel calls nobody any more.
        running.attached = Attached::default();
        running.vm.end_phase();
        for attached in if run { &self.ends[..] } else { &[] } {
            if let Err(stop) = running.run(*attached, Occasion::none(time::monotonic_ns())) {
                note(stop);
            }
        }
    }

    fn events(&self) -> u64 {
        self.running.events
    }
}

/// Turns the attachment a refusal names into its probe site.
fn at_site(refusal: Refusal, attached: &[u16]) -> Refusal {
    let by_probe = matches!(refusal.code, RefusalCode::BadFilter | RefusalCode::TooMany);
    match attached.get(refusal.detail as usize) {
        Some(site) if by_probe => Refusal {
            detail: *site as i64,
            ..refusal
        },
        _ => refusal,
    }
}
