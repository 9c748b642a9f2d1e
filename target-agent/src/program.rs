//! One program from `Load` to `Ended`.
//!
//! In: an image, its options, messages. Out: records and an ending. Invariant: when `serve` returns nothing of the program is left:
//! no probe, no child, no memory.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::RefCell;

use ktap_bytecode::code::CodeRef;
use ktap_bytecode::image::{Image, ImageError};
use ktap_bytecode::limits::{Limits, MAX_IMAGE};
use ktap_bytecode::verify::{Verified, verify};
use ktap_link::message::{
    BoardMessage, EndReason, Ending, EngineChoice, HostMessage, Packed, Refusal, RefusalCode, RunOptions, Stage,
};
use ktap_vm::{LoadError, Outcome, Vm};

use crate::agent::{Board, out_of_order};
use crate::command::Command;
use crate::engine::user::attach::{Attached, Opening};
use crate::engine::user::host::{Occasion, Surroundings, UserHost};
use crate::engine::user::needs::{self, Needs};
use crate::engine::user::outbox::Outbox;
use crate::engine::user::plan::{self, Catalog, Plan};
use crate::engine::user::run::{Running, Scope, Stop};
use crate::engine::user::tasks::Tasks;
use crate::engine::user::timers::Timers;
use crate::exclusion::Exclusion;
use crate::inventory::answer::answer;
use crate::inventory::memory;
use crate::refusal::{refuse, refuse_errno};
use crate::sys::memory::Words;
use crate::sys::poll::{POLLIN, PollFd};
use crate::sys::{Errno, time};
use crate::wire::{Gone, Wire};

/// Longest wait while events may fire, nanoseconds: how late an event is seen on an idle board.
const HEARTBEAT: u64 = 50_000_000;
/// How far behind now events are handled, nanoseconds: one that is being written on another CPU is in its ring by then.
const REORDER: u64 = 1_000_000;
/// Least time between two reports of losses, nanoseconds.
const LOST_EVERY: u64 = 1_000_000_000;
/// Most bytes of records held for a host that gives no credit.
const MAX_OUTBOX: u64 = 4 << 20;

/// Loads a program and sees it to its end. What is refused leaves nothing behind.
///
/// # Errors
/// The host is gone.
pub fn serve(wire: &mut Wire<'_>, board: &Board, packed: &Packed, options: &RunOptions) -> Result<(), Gone> {
    let loaded = decode(board, packed, options).and_then(|image| {
        let catalog = if plan::needs_events(&image.probes) {
            Some(Catalog::read()?)
        } else {
            None
        };
        Ok((image, catalog))
    });
    let (image, catalog) = match loaded {
        Ok(loaded) => loaded,
        Err(refusal) => return refused(wire, refusal),
    };
    let prepared = check(&image, catalog.as_ref()).and_then(|(verified, warnings)| {
        if let Some(pc) = needs::missing_builtin(verified.code()) {
            return Err(refuse(Stage::Attach, RefusalCode::NoBuiltin, pc as i64, "user"));
        }
        let limits = bounded(&options.limits);
        let words = Vm::region_size(&limits, verified.code(), 1);
        Ok((verified, warnings, limits, region(words)?))
    });
    let (verified, warnings, limits, mut region) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return refused(wire, refusal),
    };
    let memory = region.bytes() as u32;
    let vm = match Vm::new(verified, region.as_mut_slice(), limits, 1) {
        Ok(vm) => vm,
        Err(error) => return refused(wire, no_memory(error)),
    };
    let needs = Needs::of(verified.code());
    let around = Surroundings {
        machine: board.uname.machine.clone(),
        release: board.uname.release.clone(),
        cpus: board.cpus.len() as u32,
        wall_offset: time::wall_ns().wrapping_sub(time::monotonic_ns()),
        tasks: RefCell::new(Tasks::default()),
        outbox: RefCell::new(Outbox::new(memory::available().min(MAX_OUTBOX * 16) as usize / 16)),
        attached: RefCell::new(Vec::new()),
    };
    let code = *verified.code();
    let program = Program {
        board,
        options,
        image: &image,
        code,
        catalog: catalog.as_ref(),
        vm: &vm,
        around: &around,
        needs,
    };
    wire.send(&BoardMessage::Loaded {
        memory,
        warnings,
        engine: EngineChoice::User,
        reason: "this agent drives no kernel module yet".to_string(),
    });
    program.await_start(wire)
}

