//! The phases of a loaded program: wait for the start, arm, run, finish.
//!
//! In: an engine, messages, a command. Out: records and an ending. Invariant: whatever ends a program, what it has sent to its
//! outbox before arrives before the ending.

use alloc::vec::Vec;

use ktap_link::message::{BoardMessage, EndReason, Ending, HostMessage, LostCounters, Refusal, RunOptions};

use super::aside::{Aside, aside};
use super::over::{self, Over};
use super::refused;
use crate::agent::{Board, out_of_order};
use crate::command::Command;
use crate::engine::outbox::Outbox;
use crate::engine::scope::Scope;
use crate::engine::{Engine, Stop};
use crate::sys::poll::PollFd;
use crate::sys::time;
use crate::wire::{Gone, Wire};

/// Least time between two reports of losses, nanoseconds.
const LOST_EVERY: u64 = 1_000_000_000;

/// A loaded program.
pub(super) struct Session<'s> {
    /// The board.
    pub(super) board: &'s Board,
    /// How to run it.
    pub(super) options: &'s RunOptions,
    /// Where it runs.
    pub(super) engine: &'s mut dyn Engine,
}

impl Session<'_> {
    /// Waits for the start and goes on to the end.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn await_start(&mut self, wire: &mut Wire<'_>) -> Result<(), Gone> {
        loop {
            let Some(message) = wire.next_message() else {
                wire.probe_silence();
                wire.step(&[], Some(1_000_000_000))?;
                continue;
            };
            match message {
                HostMessage::Start => return self.start(wire),
                HostMessage::Abort => {
                    wire.send(&BoardMessage::Ended(ending(EndReason::Stopped, 0, 0, None)));
                    return Ok(());
                }
                other => match aside(wire, self.board, other)? {
                    Aside::Done => {}
                    Aside::Leave => return Ok(()),
                    Aside::Stop | Aside::Abort => out_of_order(wire),
                },
            }
        }
    }

    fn start(&mut self, wire: &mut Wire<'_>) -> Result<(), Gone> {
        let begun = self.begin(wire);
        let (over, command) = match begun {
            Ok(begun) => begun,
            Err(refusal) => return refused(wire, refusal),
        };
        let mut command = command;
        let over = match over {
            Some(over) => over,
            None => self.run(wire, &mut command)?,
        };
        self.finish(wire, over, command)
    }

    /// Runs main, attaches what it asked for and lets it fire; says `Started`. Tells if the program is over already.
    fn begin(&mut self, wire: &mut Wire<'_>) -> Result<(Option<Over>, Option<Command>), Refusal> {
        let dry_run = self.options.dry_run;
        let over = if dry_run { None } else { self.engine.run_main()? };
        let mut command = None;
        if over.is_none() && !dry_run && !self.options.command.is_empty() {
            command = Some(Command::prepare(&self.options.command, self.board.environment)?);
        }
        let command_pid = command.as_ref().map(Command::pid);
        let scope = Scope::find(self.options, &self.board.cpus, command_pid)?;
        let armed = self
            .engine
            .attach(scope, over.is_none(), &mut || wire.step(&[], Some(0)).is_ok())?;
        wire.send(&BoardMessage::Started { armed, command_pid });
        if dry_run {
            return Ok((Some(Over::Reason(EndReason::DryRun, 0)), None));
        }
        if over.is_none() {
            self.engine.enable()?;
            if let Some(command) = &mut command {
                command.go();
            }
        }
        Ok((over.map(Over::from), command))
    }

    /// Handles events, messages and the command until one of them ends the program.
    fn run(&mut self, wire: &mut Wire<'_>, command: &mut Option<Command>) -> Result<Over, Gone> {
        if self.engine.is_idle() && command.is_none() {
            return Ok(Over::Reason(EndReason::Finished, 0));
        }
        let mut reported = (0, LostCounters::default());
        let mut fds: Vec<PollFd> = Vec::new();
        loop {
            let now = time::monotonic_ns();
            let more = match self.engine.pump(now) {
                Ok(more) => more,
                Err(stop) => return Ok(stop.into()),
            };
            self.send_records(wire);
            if now.saturating_sub(reported.0) >= LOST_EVERY {
                let lost = self.engine.lost();
                reported.0 = now;
                if lost != reported.1 {
                    wire.send(&BoardMessage::Lost(lost.clone()));
                    reported.1 = lost;
                }
            }
            if let Some(command) = command {
                command.relay(wire);
                if wire.take_child_ended() && command.ended().is_some() {
                    return Ok(Over::Reason(EndReason::Command, 0));
                }
            }
            wire.probe_silence();
            fds.clear();
            let wait = self.engine.wakers(&mut fds);
            fds.extend(command.iter().flat_map(Command::poll_fds));
            wire.step(&fds, if more { Some(0) } else { wait })?;
            while let Some(message) = wire.next_message() {
                match aside(wire, self.board, message)? {
                    Aside::Done => {}
                    Aside::Stop => return Ok(Over::Reason(EndReason::Stopped, 0)),
                    Aside::Abort | Aside::Leave => return Ok(Over::Aborted),
                }
            }
        }
    }

    /// Detaches, drains, runs `trace_end`, sends what is left and the ending.
    fn finish(&mut self, wire: &mut Wire<'_>, over: Over, mut command: Option<Command>) -> Result<(), Gone> {
        let over = match self.detach(wire)? {
            true => over,
            false => Over::Aborted,
        };
        let Over::Reason(mut reason, mut status) = over else {
            let ending = ending(EndReason::Stopped, 0, self.engine.events(), None);
            wire.send(&BoardMessage::Ended(ending));
            return Ok(());
        };
        // After exit or a trap nothing more is handled: what is in the rings came later.
        if matches!(reason, EndReason::Stopped | EndReason::Command)
            && let Some(stop) = self.drain(wire)?
        {
            (reason, status) = over::reason(stop);
        }
        self.engine.end(reason != EndReason::DryRun, &mut |stop| match stop {
            Stop::Exit(with) => status = with,
            Stop::Trap(_) if !matches!(reason, EndReason::Trap { .. }) => reason = over::reason(stop).0,
            Stop::Trap(_) => {}
        });
        let mut command_status = None;
        if let Some(command) = &mut command {
            command.relay(wire);
            command_status = command.ended();
        }
        if !self.flush(wire)? {
            reason = EndReason::Stopped;
        }
        wire.send(&BoardMessage::Lost(self.engine.lost()));
        let events = self.engine.events();
        wire.send(&BoardMessage::Ended(ending(reason, status, events, command_status)));
        Ok(())
    }

    /// Lets go of everything attached; false if the host does not want to hear of it any more.
    fn detach(&mut self, wire: &mut Wire<'_>) -> Result<bool, Gone> {
        let mut wanted = true;
        while self.engine.disable() {
            // A thousand probes take a slow board a while, and the host has only so much patience with silence.
            wire.send(&BoardMessage::Pong);
            wire.step(&[], Some(0))?;
            while let Some(message) = wanted.then(|| wire.next_message()).flatten() {
                wanted = match aside(wire, self.board, message)? {
                    // A second Stop changes nothing.
                    Aside::Done | Aside::Stop => true,
                    Aside::Abort | Aside::Leave => false,
                };
            }
        }
        Ok(wanted)
    }

    /// Handles all that is left; returns why the program stopped meanwhile, if it did.
    fn drain(&mut self, wire: &mut Wire<'_>) -> Result<Option<Stop>, Gone> {
        loop {
            match self.engine.drain() {
                Ok(false) => return Ok(None),
                Ok(true) => {
                    self.send_records(wire);
                    wire.step(&[], Some(0))?;
                }
                Err(stop) => return Ok(Some(stop)),
            }
        }
    }

    fn send_records(&mut self, wire: &mut Wire<'_>) {
        self.engine
            .with_outbox(&mut |outbox: &mut Outbox| wire.send_records(outbox));
    }

    /// Sends all records; false if the host does not want them any more.
    fn flush(&mut self, wire: &mut Wire<'_>) -> Result<bool, Gone> {
        loop {
            let mut empty = false;
            let more = self.engine.flush();
            self.engine.with_outbox(&mut |outbox| {
                wire.send_records(outbox);
                empty = outbox.is_empty();
            });
            if empty {
                if more {
                    continue;
                }
                return Ok(true);
            }
            wire.probe_silence();
            wire.step(&[], Some(1_000_000_000))?;
            while let Some(message) = wire.next_message() {
                match aside(wire, self.board, message)? {
                    // A second Stop changes nothing.
                    Aside::Done | Aside::Stop => {}
                    Aside::Abort | Aside::Leave => return Ok(false),
                }
            }
        }
    }
}

fn ending(reason: EndReason, status: i64, events: u64, command_status: Option<i32>) -> Ending {
    Ending {
        reason,
        status,
        events,
        command_status,
    }
}
