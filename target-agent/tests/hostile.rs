//! The built agent against a host that means it ill.
//!
//! In: `KTAP_HOSTILE_SECONDS` (3), `KTAP_HOSTILE_SEED`, `KTAP_AGENT` (else the agent of `cargo xtask build`). Out: rounds of attacks,
//! each a function of the seed and its number. Invariant: after every round the agent greets a new host, has nothing attached and
//! little memory; it ends only when told to leave, and then with status 0.

// Where a failure can be seen again is told on stdout.
#![allow(clippy::print_stdout)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ktap_bytecode::limits::Limits;
use ktap_bytecode::version::{MAJOR, MINOR};
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::source::Source;
use ktap_link::frame::{self, Header, Kind, MAX_PAYLOAD};
use ktap_link::message::{BoardMessage, EngineChoice, HostMessage, Packed, Question, RunOptions};
use ktap_link::session::{Received, Session};

/// Longest wait for any answer; a longer one is a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most memory an agent may have resident, KiB.
const MEMORY_KIB: u64 = 64 << 10;

/// Scripts whose images are mutated. None takes many events: what a mutation attaches stays within sight.
const SCRIPTS: &[&str] = &[
    "print('hi', 1) exit(3)",
    "var n = 0 trace syscalls:sys_enter_getppid { n += 1 } trace_end { print(n) }",
    "var t = {} trace sched:sched_process_* { t[execname] += 1 } tick-10ms { print_hist(t) } trace_end { print(len(t)) }",
    "var s = '' for (i = 1, 200, 1) { s = s .. i } print(s)",
    "var t = {} for (i = 1, 5000, 1) { t[i] = i .. 'x' } printf('%d %s\\n', len(t), t[7])",
    "function f(n) { if (n == 0) { return 0 } return 1 + f(n - 1) } print(f(150))",
    "profile-10ms { print(cpu, pid, uid) } tick-20ms { exit() }",
    "while (true) { }",
];

/// A generator of numbers: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.roll() as u8).collect()
    }

    /// A number that is often at an edge.
    fn number(&mut self) -> u32 {
        match self.below(4) {
            0 => *self.pick(&[0, 1, 2, 255, 1 << 16, 1 << 20, i32::MAX as u32, 1 << 31, u32::MAX]),
            1 => self.below(300) as u32,
            2 => self.below(1 << 24) as u32,
            _ => self.roll() as u32,
        }
    }

    /// Flips, cuts, doubles and inserts.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.roll() as u8),
                2 => {
                    let tail = bytes[at..].to_vec();
                    bytes.extend(tail);
                }
                3 if !bytes.is_empty() => drop(bytes.remove(at)),
                _ if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
    }
}

struct Prey {
    child: Child,
    stdin: ChildStdin,
    bytes: Receiver<Vec<u8>>,
    start: Instant,
}