fn refused(wire: &mut Wire<'_>, refusal: Refusal) -> Result<(), Gone> {
    wire.send(&BoardMessage::Refused(refusal));
    Ok(())
}

fn decode(board: &Board, packed: &Packed, options: &RunOptions) -> Result<Image, Refusal> {
    if options.engine == EngineChoice::Kmod {
        return Err(refuse(Stage::Attach, RefusalCode::NoEngine, 0, "this agent drives no kernel module yet"));
    }
    if options.allow_unsafe && board.deny_unsafe {
        return Err(refuse(Stage::Attach, RefusalCode::Unsafe, 0, ""));
    }
    let malformed = |detail| refuse(Stage::Decode, RefusalCode::Malformed, detail, "");
    let bytes = packed.unpack(MAX_IMAGE).map_err(|_| malformed(packed.raw_len as i64))?;
    let image = Image::from_bytes(&bytes).map_err(|error| match error {
        ImageError::Version(major, minor) => refuse(
            Stage::Decode,
            RefusalCode::Version,
            (major as i64) << 8 | minor as i64,
            "",
        ),
        ImageError::TooLong(len) | ImageError::TrailingBytes(len) => malformed(len as i64),
        ImageError::Malformed => malformed(0),
    })?;
    if !image.build_id.is_empty() && image.build_id != board.build_id {
        return Err(refuse(Stage::Decode, RefusalCode::WrongKernel, 0, &board.uname.release));
    }
    Ok(image)
}

fn check<'i>(image: &'i Image, catalog: Option<&Catalog>) -> Result<(Verified<'i>, Vec<Refusal>), Refusal> {
    let verified = verify(image.code_ref()).map_err(|error| {
        let refusal = refuse(
            Stage::Verify,
            RefusalCode::Rule,
            error.rule as i64,
            &error.index.to_string(),
        );
        Refusal {
            errno: error.pc as i32,
            ..refusal
        }
    })?;
    let warnings = plan::check(&image.probes, verified.code(), catalog)?;
    Ok((verified, warnings))
}

/// Most backward jumps of one run, whatever the host allows: no message is read while a run goes on, so it has to end soon.
const MOST_LOOPS: u32 = 10_000_000;
/// Most ops of one handler run, likewise.
const MOST_FUEL: u32 = 10_000_000;

/// Keeps what the host asks for within what any board could need, so that sizes stay small numbers.
fn bounded(limits: &Limits) -> Limits {
    Limits {
        stack_slots: limits.stack_slots.clamp(256, 1 << 16),
        call_depth: limits.call_depth.clamp(8, 1 << 12),
        scratch: limits.scratch.clamp(8 << 10, 4 << 20),
        loops: limits.loops.min(MOST_LOOPS),
        fuel: limits.fuel.min(MOST_FUEL),
        ..*limits
    }
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

/// How tracing came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// By itself or by a message: then `trace_end` runs.
    Reason(EndReason, i64),
    /// Aborted, or a new host came: nothing more runs, nothing more is sent but the ending.
    Aborted,
}

impl From<Stop> for Over {
    fn from(stop: Stop) -> Over {
        match stop {
            Stop::Exit(status) => Over::Reason(EndReason::Exit, status),
            Stop::Trap(fault) => {
                let reason = EndReason::Trap {
                    trap: fault.trap as u8,
                    function: fault.function,
                    pc: fault.pc,
                    detail: fault.detail,
                };
                Over::Reason(reason, 0)
            }
        }
    }
}

/// A loaded program.
struct Program<'p> {
    board: &'p Board,
    options: &'p RunOptions,
    image: &'p Image,
    code: CodeRef<'p>,
    catalog: Option<&'p Catalog>,
    vm: &'p Vm<'p>,
    around: &'p Surroundings,
    needs: Needs,
}

