//! The engine `kmod` as the session sees it.
//!
//! In: a program, an open device, calls in the order of a session. Out: records. Invariant: what the module has counted as lost is told; nothing is
//! dropped here, for what the link cannot take waits in the module's rings.

use alloc::vec::Vec;

use ktap_bytecode::code::{CodeRef, Function};
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::ProbePoint;
use ktap_bytecode::record::{MAX_HEADER, RecordHeader, encode_header};
use ktap_bytecode::trap::{Fault, Trap};
use ktap_device::entry::EntryHeader;
use ktap_device::load::Loaded;
use ktap_device::request::{Kind, Reply};
use ktap_device::stats::{AttachedStats, End, Ran, State, Stats};
use ktap_link::message::{Armed, LostCounters, Refusal, RefusalCode, Stage};

use super::attach::Planner;
use super::device::{About, Module, bytes_of, call, call_list, value_of};
use super::{load, uses};
use crate::engine::outbox::Outbox;
use crate::engine::scope::Scope;
use crate::engine::{Engine, GoOn, MAX_OUTBOX, Program, Stop};
use crate::inventory::memory;
use crate::refusal::refuse_errno;
use crate::sys::poll::{POLLIN, PollFd};
use crate::wire::Gone;

/// Bytes taken from the module at a time.
const BUFFER: usize = 256 << 10;
/// Reads before the link gets its turn.
const BURST: usize = 8;
/// Longest wait while events may fire, nanoseconds.
const HEARTBEAT: u64 = 200_000_000;

/// Loads a program into the module and sees it to its end.
///
/// # Errors
/// A refusal: nothing was loaded.
pub fn load(program: Program<'_>, module: impl Module, go_on: GoOn<'_>) -> Result<Result<(), Gone>, Refusal> {
    program.board.formats.clear();
    // A dry run attaches every site without running anything of the program's.
    let idle = program.options.dry_run.then(|| idle_code(program.image.probes.len()));
    let request = match &idle {
        None => load::request(&program, &program.code()),
        Some((functions, code)) => {
            let code = CodeRef {
                functions,
                code,
                captures: &[],
                globals: 0,
                ..program.code()
            };
            load::request(&program, &code)
        }
    };
    let about = About::program(Stage::Memory, "kmod");
    let loaded: Loaded = call(&module, Kind::Load, &request, about)?;
    drop(request);
    let mut engine = KmodEngine {
        program: &program,
        module: &module,
        memory: loaded.memory,
        outbox: Outbox::new(memory::available().min(MAX_OUTBOX * 16) as usize / 16),
        buffer: alloc::vec![0u8; BUFFER],
        sites: Vec::new(),
        ends: Vec::new(),
        armed: 0,
        stats: Stats::default(),
        per_attached: Vec::new(),
        stopped: false,
    };
    Ok(go_on(&mut engine))
}

/// A program whose main attaches every site to a handler that does nothing.
fn idle_code(sites: usize) -> (Vec<Function>, Vec<Word>) {
    let mut code: Vec<Word> = alloc::vec![Word::ad(Op::Closure, 0, 1)];
    code.extend((0..sites).map(|site| Word::ad(Op::Attach, 0, site as u16)));
    code.push(Word::abc(Op::Return0, 0, 0, 0));
    let main = Function {
        start: 0,
        len: code.len() as u32,
        first_capture: 0,
        captures: 0,
        regs: 1,
        params: 0,
        vararg: 0,
        reserved: 0,
    };
    let handler = Function {
        start: main.len,
        len: 1,
        ..main
    };
    code.push(Word::abc(Op::Return0, 0, 0, 0));
    (alloc::vec![main, handler], code)
}

/// A program in the kernel.
struct KmodEngine<'p> {
    program: &'p Program<'p>,
    module: &'p dyn Module,
    memory: u64,
    outbox: Outbox,
    buffer: Vec<u8>,
    /// Probe sites by attachment.
    sites: Vec<u16>,
    ends: Vec<u16>,
    /// Probes in place.
    armed: u32,
    stats: Stats,
    per_attached: Vec<AttachedStats>,
    stopped: bool,
}

