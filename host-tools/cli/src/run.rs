//! A loaded program, from Start to Ended: records shown, stop requests obeyed, losses reported.
//!
//! In: [`Client`] with a program loaded, [`Feed`]. Out: how it ended. Invariant: however it ends, the board was told to stop, and what
//! was lost is said.

use std::time::{Duration, Instant};

use ktap_bytecode::trap::Trap;
use ktap_lang::program::DebugMap;
use ktap_lang::source::Source;
use ktap_link::message::{BoardMessage, EndReason, Ending, HostMessage, LostCounters, TalkSource};
use ktap_render::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::feed::{Fed, Feed};
use crate::signals::StopRequests;
use crate::ui::Ui;
use crate::{blame, diagnose, losses};

/// Bytes of records the host lets the board have under way.
const CREDIT: u32 = 1 << 20;
/// How long the board may say nothing after it was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long missing names may hold up the last records.
const NAMES_TIMEOUT: Duration = Duration::from_secs(20);

/// What a run knows of its script.
pub struct Run<'a> {
    /// The script, for places of traps.
    pub source: &'a Source,
    /// Its map.
    pub debug: &'a DebugMap,
    /// The voice.
    pub ui: Ui,
    /// Ends the session after this time.
    pub timeout: Option<Duration>,
    /// Nothing is to run.
    pub dry_run: bool,
    /// Show losses as they happen and JSON lines of the run's own.
    pub json: bool,
}

/// Where a run is.
enum Phase {
    /// Probes are armed.
    Running,
    /// Told to stop; the board was last heard of then.
    Stopping(Instant),
    /// It ended; the last records wait for names.
    Ended(Ending, Instant),
}