impl<'p> Program<'p> {
    fn await_start(&self, wire: &mut Wire<'_>) -> Result<(), Gone> {
        loop {
            let Some(message) = wire.next_message() else {
                wire.probe_silence();
                wire.step(&[], Some(1_000_000_000))?;
                continue;
            };
            match message {
                HostMessage::Start => return self.start(wire),
                HostMessage::Abort => {
                    wire.send(&BoardMessage::Ended(self.ending(EndReason::Stopped, 0, 0, None)));
                    return Ok(());
                }
                other => match aside(wire, other)? {
                    Aside::Done => {}
                    Aside::Leave => return Ok(()),
                    Aside::Stop | Aside::Abort => out_of_order(wire),
                },
            }
        }
    }

    fn start(&self, wire: &mut Wire<'_>) -> Result<(), Gone> {
        let mut running = Running {
            vm: self.vm,
            around: self.around,
            code: self.code,
            catalog: self.catalog,
            attached: Attached::default(),
            timers: Timers::default(),
            scope: Scope::default(),
            chains: self.needs.chains.kernel || self.needs.chains.user,
            events: 0,
            lost: Default::default(),
        };
        let mut over = None;
        if !self.options.dry_run {
            let host = UserHost {
                around: self.around,
                occasion: Occasion::none(time::monotonic_ns()),
            };
            over = match self.vm.run_main(&host, 0) {
                Ok(Outcome::Done) => None,
                Ok(Outcome::Exit(status)) => Some(Stop::Exit(status).into()),
                Err(fault) => Some(Stop::Trap(fault).into()),
            };
        }
        let (ends, mut command) = match self.arm(wire, &mut running, over.is_none()) {
            Ok(armed) => armed,
            Err(refusal) => return refused(wire, refusal),
        };
        if self.options.dry_run {
            over = Some(Over::Reason(EndReason::DryRun, 0));
        }
        let over = match over {
            Some(over) => over,
            None => self.run(wire, &mut running, &mut command)?,
        };
        self.finish(wire, running, over, &ends, command)
    }

    /// Attaches what main asked for and lets it fire; says `Started`.
    fn arm(
        &self,
        wire: &mut Wire<'_>,
        running: &mut Running<'_>,
        fire: bool,
    ) -> Result<(Vec<u16>, Option<Command>), Refusal> {
        let attached = match self.options.dry_run {
            true => (0..self.image.probes.len() as u16).collect(),
            false => self.around.attached.borrow().clone(),
        };
        let mut plan = Plan::make(&self.image.probes, &attached, self.catalog)?;
        let mut command = None;
        if fire {
            if !self.options.command.is_empty() && !self.options.dry_run {
                command = Some(Command::prepare(&self.options.command, self.board.environment)?);
            }
            let command_pid = command.as_ref().map(Command::pid);
            running.scope = self.scope(command_pid);
            let cpus = self.cpus()?;
            let opening = Opening {
                cpus: &cpus,
                chains: self.needs.chains,
                tasks: self.needs.execname || self.needs.uid || running.scope.follow,
                pages: self.options.ring_pages,
                exclusion: &running.scope.exclusion,
            };
            let sources = core::mem::take(&mut plan.sources);
            let opened = Attached::open(sources, &opening, &mut || wire.step(&[], Some(0)).is_ok());
            running.attached = opened.map_err(|refusal| self.at_site(refusal, &attached))?;
        }
        wire.send(&BoardMessage::Started {
            armed: plan.armed,
            command_pid: command.as_ref().map(Command::pid),
        });
        if fire && !self.options.dry_run {
            self.around.tasks.replace(Tasks::survey(self.needs));
            running.attached.enable()?;
            let now = time::monotonic_ns();
            plan.ticks
                .iter()
                .for_each(|(attached, period)| running.timers.add(*attached, *period, now));
            if let Some(command) = &mut command {
                command.go();
            }
        }
        Ok((plan.ends, command))
    }

