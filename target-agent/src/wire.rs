//! The agent's end of a link: a session over a port.
//!
//! In: messages to send, descriptors to watch meanwhile. Out: messages received. Invariant: this is the only place that waits.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ktap_link::MessageError;
use ktap_link::message::{BoardMessage, HostMessage, RefusalCode, Stage};
use ktap_link::session::{Received, Session};

use crate::engine::outbox::Outbox;
use crate::port::Port;
use crate::refusal::refuse;
use crate::sys::poll::{self, POLLERR, POLLHUP, POLLIN, POLLOUT, PollFd};
use crate::sys::signal::Signals;
use crate::sys::{Errno, time};

/// Bytes in flight above which no more records are queued: what a slow line may hold back when a Stop comes.
const CONGESTED: usize = 128 << 10;
/// Silence of the host, in ms, after which it is asked for a sign of life.
const SILENCE_MS: u64 = 10_000;

/// Why there is nobody to talk to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The port is closed.
    Closed,
    /// The peer does not answer.
    Silent,
    /// The agent was told to end by a signal.
    Signalled,
}

/// A session over a port.
pub struct Wire<'s> {
    port: Box<dyn Port>,
    signals: &'s Signals,
    session: Session,
    out: Vec<u8>,
    back: Option<HostMessage>,
    credit: i64,
    heard_ms: u64,
    child_ended: bool,
    gone: Option<Gone>,
}

impl<'s> Wire<'s> {
    /// Makes the agent's end over a port.
    pub fn new(port: Box<dyn Port>, signals: &'s Signals) -> Wire<'s> {
        let session = Session::board();
        Wire {
            port,
            signals,
            session,
            out: Vec::new(),
            back: None,
            credit: 0,
            heard_ms: now_ms(),
            child_ended: false,
            gone: None,
        }
    }

    /// Queues a message.
    pub fn send(&mut self, message: &BoardMessage) {
        // Too long is impossible by construction, and a broken session shows at the next step.
        let _ = self.session.send(&message.to_bytes());
    }

    /// Returns the next message, if one is here. Bytes that are no message are answered with a refusal.
    pub fn next_message(&mut self) -> Option<HostMessage> {
        if let Some(message) = self.back.take() {
            return Some(message);
        }
        loop {
            match self.session.next_received()? {
                Received::Noise(_) => {}
                Received::Message(bytes) => match HostMessage::from_bytes(&bytes) {
                    Ok(message) => return Some(message),
                    // A host of another version is greeted as any other, so that it can say which version is wrong.
                    Err(MessageError::Version(major, minor)) => return Some(HostMessage::Hello { major, minor }),
                    Err(_) => {
                        let refusal = refuse(Stage::Message, RefusalCode::Malformed, bytes.len() as i64, "");
                        self.send(&BoardMessage::Refused(refusal));
                    }
                },
            }
        }
    }

    /// Gives a message back, to be the next one again.
    pub fn unread(&mut self, message: HostMessage) {
        self.back = Some(message);
    }

    /// Forgets a host's credit.
    pub fn reset_credit(&mut self) {
        self.credit = 0;
    }

    /// Adds to the bytes of records the host can take.
    pub fn add_credit(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(bytes as i64);
    }

    /// Sends records as far as credit and the line allow.
    pub fn send_records(&mut self, outbox: &mut Outbox) {
        while self.credit > 0 && self.session.unacknowledged() < CONGESTED {
            let Some(batch) = outbox.pop() else { return };
            self.credit -= batch.len() as i64;
            self.send(&BoardMessage::Records(batch));
        }
    }

    /// Returns true once if a child has ended.
    pub fn take_child_ended(&mut self) -> bool {
        core::mem::take(&mut self.child_ended)
    }

    /// Asks for a sign of life if the host has been silent for long: the answer is an acknowledgement, or the session breaks.
    pub fn probe_silence(&mut self) {
        let now = now_ms();
        if now.saturating_sub(self.heard_ms) > SILENCE_MS {
            self.heard_ms = now;
            self.send(&BoardMessage::Pong);
        }
    }

    /// Sends what is due and waits for the port, a signal, one of `others` or the time.
    ///
    /// # Errors
    /// Nobody is there any more; then that is so for ever.
    pub fn step(&mut self, others: &[PollFd], timeout_ns: Option<u64>) -> Result<(), Gone> {
        if let Some(gone) = self.gone {
            return Err(gone);
        }
        self.exchange(others, timeout_ns)
            .inspect_err(|gone| self.gone = Some(*gone))
    }

    fn exchange(&mut self, others: &[PollFd], timeout_ns: Option<u64>) -> Result<(), Gone> {
        self.push()?;
        let mut fds: Vec<PollFd> = Vec::with_capacity(others.len() + 3);
        fds.push(PollFd::new(self.signals.raw(), POLLIN));
        fds.push(PollFd::new(self.port.input(), POLLIN));
        let writing = if self.out.is_empty() { 0 } else { POLLOUT };
        fds.push(PollFd::new(self.port.output(), writing));
        fds.extend_from_slice(others);
        let timeout = if self.back.is_some() {
            Some(0)
        } else {
            self.timeout(timeout_ns)
        };
        // Only a signal can interrupt it, and those are blocked; anything else is as good as "nothing came".
        let _ = poll::wait(&mut fds, timeout);
        if fds[0].revents != 0 {
            let arrived = self.signals.take();
            self.child_ended |= arrived.child;
            if arrived.end {
                return Err(Gone::Signalled);
            }
        }
        if fds[1].revents != 0 {
            self.pull()?;
        }
        if writing != 0 && fds[2].revents & (POLLERR | POLLHUP) != 0 {
            return Err(Gone::Closed);
        }
        self.push()
    }

    /// Sends all that is queued, for as long as the peer takes it.
    ///
    /// # Errors
    /// Nobody is there any more.
    pub fn settle(&mut self, most: usize) -> Result<(), Gone> {
        self.push()?;
        while self.session.unacknowledged() > most || !self.out.is_empty() {
            self.step(&[], None)?;
        }
        Ok(())
    }

    fn timeout(&self, wanted_ns: Option<u64>) -> Option<u64> {
        let due = self
            .session
            .deadline()
            .map(|at| at.saturating_sub(now_ms()).saturating_mul(1_000_000));
        match (due, wanted_ns) {
            (Some(due), Some(wanted)) => Some(due.min(wanted)),
            (due, wanted) => due.or(wanted),
        }
    }

    fn pull(&mut self) -> Result<(), Gone> {
        let mut buf = [0u8; 4096];
        match self.port.read(&mut buf) {
            Ok(0) => Err(Gone::Closed),
            Ok(got) => {
                let now = now_ms();
                self.heard_ms = now;
                self.session.receive(&buf[..got], now);
                Ok(())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(_) => Err(Gone::Closed),
        }
    }

    fn push(&mut self) -> Result<(), Gone> {
        // What a line has not taken yet need not grow: frames stay in the session until there is room.
        if self.out.len() < 16 << 10 {
            self.session.transmit(now_ms(), &mut self.out);
        }
        if self.session.broken().is_some() {
            return Err(Gone::Silent);
        }
        while !self.out.is_empty() {
            let mut ready = [PollFd::new(self.port.output(), POLLOUT)];
            if poll::wait(&mut ready, Some(0)) != Ok(1) || ready[0].revents & POLLOUT == 0 {
                break;
            }
            match self.port.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(Errno::EAGAIN | Errno::EINTR) => break,
                Err(_) => return Err(Gone::Closed),
            }
        }
        Ok(())
    }
}

fn now_ms() -> u64 {
    time::monotonic_ns() / 1_000_000
}