impl KmodEngine<'_> {
    /// Moves records to the outbox, as far as it has room; true if there may be more.
    fn take(&mut self) -> Result<bool, Refusal> {
        for _ in 0..BURST {
            if self.outbox.room() < 2 * BUFFER {
                // The rest waits in the rings; what does not fit there is counted there.
                return Ok(true);
            }
            let got = self.module.read(&mut self.buffer);
            let got = got.map_err(|errno| refuse_errno(Stage::Run, RefusalCode::System, errno, "read"))?;
            if got == 0 {
                return Ok(false);
            }
            entries(&self.buffer[..got.min(self.buffer.len())], &mut |header, body| {
                let mut head = [0; MAX_HEADER];
                let record = RecordHeader {
                    time_ns: header.time_ns,
                    cpu: header.cpu,
                    probe: header.probe,
                };
                let len = encode_header(record, &mut head);
                self.outbox.push_parts(head.get(..len).unwrap_or_default(), body);
            });
        }
        Ok(true)
    }

    /// Asks how the program stands.
    fn refresh(&mut self) {
        let room = size_of::<Stats>() + self.sites.len() * size_of::<AttachedStats>();
        let about = About::program(Stage::Run, "stats");
        if let Ok(bytes) = call_list(self.module, Kind::Stats, room, about) {
            self.stats = value_of(&bytes);
            let each = bytes.get(size_of::<Stats>()..).unwrap_or_default();
            self.per_attached = each.chunks_exact(size_of::<AttachedStats>()).map(value_of).collect();
        }
    }

    /// True if the kernel can miss returns of the site's functions. A timer that came late was not missed.
    fn has_returns(&self, site: u16) -> bool {
        let probe = self.program.image.probes.get(site as usize);
        let returns = |point: &ProbePoint| {
            matches!(
                point,
                ProbePoint::Kprobe { ret: true, .. } | ProbePoint::Uprobe { ret: true, .. }
            )
        };
        probe.is_some_and(|probe| probe.points.iter().any(returns))
    }

    fn request(&self, kind: Kind, name: &str) -> Result<(), Refusal> {
        call::<Reply>(self.module, kind, &[], About::program(Stage::Run, name)).map(|_| ())
    }

    fn look(&mut self) -> Result<bool, Stop> {
        // A device that cannot be read any more has nothing more to say; the program's state tells the rest.
        let more = self.take().unwrap_or(false);
        if more {
            return Ok(true);
        }
        if !self.stopped {
            self.refresh();
            if let Some(stop) = stop_of(&self.stats.end) {
                // What it said before it stopped is in the rings.
                while self.outbox.room() >= 2 * BUFFER && self.take().unwrap_or(false) {}
                return Err(stop);
            }
        }
        Ok(false)
    }
}

/// Calls `each` with every entry of what `read` gave.
fn entries(mut bytes: &[u8], each: &mut dyn FnMut(EntryHeader, &[u8])) {
    while bytes.len() >= size_of::<EntryHeader>() {
        let header: EntryHeader = value_of(bytes);
        let rest = &bytes[size_of::<EntryHeader>()..];
        let Some(body) = rest.get(..header.len as usize) else {
            return;
        };
        each(header, body);
        bytes = rest
            .get((header.len as usize).next_multiple_of(8)..)
            .unwrap_or_default();
    }
}

/// Returns why the program stopped, if it did.
fn stop_of(end: &End) -> Option<Stop> {
    match end.state {
        state if state == State::Exit as u32 => Some(Stop::Exit(end.status)),
        state if state == State::Trap as u32 => Some(Stop::Trap(Fault {
            trap: Trap::from_number(end.trap as u8).unwrap_or(Trap::Unsupported),
            function: end.function as u16,
            pc: end.pc,
            detail: end.detail,
        })),
        _ => None,
    }
}

