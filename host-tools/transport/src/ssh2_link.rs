//! A board over the ssh2 library, in this process.
//!
//! In: host, port, user, key. Out: a [`Link`] to the agent. Invariant: libssh2 sends one packet at a time and takes no other
//! call that sends until a packet that did not fit into the socket has gone out: no function here returns before it has.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::sockopt;
use ssh2::{BlockDirections, Channel, ErrorCode, HashType, MethodType, Session};

use crate::known_hosts::{TrustedKeys, Verdict, base64, kind_of, known_name};
use crate::{Link, LinkError, OpenOptions, STALL, SshSpec, ssh2_auth, upload};

/// How long a board may be silent on the TCP level before it counts as gone.
const DEAD_AFTER: Duration = Duration::from_secs(15);
/// How long the agent may take to end after its input closed.
const GRACE: Duration = Duration::from_millis(1500);
/// How long each last word to the server may take, milliseconds.
const FAREWELL_MS: u32 = 300;
/// One wait for the socket while a packet has to go out.
const STEP: Duration = Duration::from_secs(1);
/// libssh2.h: LIBSSH2_ERROR_TIMEOUT.
const TIMEOUT: i32 = -9;
/// How much talk is kept if nobody asks for it, bytes.
const TALK_LIMIT: usize = 64 * 1024;

/// An ssh session whose one channel is the agent.
struct Ssh2Link {
    session: Session,
    channel: Channel,
    /// The session's socket, to wait on.
    socket: TcpStream,
    place: String,
    received: Vec<u8>,
    talk: Vec<u8>,
    /// The far end has said all.
    ended: bool,
}

/// Connects, checks the host, authenticates, uploads the agent if need be and starts it.
pub(crate) fn open(spec: &SshSpec, options: OpenOptions<'_>) -> Result<Box<dyn Link>, LinkError> {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let user = spec
        .user
        .clone()
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "root".to_owned());
    let socket = connect(spec)?;
    let fail = |error: ssh2::Error| setup_error(spec, &error);
    let mut session = Session::new().map_err(fail)?;
    session.set_tcp_stream(socket.try_clone().map_err(|error| lost_socket(spec, &error))?);
    session.set_timeout(spec.connect_timeout.as_millis().try_into().unwrap_or(u32::MAX));
    let keys = TrustedKeys::read(spec.known_hosts.as_deref(), &home);
    let name = known_name(&spec.host, spec.port.unwrap_or(22));
    if let Some(methods) = keys.methods(&session, &name) {
        session.method_pref(MethodType::HostKey, &methods).map_err(fail)?;
    }
    session.handshake().map_err(fail)?;
    check_host(&session, spec, &keys, &name, options.trust_new_host)?;
    ssh2_auth::authenticate(&session, &user, spec, &home, options.password)?;
    let mut channel = session.channel_session().map_err(fail)?;
    channel
        .exec(&upload::command(options.agents, options.keep_agent))
        .map_err(fail)?;
    session.set_blocking(false);
    let place = format!("{user}@{}", spec.place());
    let mut link = Ssh2Link {
        session,
        channel,
        socket,
        place: place.clone(),
        received: Vec::new(),
        talk: Vec::new(),
        ended: false,
    };
    let mut started = upload::start_agent(&mut link, &place, options.agents, upload::PATIENCE)?;
    // What came with the last line is before what came after it.
    started.rest.append(&mut link.received);
    link.received = started.rest;
    link.talk.extend(started.chatter);
    Ok(Box::new(link))
}

/// Connects to the first address of the host that answers.
fn connect(spec: &SshSpec) -> Result<TcpStream, LinkError> {
    let no_host = |words: String| LinkError::NoSuchHost {
        host: spec.host.clone(),
        words,
    };
    let addresses = (spec.host.as_str(), spec.port.unwrap_or(22))
        .to_socket_addrs()
        .map_err(|error| no_host(error.to_string()))?;
    let mut result = Err(no_host("it has no address".to_owned()));
    for address in addresses {
        match TcpStream::connect_timeout(&address, spec.connect_timeout) {
            Ok(socket) => {
                tune(&socket).map_err(|error| lost_socket(spec, &error))?;
                return Ok(socket);
            }
            Err(error) => result = Err(lost_socket(spec, &error)),
        }
    }
    result
}