    /// Turns the attachment a refusal names into its probe site.
    fn at_site(&self, refusal: Refusal, attached: &[u16]) -> Refusal {
        let by_probe = matches!(refusal.code, RefusalCode::BadFilter | RefusalCode::TooMany);
        match attached.get(refusal.detail as usize) {
            Some(site) if by_probe => Refusal {
                detail: *site as i64,
                ..refusal
            },
            _ => refusal,
        }
    }

    /// A named process, or else the command and its children, or else everybody.
    fn scope(&self, command: Option<u32>) -> Scope {
        let only = self.options.pid.or(command).map(|pid| alloc::vec![pid]);
        let follow = self.options.pid.is_none() && command.is_some();
        Scope {
            exclusion: Exclusion::find(self.options.include_self, self.options.pid),
            only,
            follow,
        }
    }

    fn cpus(&self) -> Result<Vec<u32>, Refusal> {
        match self.options.cpu {
            None => Ok(self.board.cpus.clone()),
            Some(cpu) if self.board.cpus.contains(&cpu) => Ok(alloc::vec![cpu]),
            Some(cpu) => {
                let name = alloc::format!("cpu {cpu}");
                Err(refuse_errno(Stage::Attach, RefusalCode::System, Errno::ENODEV, &name))
            }
        }
    }

    /// Handles events, ticks, messages and the command until one of them ends the program.
    fn run(&self, wire: &mut Wire<'_>, running: &mut Running<'_>, command: &mut Option<Command>) -> Result<Over, Gone> {
        let idle = running.attached.sources.is_empty() && running.timers.is_empty();
        if idle && command.is_none() {
            return Ok(Over::Reason(EndReason::Finished, 0));
        }
        let mut reported = 0;
        loop {
            let now = time::monotonic_ns();
            let handled = running
                .tick(now)
                .and_then(|more| Ok(more || running.pump(now.saturating_sub(REORDER))?));
            let more = match handled {
                Ok(more) => more,
                Err(stop) => return Ok(stop.into()),
            };
            wire.send_records(&mut self.around.outbox.borrow_mut());
            if now.saturating_sub(reported) >= LOST_EVERY && self.update_lost(running) {
                reported = now;
                wire.send(&BoardMessage::Lost(running.lost.counters()));
            }
            if let Some(command) = command {
                command.relay(wire);
                if wire.take_child_ended() && command.ended().is_some() {
                    return Ok(Over::Reason(EndReason::Command, 0));
                }
            }
            wire.probe_silence();
            let mut fds: Vec<PollFd> = running.attached.wakers().map(|fd| PollFd::new(fd, POLLIN)).collect();
            fds.extend(command.iter().flat_map(Command::poll_fds));
            let tick = running
                .timers
                .next_due()
                .map_or(HEARTBEAT, |due| due.saturating_sub(time::monotonic_ns()));
            wire.step(&fds, Some(if more { 0 } else { tick.min(HEARTBEAT) }))?;
            while let Some(message) = wire.next_message() {
                match aside(wire, message)? {
                    Aside::Done => {}
                    Aside::Stop => return Ok(Over::Reason(EndReason::Stopped, 0)),
                    Aside::Abort | Aside::Leave => return Ok(Over::Aborted),
                }
            }
        }
    }

    /// Takes over the VM's counts; true if anything changed.
    fn update_lost(&self, running: &mut Running<'_>) -> bool {
        let before = running.lost.counters();
        let counters = self.vm.counters();
        let other = &mut running.lost.other;
        other.link = self.around.outbox.borrow().dropped;
        other.table = counters.table_drops;
        other.fuel = counters.out_of_memory + counters.busy;
        other.recursion = counters.recursion;
        other.oversize = counters.oversize;
        before != running.lost.counters()
    }

