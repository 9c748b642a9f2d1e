//! The host's end of a session: a link with the protocol on it.
//!
//! In: messages to send, a link. Out: messages of the board. Invariant: what the far side says outside the protocol (console noise,
//! ssh's own words) reaches the user, and nothing waits for ever.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ktap_bytecode::version;
use ktap_link::MessageError;
use ktap_link::message::{Answer, BoardHello, BoardMessage, HostMessage, Question};
use ktap_link::session::{Received, Session};
use ktap_transport::{Link, LinkError};

use crate::failure::Failure;
use crate::ui::Ui;

/// How long a board may take to say Hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a board may be silent before it is asked whether it is there: a link that is cut tells nobody.
const SILENCE: Duration = Duration::from_secs(4);
/// How long one wait for bytes is, at most: signals are looked at in between.
const POLL: Duration = Duration::from_millis(50);

/// A session with an agent.
pub struct Client {
    link: Box<dyn Link>,
    session: Session,
    epoch: Instant,
    inbox: VecDeque<BoardMessage>,
    ui: Ui,
    next_question: u32,
    /// When the board was last heard, or asked.
    heard: Instant,
    /// Who is at the far end.
    pub board: BoardHello,
    /// Bytes written to the link and read from it.
    pub traffic: (u64, u64),
}

impl Client {
    /// Says Hello over a link and waits for the board's.
    ///
    /// # Errors
    /// A silent board, a broken link, another version.
    pub fn connect(link: Box<dyn Link>, ui: Ui) -> Result<Client, Failure> {
        let mut client = Client {
            link,
            session: Session::host(nonce()),
            epoch: Instant::now(),
            inbox: VecDeque::new(),
            ui,
            next_question: 1,
            heard: Instant::now(),
            board: BoardHello::default(),
            traffic: (0, 0),
        };
        client.send(&HostMessage::Hello {
            major: version::MAJOR,
            minor: version::MINOR,
        })?;
        match client.wait(HELLO_TIMEOUT)? {
            Some(BoardMessage::Hello(hello)) => client.board = hello,
            Some(BoardMessage::Refused(refusal)) => return Err(Failure::Refused(refusal)),
            Some(other) => {
                return Err(Failure::Session(format!(
                    "the board spoke before it said hello: {other:?}"
                )));
            }
            None => {
                let on = client.link.describe();
                return Err(Failure::Session(format!("no agent answers over {on}")));
            }
        }
        let (major, minor) = (client.board.major, client.board.minor);
        if version::compatible(major, minor).is_none() {
            return Err(other_version(major, minor));
        }
        Ok(client)
    }

    /// Queues a message and sends what the window allows.
    ///
    /// # Errors
    /// A broken link or session.
    pub fn send(&mut self, message: &HostMessage) -> Result<(), Failure> {
        let bytes = message.to_bytes();
        self.session.send(&bytes).map_err(|e| Failure::Session(e.to_string()))?;
        self.flush()
    }

    /// Returns the next message, waiting at most about `POLL`.
    ///
    /// # Errors
    /// A broken link or session.
    pub fn poll(&mut self) -> Result<Option<BoardMessage>, Failure> {
        if let Some(message) = self.inbox.pop_front() {
            return Ok(Some(message));
        }
        if self.heard.elapsed() > SILENCE && self.session.unacknowledged() == 0 {
            self.heard = Instant::now();
            self.send(&HostMessage::Ping)?;
        }
        self.pump(POLL)?;
        Ok(self.inbox.pop_front())
    }