/// Sends small packets at once and notices a board that is gone.
fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // The kernel's own keepalive: one of libssh2 could be half sent when the socket is full.
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, DEAD_AFTER / 3)?;
    sockopt::set_tcp_keepintvl(socket, DEAD_AFTER / 3)?;
    sockopt::set_tcp_keepcnt(socket, 2)?;
    sockopt::set_tcp_user_timeout(socket, u32::try_from(DEAD_AFTER.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

/// Refuses a host whose key is not the known one.
fn check_host(
    session: &Session,
    spec: &SshSpec,
    keys: &TrustedKeys,
    name: &str,
    trust_new_host: bool,
) -> Result<(), LinkError> {
    let (place, known_hosts) = (spec.place(), keys.file.display().to_string());
    let Some((key, _)) = session.host_key() else {
        return Err(LinkError::Connect {
            place,
            words: "it shows no host key".to_owned(),
        });
    };
    let hash = session.host_key_hash(HashType::Sha256).unwrap_or_default();
    let words = format!("{} SHA256:{}", kind_of(key), base64(hash).trim_end_matches('='));
    match keys.check(session, name, key) {
        Verdict::Known => Ok(()),
        Verdict::Unknown if trust_new_host => keys.add(name, key).map_err(|error| LinkError::Connect {
            place,
            words: format!("its key cannot be added to {known_hosts}: {error}"),
        }),
        Verdict::Unknown => Err(LinkError::HostKeyUnknown {
            place,
            known_hosts,
            words,
        }),
        Verdict::Changed => Err(LinkError::HostKeyChanged {
            place,
            known_hosts,
            words,
        }),
    }
}

/// What a socket's error means before the link stands.
fn lost_socket(spec: &SshSpec, error: &io::Error) -> LinkError {
    let (place, words) = (spec.place(), error.to_string());
    match error.kind() {
        io::ErrorKind::ConnectionRefused => LinkError::ConnectionRefused { place, words },
        io::ErrorKind::TimedOut => LinkError::NoAnswer {
            place,
            after: spec.connect_timeout,
            words,
        },
        _ => LinkError::Connect { place, words },
    }
}

/// What the library's error means before the link stands.
fn setup_error(spec: &SshSpec, error: &ssh2::Error) -> LinkError {
    let (place, words) = (spec.place(), error.message().to_owned());
    match error.code() {
        ErrorCode::Session(TIMEOUT) => LinkError::NoAnswer {
            place,
            after: spec.connect_timeout,
            words,
        },
        _ => LinkError::Connect { place, words },
    }
}

impl Ssh2Link {
    /// Takes all that has come, on both streams, and sends what the library owes for it (more window).
    fn pump(&mut self) -> Result<(), LinkError> {
        loop {
            let result = drain(&mut self.channel, 0, &mut self.received)
                .and_then(|()| drain(&mut self.channel, ssh2::EXTENDED_DATA_STDERR, &mut self.talk));
            let excess = self.talk.len().saturating_sub(TALK_LIMIT);
            self.talk.drain(..excess);
            self.ended = self.channel.eof();
            result.map_err(|error| self.broken(&error))?;
            if !self.is_sending() {
                return Ok(());
            }
            self.wait(PollFlags::OUT, STEP)?;
        }
    }

    /// Returns whether a packet is half sent.
    fn is_sending(&self) -> bool {
        matches!(
            self.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        )
    }

    /// Waits for the socket; false if a signal came.
    fn wait(&self, flags: PollFlags, timeout: Duration) -> Result<bool, LinkError> {
        let timeout = Timespec::try_from(timeout).map_err(|error| self.broken(&io::Error::other(error)))?;
        match rustix::event::poll(&mut [PollFd::new(&self.socket, flags)], Some(&timeout)) {
            Ok(_) => Ok(true),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(self.broken(&error.into())),
        }
    }

    /// The connection broke.
    fn broken(&self, error: &io::Error) -> LinkError {
        LinkError::Closed(format!(": the connection to {} broke: {error}", self.place))
    }

    /// The agent ended; says how.
    fn closed(&mut self) -> LinkError {
        // How it ended comes behind the end of its output; until then the library says 0.
        self.session.set_timeout(FAREWELL_MS);
        self.session.set_blocking(true);
        let told = self.channel.wait_close().is_ok();
        self.session.set_blocking(false);
        let signal = self.channel.exit_signal().ok().and_then(|end| end.exit_signal);
        let mut why = match (signal, self.channel.exit_status()) {
            (Some(signal), _) => format!(": the agent on {} was killed by signal {signal}", self.place),
            (None, Ok(status)) if told => format!(": the agent on {} ended (exit status: {status})", self.place),
            (None, _) => format!(": the agent on {} ended", self.place),
        };
        let words = String::from_utf8_lossy(&self.talk);
        if !words.trim().is_empty() {
            why += &format!(": {}", words.trim().replace('\n', "; "));
        }
        LinkError::Closed(why)
    }

    /// Says the end to the agent and the server; an error is the end as well.
    fn leave(&mut self) -> Result<(), LinkError> {
        let say = |error: ssh2::Error| LinkError::Closed(error.to_string());
        self.session.set_timeout(FAREWELL_MS);
        self.session.set_blocking(true);
        self.channel.send_eof().map_err(say)?;
        self.session.set_blocking(false);
        let deadline = Instant::now() + GRACE;
        while !self.ended && Instant::now() < deadline {
            self.pump()?;
            self.received.clear();
            if !self.ended {
                self.wait(PollFlags::IN, deadline.saturating_duration_since(Instant::now()))?;
            }
        }
        self.session.set_blocking(true);
        self.channel.close().map_err(say)?;
        self.session.disconnect(None, "done", None).map_err(say)
    }
}

/// Reads what a stream of the channel holds now.
fn drain(channel: &mut Channel, stream: i32, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 32 * 1024];
    // Bounded, so that a board that never stops talking cannot hold the caller here.
    for _ in 0..64 {
        match channel.stream(stream).read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Link for Ssh2Link {
    fn read(&mut self, out: &mut Vec<u8>, timeout: Duration) -> Result<usize, LinkError> {
        let deadline = Instant::now() + timeout;
        loop {
            // Bytes that came before the connection broke are still the agent's.
            let pumped = if self.received.is_empty() { self.pump() } else { Ok(()) };
            if !self.received.is_empty() {
                let count = self.received.len();
                out.append(&mut self.received);
                return Ok(count);
            }
            pumped?;
            if self.ended {
                return Err(self.closed());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.wait(PollFlags::IN, left)? {
                return Ok(0);
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), LinkError> {
        let mut deadline = Instant::now() + STALL;
        while !bytes.is_empty() {
            if Instant::now() > deadline {
                return Err(LinkError::Closed(format!(": {} takes no more bytes", self.place)));
            }
            match self.channel.write(bytes) {
                Ok(count) if count > 0 => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    deadline = Instant::now() + STALL;
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(self.broken(&error)),
                // The socket is full: the same bytes must be offered again, before anything else is asked of the library.
                _ if self.is_sending() => {
                    self.wait(PollFlags::OUT, STEP)?;
                }
                // The far side's window is full, perhaps because it waits for us to take what it sends.
                _ => {
                    let before = self.received.len();
                    self.pump()?;
                    if self.ended {
                        return Err(self.closed());
                    }
                    // What came may have been the very window: then nothing more would wake a wait.
                    if self.received.len() == before && self.channel.write_window().remaining == 0 {
                        self.wait(PollFlags::IN, STEP)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn talk(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.talk)
    }

    fn describe(&self) -> String {
        format!("ssh {} (ssh2)", self.place)
    }
}

impl Drop for Ssh2Link {
    fn drop(&mut self) {
        // Nobody is left to hear of an error.
        let _ = self.leave();
        // Whatever could not be said is not waited for when the library frees the session.
        self.session.set_timeout(FAREWELL_MS);
        self.session.set_blocking(true);
    }
}