    /// Detaches, drains, runs `trace_end`, sends what is left and the ending.
    fn finish(
        &self,
        wire: &mut Wire<'_>,
        mut running: Running<'_>,
        over: Over,
        ends: &[u16],
        mut command: Option<Command>,
    ) -> Result<(), Gone> {
        running.attached.disable();
        let Over::Reason(mut reason, mut status) = over else {
            let ending = self.ending(EndReason::Stopped, 0, running.events, None);
            wire.send(&BoardMessage::Ended(ending));
            return Ok(());
        };
        // After exit or a trap nothing more is handled: what is in the rings came later.
        if matches!(reason, EndReason::Stopped | EndReason::Command)
            && let Some(stop) = self.drain(wire, &mut running)?
            && let Over::Reason(why, with) = stop.into()
        {
            (reason, status) = (why, with);
        }
        running.attached.note_lost(
            |attached| running.vm.attached_probe(attached).unwrap_or_default(),
            &mut running.lost,
        );
        // From here on the kernel calls nobody any more.
        running.attached = Attached::default();
        self.vm.end_phase();
        if reason != EndReason::DryRun {
            for attached in ends {
                match running.run(*attached, Occasion::none(time::monotonic_ns())) {
                    Ok(()) => {}
                    Err(Stop::Exit(with)) => status = with,
                    Err(stop @ Stop::Trap(_)) if !matches!(reason, EndReason::Trap { .. }) => {
                        if let Over::Reason(why, _) = stop.into() {
                            reason = why;
                        }
                    }
                    Err(Stop::Trap(_)) => {}
                }
            }
        }
        let command_status = self.end_command(wire, &mut command);
        if !self.flush(wire)? {
            reason = EndReason::Stopped;
        }
        self.update_lost(&mut running);
        wire.send(&BoardMessage::Lost(running.lost.counters()));
        wire.send(&BoardMessage::Ended(self.ending(
            reason,
            status,
            running.events,
            command_status,
        )));
        Ok(())
    }

    /// Handles all that is left in the rings; returns why the program stopped meanwhile, if it did.
    fn drain(&self, wire: &mut Wire<'_>, running: &mut Running<'_>) -> Result<Option<Stop>, Gone> {
        loop {
            match running.pump(u64::MAX) {
                Ok(false) => return Ok(None),
                Ok(true) => {
                    wire.send_records(&mut self.around.outbox.borrow_mut());
                    wire.step(&[], Some(0))?;
                }
                Err(stop) => return Ok(Some(stop)),
            }
        }
    }

    fn end_command(&self, wire: &mut Wire<'_>, command: &mut Option<Command>) -> Option<i32> {
        let command = command.as_mut()?;
        command.relay(wire);
        command.ended()
    }

    /// Sends all records; false if the host does not want them any more.
    fn flush(&self, wire: &mut Wire<'_>) -> Result<bool, Gone> {
        loop {
            wire.send_records(&mut self.around.outbox.borrow_mut());
            if self.around.outbox.borrow().is_empty() {
                return Ok(true);
            }
            wire.probe_silence();
            wire.step(&[], Some(1_000_000_000))?;
            while let Some(message) = wire.next_message() {
                match aside(wire, message)? {
                    // A second Stop changes nothing.
                    Aside::Done | Aside::Stop => {}
                    Aside::Abort | Aside::Leave => return Ok(false),
                }
            }
        }
    }

    fn ending(&self, reason: EndReason, status: i64, events: u64, command_status: Option<i32>) -> Ending {
        Ending {
            reason,
            status,
            events,
            command_status,
        }
    }
}

/// What a message means to a program.
enum Aside {
    /// Nothing: it was dealt with.
    Done,
    /// End it properly.
    Stop,
    /// Drop it.
    Abort,
    /// Drop it, for the host leaves or another has come; the message is given back.
    Leave,
}

/// Deals with a message that may come at any time.
fn aside(wire: &mut Wire<'_>, message: HostMessage) -> Result<Aside, Gone> {
    match message {
        HostMessage::Ping => wire.send(&BoardMessage::Pong),
        HostMessage::Credit { bytes } => wire.add_credit(bytes),
        HostMessage::Ask { id, question } => answer(wire, id, &question)?,
        HostMessage::Load { .. } | HostMessage::Start | HostMessage::Module { .. } => out_of_order(wire),
        HostMessage::Stop => return Ok(Aside::Stop),
        HostMessage::Abort => return Ok(Aside::Abort),
        HostMessage::Hello { .. } | HostMessage::Bye => {
            wire.unread(message);
            return Ok(Aside::Leave);
        }
    }
    Ok(Aside::Done)
}