    /// Returns the next message, waiting at most `timeout`.
    ///
    /// # Errors
    /// A broken link or session.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<BoardMessage>, Failure> {
        let until = Instant::now() + timeout;
        loop {
            if let Some(message) = self.poll()? {
                return Ok(Some(message));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Asks without waiting; the answer comes as `Answer` messages with the id returned.
    ///
    /// # Errors
    /// A broken link or session.
    pub fn ask_later(&mut self, question: Question) -> Result<u32, Failure> {
        let id = self.next_question;
        self.next_question += 1;
        self.send(&HostMessage::Ask { id, question })?;
        Ok(id)
    }

    /// Asks and waits for the whole answer. Messages of other kinds stay in the inbox.
    ///
    /// # Errors
    /// A broken link or session, or no answer in time.
    pub fn ask(&mut self, question: Question) -> Result<Vec<Answer>, Failure> {
        let asked = self.ask_later(question)?;
        let mut until = Instant::now() + ANSWER_TIMEOUT;
        let mut parts = Vec::new();
        let mut others = VecDeque::new();
        while Instant::now() < until {
            match self.poll()? {
                Some(BoardMessage::Answer { id, last, answer }) if id == asked => {
                    parts.push(answer);
                    // A large file over a slow line takes long, but it goes on.
                    until = Instant::now() + ANSWER_TIMEOUT;
                    if last {
                        others.append(&mut self.inbox);
                        self.inbox = others;
                        return Ok(parts);
                    }
                }
                Some(other) => others.push_back(other),
                None => {}
            }
        }
        Err(Failure::Session("the board did not answer a question in time".into()))
    }

    /// Asks for text and joins its parts.
    ///
    /// # Errors
    /// As [`Client::ask`]; a refusal; text that cannot be unpacked.
    pub fn ask_text(&mut self, question: Question) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        for part in self.ask(question)? {
            append_text(part, &mut text)?;
        }
        Ok(text)
    }

    /// Returns what the link is.
    pub fn describe(&self) -> String {
        self.link.describe()
    }

    /// Leaves: says Bye and gives the board a moment to take it.
    pub fn leave(mut self) {
        // Whatever fails here, dropping the link ends the agent too.
        if self.send(&HostMessage::Bye).is_ok() {
            let until = Instant::now() + Duration::from_millis(300);
            while self.session.unacknowledged() > 0 && Instant::now() < until && self.pump(POLL).is_ok() {}
        }
    }

    /// Moves bytes both ways, waiting at most `timeout` for some to arrive.
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        self.flush()?;
        let now = self.now_ms();
        let until_deadline = self
            .session
            .deadline()
            .map(|at| Duration::from_millis(at.saturating_sub(now)));
        let wait = until_deadline.map_or(timeout, |d| d.min(timeout));
        let mut bytes = Vec::new();
        let read = self.link.read(&mut bytes, wait);
        let talk = self.link.talk();
        if !talk.is_empty() {
            self.ui.pass_through(&talk);
        }
        match read {
            Ok(_) => {}
            // What was received before the link closed still counts.
            Err(LinkError::Closed(why)) if bytes.is_empty() => return Err(LinkError::Closed(why).into()),
            Err(LinkError::Closed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.traffic.1 += bytes.len() as u64;
        if !bytes.is_empty() {
            self.heard = Instant::now();
        }
        let now = self.now_ms();
        self.session.receive(&bytes, now);
        while let Some(received) = self.session.next_received() {
            match received {
                Received::Message(message) => match BoardMessage::from_bytes(&message) {
                    Ok(message) => self.inbox.push_back(message),
                    Err(MessageError::Version(major, minor)) => return Err(other_version(major, minor)),
                    Err(_) => return Err(Failure::Session("the board sent something that is no message".into())),
                },
                Received::Noise(noise) => self.ui.pass_through(&noise),
            }
        }
        self.flush()?;
        if let Some(error) = self.session.broken()
            && self.inbox.is_empty()
        {
            return Err(Failure::Session(format!("{}: {error}", self.link.describe())));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let mut out = Vec::new();
        let now = self.now_ms();
        self.session.transmit(now, &mut out);
        if !out.is_empty() {
            self.traffic.0 += out.len() as u64;
            self.link.write(&out)?;
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }
}

fn other_version(major: u8, minor: u8) -> Failure {
    Failure::Mismatch(format!(
        "the agent on the board speaks version {major}.{minor}, this ktap-host {}.{}: {}",
        version::MAJOR,
        version::MINOR,
        "let ktap-host upload its own agent, or install the one of this release",
    ))
}

/// Appends a part of a text answer.
///
/// # Errors
/// A refusal, another kind of answer, or bytes that cannot be unpacked.
pub fn append_text(part: Answer, text: &mut Vec<u8>) -> Result<(), Failure> {
    match part {
        Answer::Text(packed) => {
            let bytes = packed
                .unpack(ktap_link::message::MAX_MESSAGE)
                .map_err(|_| Failure::Session("the board sent an answer that cannot be unpacked".into()))?;
            text.extend_from_slice(&bytes);
            Ok(())
        }
        Answer::Refused(refusal) => Err(Failure::Refused(refusal)),
        Answer::Abilities(_) => Err(Failure::Session("the board answered another question".into())),
    }
}

/// Returns a number that tells this session from an earlier one on the same line.
fn nonce() -> u32 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    now.subsec_nanos() ^ (now.as_secs() as u32).rotate_left(16) ^ std::process::id()
}