impl Prey {
    fn start() -> Prey {
        let path = agent();
        assert!(
            path.exists(),
            "there is no agent at {}: run `cargo xtask build` first, or name one by KTAP_AGENT",
            path.display()
        );
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buf = [0; 65536];
            while let Ok(got @ 1..) = stdout.read(&mut buf) {
                if sender.send(buf[..got].to_vec()).is_err() {
                    return;
                }
            }
        });
        let start = Instant::now();
        Prey {
            child,
            stdin,
            bytes,
            start,
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Writes what the agent takes; one that does not take it is killed by the watchdog, which shows.
    fn write(&mut self, bytes: &[u8]) {
        let (done, watched) = channel::<()>();
        let id = self.child.id().to_string();
        let watchdog = std::thread::spawn(move || {
            if watched.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        // An agent that was told to leave takes no more; any other reason shows in `greet`.
        let _ = self.stdin.write_all(bytes);
        drop(done);
        watchdog.join().expect("the watchdog");
    }

    fn flush(&mut self, session: &mut Session) {
        let mut out = Vec::new();
        session.transmit(self.now(), &mut out);
        if !out.is_empty() {
            self.write(&out);
        }
    }

    /// Takes what the agent says for a while, and answers as a host would.
    fn listen(&mut self, session: &mut Session, ms: u64) {
        let until = self.now() + ms;
        while let Ok(bytes) = self
            .bytes
            .recv_timeout(Duration::from_millis(until.saturating_sub(self.now())))
        {
            session.receive(&bytes, self.now());
            while session.next_received().is_some() {}
            self.flush(session);
        }
    }

    /// Opens a new session, drops what runs and waits for the last word; false if the agent has left as it was told.
    fn greet(&mut self, nonce: u32) -> bool {
        // What an earlier round left half said must not swallow the first frame.
        self.write(&[0, 0]);
        let mut session = Session::host(nonce);
        let hello = HostMessage::Hello {
            major: MAJOR,
            minor: MINOR,
        };
        let mut greeted = false;
        for message in [hello, HostMessage::Abort, HostMessage::Ping] {
            session.send(&message.to_bytes()).expect("a whole session");
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.flush(&mut session);
            match self.bytes.recv_timeout(Duration::from_millis(20)) {
                Ok(bytes) => session.receive(&bytes, self.now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().expect("a status");
                    assert_eq!(status.code(), Some(0), "the agent ended: {status}");
                    return false;
                }
            }
            while let Some(received) = session.next_received() {
                let Received::Message(bytes) = received else { continue };
                match BoardMessage::from_bytes(&bytes).expect("a message") {
                    BoardMessage::Hello(_) => greeted = true,
                    BoardMessage::Pong if greeted => return true,
                    _ => {}
                }
            }
            assert_eq!(session.broken(), None);
        }
        let _ = self.child.kill();
        panic!("the agent hangs (greeted: {greeted})");
    }

    /// Looks at what the kernel says of the agent.
    fn inspect(&self) {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status")).expect("a living agent");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .map_or(0, |text| text.trim().trim_end_matches(" kB").parse().expect("a number"));
        assert!(kib < MEMORY_KIB, "the agent holds {kib} KiB");
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let links = std::fs::read_dir(proc.join("fd")).expect("a living agent").flatten();
            let open = links.filter_map(|entry| std::fs::read_link(entry.path()).ok());
            let left = open
                .filter(|link| link.to_string_lossy().contains("perf_event"))
                .count();
            if left == 0 {
                return;
            }
            assert!(Instant::now() < until, "{left} perf events are still open");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn agent() -> PathBuf {
    std::env::var_os("KTAP_AGENT").map_or_else(
        || {
            let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/agents"));
            target.join(std::env::consts::ARCH).join("ktap-agent")
        },
        PathBuf::from,
    )
}

fn images() -> Vec<Vec<u8>> {
    let image = |text: &&str| {
        let (program, diagnostics) = compile(&Source::new("hostile", *text), &CompileOptions::default());
        program
            .unwrap_or_else(|| panic!("{text}: {diagnostics:?}"))
            .image
            .to_bytes()
    };
    SCRIPTS.iter().map(image).collect()
}

fn options(dice: &mut Dice) -> RunOptions {
    let mut limits = Limits::default();
    if dice.below(2) == 0 {
        limits = Limits {
            memory: dice.number(),
            loops: dice.number(),
            fuel: dice.number(),
            stack_slots: dice.number(),
            call_depth: dice.number(),
            scratch: dice.number(),
        };
    }
    let maybe = |dice: &mut Dice| (dice.below(4) == 0).then(|| dice.number());
    let command = match dice.below(8) {
        0 => vec!["/bin/true".to_owned()],
        1 => vec!["/nonexistent".to_owned(), "x".repeat(dice.below(3000))],
        2 => vec![String::new(); dice.below(3000)],
        _ => Vec::new(),
    };
    RunOptions {
        engine: *dice.pick(&[EngineChoice::Auto, EngineChoice::User, EngineChoice::Kmod]),
        limits,
        pid: maybe(dice),
        cpu: maybe(dice),
        command,
        include_self: dice.below(4) == 0,
        allow_unsafe: false,
        ring_pages: maybe(dice).unwrap_or(0),
        dry_run: dice.below(8) == 0,
    }
}

fn load(dice: &mut Dice, images: &[Vec<u8>]) -> HostMessage {
    let mut image = dice.pick(images).clone();
    match dice.below(8) {
        0 => image = dice.bytes(2000),
        1..=5 => dice.damage(&mut image),
        _ => {}
    }
    let mut image = Packed::pack(&image);
    match dice.below(10) {
        0 => image.raw_len = dice.number(),
        1 => dice.damage(&mut image.bytes),
        _ => {}
    }
    HostMessage::Load {
        image,
        options: options(dice),
    }
}

fn question(dice: &mut Dice) -> Question {
    let glob = |dice: &mut Dice| {
        let stars = "*?[".repeat(dice.below(200));
        (*dice.pick(&["*", "sched:*", "[", "*a*a*a*a*a*a*a*a*b", "", &stars])).to_owned()
    };
    match dice.below(6) {
        0 => Question::Events { glob: glob(dice) },
        1 => Question::Format { id: dice.roll() as u16 },
        2 => Question::FormatOf {
            name: (*dice.pick(&["sched:sched_switch", "../..:/", ":", "a", "\0:\0"])).to_owned(),
        },
        3 => Question::Abilities,
        4 => Question::Kallsyms,
        _ => Question::File {
            path: (*dice.pick(&[
                "/proc/version",
                "/dev/zero",
                "/dev/ptmx",
                "/proc/self/mem",
                "/",
                "",
                "\0",
            ]))
            .to_owned(),
            limit: dice.number(),
        },
    }
}

fn message(dice: &mut Dice, images: &[Vec<u8>]) -> HostMessage {
    match dice.below(20) {
        0..=4 => load(dice, images),
        5..=8 => HostMessage::Start,
        9 => HostMessage::Stop,
        10 => HostMessage::Abort,
        11..=12 => HostMessage::Credit { bytes: dice.number() },
        13..=14 => HostMessage::Ask {
            id: dice.number(),
            question: question(dice),
        },
        15..=16 => HostMessage::Ping,
        17 => HostMessage::Hello {
            major: dice.roll() as u8,
            minor: dice.roll() as u8,
        },
        18 if dice.below(10) == 0 => HostMessage::Bye,
        _ => HostMessage::Hello {
            major: MAJOR,
            minor: MINOR,
        },
    }
}

/// One round: a way to be hostile, some of it, and perhaps an ear for what the agent says.
fn attack(prey: &mut Prey, dice: &mut Dice, images: &[Vec<u8>]) {
    let mut session = Session::host(dice.roll() as u32);
    let hello = HostMessage::Hello {
        major: MAJOR,
        minor: MINOR,
    };
    let way = dice.below(6);
    if way > 1 {
        session.send(&hello.to_bytes()).expect("a whole session");
    }
    match way {
        0 => {
            let noise = dice.bytes(100_000);
            prey.write(&noise);
        }
        // Whole frames with anything in them.
        1 => {
            let nonce = dice.roll() as u32;
            for _ in 0..dice.below(200) {
                let header = Header {
                    kind: *dice.pick(&[Kind::Data, Kind::Data, Kind::Ack, Kind::Reset]),
                    flags: (dice.roll() as u8) & frame::flag::ALL,
                    nonce: if dice.below(8) == 0 { dice.roll() as u32 } else { nonce },
                    seq: if dice.below(4) == 0 {
                        dice.roll() as u16
                    } else {
                        dice.below(8) as u16
                    },
                    ack: dice.roll() as u16,
                };
                let payload = dice.bytes(MAX_PAYLOAD);
                let mut out = Vec::new();
                frame::encode(&header, &payload, &mut out);
                prey.write(&out);
            }
        }
        // Good frames, damaged on the way.
        2 => {
            for _ in 0..=dice.below(20) {
                session
                    .send(&message(dice, images).to_bytes())
                    .expect("a whole session");
            }
            let mut out = Vec::new();
            session.transmit(prey.now(), &mut out);
            for _ in 0..=dice.below(10) {
                dice.damage(&mut out);
            }
            prey.write(&out);
        }
        // Good frames with no messages in them.
        3 => {
            for _ in 0..=dice.below(20) {
                let mut bytes = match dice.below(2) {
                    0 => dice.bytes(3000),
                    _ => message(dice, images).to_bytes(),
                };
                // A damaged message may name any file or program, so only those without a path are damaged.
                if !bytes.contains(&b'/') {
                    dice.damage(&mut bytes);
                }
                session.send(&bytes).expect("a whole session");
                prey.flush(&mut session);
            }
        }
        // Programs.
        4 => {
            for message in [
                load(dice, images),
                HostMessage::Credit { bytes: dice.number() },
                HostMessage::Start,
            ] {
                session.send(&message.to_bytes()).expect("a whole session");
            }
            prey.flush(&mut session);
            let ms = dice.below(40) as u64;
            prey.listen(&mut session, ms);
            if dice.below(2) == 0 {
                session.send(&HostMessage::Stop.to_bytes()).expect("a whole session");
                prey.flush(&mut session);
                prey.listen(&mut session, 5);
            }
        }
        // Messages in any order.
        _ => {
            for _ in 0..=dice.below(30) {
                session
                    .send(&message(dice, images).to_bytes())
                    .expect("a whole session");
                prey.flush(&mut session);
                if dice.below(3) == 0 {
                    prey.listen(&mut session, 3);
                }
            }
        }
    }
}

#[test]
fn a_host_of_another_version_is_greeted() {
    let mut prey = Prey::start();
    let mut session = Session::host(1);
    // Of a version to come, with more in its `Hello` than there is today.
    session.send(&[0, MAJOR + 1, 7, 42, 43]).expect("a whole session");
    let greeting = loop {
        prey.flush(&mut session);
        let bytes = prey.bytes.recv_timeout(PATIENCE).expect("an answer");
        session.receive(&bytes, prey.now());
        if let Some(Received::Message(message)) = session.next_received() {
            break BoardMessage::from_bytes(&message).expect("a message");
        }
    };
    assert!(
        matches!(&greeting, BoardMessage::Hello(hello) if hello.major == MAJOR),
        "{greeting:?}"
    );
}

#[test]
fn a_hostile_host_is_survived() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds = number("KTAP_HOSTILE_SECONDS").unwrap_or(3);
    let seed = number("KTAP_HOSTILE_SEED").unwrap_or(20_260_101);
    let first = number("KTAP_HOSTILE_ROUND").unwrap_or(0);
    let images = images();
    let began = Instant::now();
    let mut prey = Prey::start();
    let mut round = first;
    let mut slowest = (0, 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        // Shown if the test fails, which is where it failed.
        println!("KTAP_HOSTILE_SEED={seed} KTAP_HOSTILE_ROUND={round}");
        let mut dice = Dice(seed ^ round.wrapping_mul(0x2545_f491_4f6c_dd1d));
        attack(&mut prey, &mut dice, &images);
        let attacked = Instant::now();
        if prey.greet(dice.roll() as u32) {
            prey.inspect();
        } else {
            prey = Prey::start();
        }
        slowest = slowest.max((attacked.elapsed().as_millis(), round));
        round += 1;
    }
    println!(
        "{} rounds, the slowest greeting after {} ms in round {}",
        round - first,
        slowest.0,
        slowest.1
    );
    drop(prey.stdin);
    assert_eq!(prey.child.wait().expect("a status").code(), Some(0));
}