impl Run<'_> {
    /// Runs the loaded program to its end and returns the exit code.
    ///
    /// # Errors
    /// A broken link, a refusal, a trap.
    pub fn execute(&self, client: &mut Client, feed: &mut Feed, stops: &StopRequests) -> Result<u8, Failure> {
        client.send(&HostMessage::Credit { bytes: CREDIT })?;
        client.send(&HostMessage::Start)?;
        let began = Instant::now();
        let mut armed_at = None;
        let mut phase = Phase::Running;
        let mut lost = LostCounters::default();
        loop {
            if let Some(message) = client.poll()? {
                if let Phase::Stopping(heard) = &mut phase {
                    *heard = Instant::now();
                }
                match message {
                    BoardMessage::Started { armed, .. } => {
                        self.started(&armed, began);
                        armed_at = Some(Instant::now());
                    }
                    BoardMessage::Records(batch) => feed.push(batch),
                    BoardMessage::Lost(now) => {
                        self.losses(&lost, &now);
                        lost = now;
                    }
                    BoardMessage::Answer { id, last, answer } => {
                        feed.names().answer(id, last, answer);
                    }
                    BoardMessage::Talk { source, bytes } => self.talk(source, &bytes),
                    BoardMessage::Refused(refusal) if matches!(phase, Phase::Running) => {
                        return Err(blame::show(refusal, self.source, self.debug, client, self.ui));
                    }
                    // A Stop that crossed the end of the session is refused, and that is well.
                    BoardMessage::Refused(_) => {}
                    BoardMessage::Ended(ending) => phase = Phase::Ended(ending, Instant::now()),
                    BoardMessage::Hello(_)
                    | BoardMessage::Loaded { .. }
                    | BoardMessage::Inserted(_)
                    | BoardMessage::Pong => {}
                }
            }
            let out_of_patience = matches!(&phase, Phase::Ended(_, since) if since.elapsed() > NAMES_TIMEOUT);
            match feed.render(client, out_of_patience)? {
                Fed::Going => {}
                Fed::Closed => {
                    feed.mute();
                    self.stop(client, &mut phase)?;
                }
                Fed::Error(error) => {
                    feed.mute();
                    client.send(&HostMessage::Stop)?;
                    self.ui.error(
                        &error.to_string(),
                        Some("the place is the printf whose format is made at run time"),
                    );
                    return Err(Failure::Trap);
                }
            }
            let consumed = feed.consumed();
            if consumed > 0 && !matches!(phase, Phase::Ended(..)) {
                client.send(&HostMessage::Credit { bytes: consumed })?;
            }
            if let Phase::Ended(ending, _) = &phase
                && !feed.is_waiting()
            {
                return self.ended(ending, &lost, feed);
            }
            self.obey(client, feed, stops, armed_at, &mut phase)?;
        }
    }

    /// Looks at signals and clocks.
    fn obey(
        &self,
        client: &mut Client,
        feed: &mut Feed,
        stops: &StopRequests,
        armed_at: Option<Instant>,
        phase: &mut Phase,
    ) -> Result<(), Failure> {
        let stops = stops.count();
        // Two may come at once.
        if stops > 0 && matches!(phase, Phase::Running) {
            self.ui.after_interrupt();
            self.stop(client, phase)?;
        }
        if stops == 2 {
            feed.mute();
        }
        if stops > 2 {
            client.send(&HostMessage::Abort)?;
            return Err(Failure::Session("left before the board had ended the session".into()));
        }
        // The time a user gives is for tracing; arming a thousand probes is not part of it.
        if let (Some(limit), Some(armed_at)) = (self.timeout, armed_at)
            && armed_at.elapsed() >= limit
        {
            self.stop(client, phase)?;
        }
        match phase {
            Phase::Stopping(heard) if heard.elapsed() > STOP_TIMEOUT => Err(Failure::Session(
                "the board was told to stop and has said nothing since".into(),
            )),
            _ => Ok(()),
        }
    }

    fn stop(&self, client: &mut Client, phase: &mut Phase) -> Result<(), Failure> {
        if matches!(phase, Phase::Running) {
            client.send(&HostMessage::Stop)?;
            *phase = Phase::Stopping(Instant::now());
        }
        Ok(())
    }

    fn started(&self, armed: &[ktap_link::message::Armed], began: Instant) {
        for probe in armed {
            let name = self
                .debug
                .probes
                .get(probe.probe as usize)
                .map_or("?", |(text, _)| text.as_str());
            self.ui.verbose(format!("armed `{name}`: {} events", probe.events));
        }
        self.ui
            .verbose(format!("running {} ms after Start", began.elapsed().as_millis()));
        if !armed.is_empty() && !self.json && !self.dry_run {
            self.ui.say("Tracing... Hit Ctrl-C to end.");
        }
    }

    fn talk(&self, source: TalkSource, bytes: &[u8]) {
        match source {
            TalkSource::CommandOut | TalkSource::CommandErr => self.ui.command(bytes),
            TalkSource::Agent => self
                .ui
                .verbose(format!("agent: {}", String::from_utf8_lossy(bytes).trim_end())),
        }
    }

    /// Says what was lost since the last report.
    fn losses(&self, before: &LostCounters, now: &LostCounters) {
        let total = |lost| {
            losses::list(lost, self.debug)
                .iter()
                .map(|loss| loss.count)
                .sum::<u64>()
        };
        let fresh = total(now).saturating_sub(total(before));
        if fresh > 0 {
            self.ui.verbose(format!("lost {fresh} more"));
        }
    }

    /// Says how it ended and returns the exit code.
    fn ended(&self, ending: &Ending, lost: &LostCounters, feed: &mut Feed) -> Result<u8, Failure> {
        self.ui.verbose(format!("{} events handled", ending.events));
        for loss in losses::list(lost, self.debug) {
            self.ui.warn(loss.text());
            if self.json {
                feed.json(&json::lost(loss.cause, loss.count, loss.probe.as_deref()));
            }
        }
        if let Some(status) = ending.command_status.filter(|&s| s != 0) {
            self.ui.say(format!("the command ended with status {status}"));
        }
        let (reason, result) = match ending.reason {
            EndReason::Trap {
                trap,
                function,
                pc,
                detail,
            } => {
                let message = match Trap::from_number(trap) {
                    Some(trap) => trap.message().replace("{}", &detail.to_string()),
                    None => format!("unknown trap {trap}"),
                };
                let span = self.debug.spans.get(pc as usize).copied().unwrap_or_default();
                let name = self.debug.functions.get(function as usize).map_or("", String::as_str);
                if self.json {
                    let (line, column) = self.source.line_column(span.start);
                    let place = format!("{}:{line}:{column}", self.source.name);
                    feed.json(&json::error(&message, Some(&place)));
                }
                self.ui
                    .rendered(&diagnose::render_error(self.source, span, &message, name, None));
                ("trap", Err(Failure::Trap))
            }
            EndReason::Exit => ("exit", Ok(ending.status as u8)),
            EndReason::DryRun => {
                self.ui.say("everything could be attached; nothing was run");
                ("dry run", Ok(0))
            }
            EndReason::Finished => ("finished", Ok(0)),
            EndReason::Stopped => ("stopped", Ok(0)),
            EndReason::Command => ("command", Ok(0)),
        };
        if self.json {
            let code = result.as_ref().map_or_else(Failure::exit_code, |code| *code);
            feed.json(&json::ended(reason, code.into()));
        }
        result
    }
}