impl Engine for KmodEngine<'_> {
    fn memory(&self) -> u64 {
        self.memory
    }

    fn run_main(&mut self) -> Result<Option<Stop>, Refusal> {
        let room = size_of::<Ran>() + ktap_bytecode::limits::MAX_ATTACHED * size_of::<u16>();
        let bytes = call_list(self.module, Kind::RunMain, room, About::program(Stage::Run, "main"))?;
        let ran: Ran = value_of(&bytes);
        let sites = bytes.get(size_of::<Ran>()..).unwrap_or_default();
        self.sites = sites
            .chunks_exact(2)
            .map(value_of)
            .take(ran.attached as usize)
            .collect();
        Ok(stop_of(&ran.end))
    }

    fn attach(&mut self, scope: Scope, open: bool, breathe: &mut dyn FnMut() -> bool) -> Result<Vec<Armed>, Refusal> {
        if self.program.options.dry_run {
            self.run_main()?;
        }
        let about = About::program(Stage::Attach, "scope");
        call::<Reply>(self.module, Kind::Scope, bytes_of(&load::scope(&scope)), about)?;
        let code = self.program.code();
        let uses = uses::by_site(&code);
        let mut planner = Planner {
            module: self.module,
            code,
            uses: &uses,
            catalog: self.program.catalog,
            formats: &self.program.board.formats,
            attached: 0,
            site: 0,
            breathe,
            left_out: None,
            events: Vec::new(),
        };
        let mut armed = Vec::new();
        for (number, site) in self.sites.iter().enumerate() {
            let points = self.program.image.probes.get(*site as usize);
            let points = points.map_or(&[][..], |probe| &probe.points);
            if points.iter().any(|point| matches!(point, ProbePoint::End)) {
                self.ends.push(number as u16);
            }
            (planner.attached, planner.site) = (number as u16, *site);
            let events = if open { planner.site(points)? } else { 0 };
            self.armed += events;
            armed.push(Armed { probe: *site, events });
        }
        Ok(armed)
    }

    fn enable(&mut self) -> Result<(), Refusal> {
        self.request(Kind::Enable, "enable")
    }

    fn is_idle(&self) -> bool {
        self.armed == 0
    }

    fn pump(&mut self, _now: u64) -> Result<bool, Stop> {
        self.look()
    }

    fn wakers(&self, fds: &mut Vec<PollFd>) -> Option<u64> {
        // Without room there is nothing to wake up for but the link.
        if self.outbox.room() >= 2 * BUFFER {
            fds.push(PollFd::new(self.module.raw(), POLLIN));
        }
        Some(HEARTBEAT)
    }

    fn with_outbox(&mut self, send: &mut dyn FnMut(&mut Outbox)) {
        send(&mut self.outbox);
    }

    fn lost(&mut self) -> LostCounters {
        self.refresh();
        let mut lost = LostCounters {
            link: self.outbox.dropped,
            fuel: self.stats.out_of_memory + self.stats.busy,
            table: self.stats.table_drops,
            recursion: self.stats.recursion,
            oversize: self.stats.oversize,
            ..LostCounters::default()
        };
        for (site, stats) in self.sites.iter().zip(&self.per_attached) {
            if self.has_returns(*site) {
                lost.missed += stats.missed;
            }
            if stats.lost == 0 {
                continue;
            }
            match lost.ring.iter_mut().find(|(other, _)| other == site) {
                Some((_, count)) => *count += stats.lost,
                None => lost.ring.push((*site, stats.lost)),
            }
        }
        lost
    }

    fn disable(&mut self) -> bool {
        self.stopped = true;
        // It cannot fail but for a session that is over, and that one has nothing attached.
        let left = call::<Reply>(self.module, Kind::Stop, &[], About::program(Stage::Run, "stop"));
        left.is_ok_and(|reply| reply.detail > 0)
    }

    fn drain(&mut self) -> Result<bool, Stop> {
        if self.take().unwrap_or(false) {
            return Ok(true);
        }
        // A handler may have stopped the program just before it was told to stop.
        self.refresh();
        stop_of(&self.stats.end).map_or(Ok(false), Err)
    }

    fn end(&mut self, run: bool, note: &mut dyn FnMut(Stop)) {
        for attached in if run { &self.ends[..] } else { &[] } {
            let about = About::program(Stage::Run, "trace_end");
            let attached = u32::from(*attached);
            let ran: Result<Ran, Refusal> = call(self.module, Kind::RunEnd, bytes_of(&attached), about);
            ran.ok()
                .and_then(|ran| stop_of(&ran.end))
                .into_iter()
                .for_each(&mut *note);
        }
    }

    fn flush(&mut self) -> bool {
        self.take().unwrap_or(false)
    }

    fn events(&self) -> u64 {
        self.stats.events
    }
}

#[cfg(test)]
mod tests;
