//! Two sessions over a line that drops, flips, doubles, delays and talks, under a simulated clock.

use std::collections::VecDeque;

use ktap_link::message::MAX_MESSAGE;
use ktap_link::session::{Received, Session, SessionError, WINDOW};
use proptest::prelude::*;

/// A small generator of our own: a case is repeated by its seed alone.
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// True `per_mille` times in a thousand.
    fn hits(&mut self, per_mille: u64) -> bool {
        self.next() % 1000 < per_mille
    }
}

/// What a line does to a frame or byte, per mille.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    drop: u64,
    flip: u64,
    double: u64,
    delay: u64,
    noise: u64,
    noise_inside: u64,
}

/// One direction of a line: what was written arrives after `latency_ms`, a frame at a time.
struct Line {
    faults: Faults,
    chance: Chance,
    latency_ms: u64,
    /// A slow line: bytes per ms, and until when it is busy.
    pace: Option<u64>,
    busy_until: u64,
    written: usize,
    carried: VecDeque<(u64, Vec<u8>)>,
    console: Vec<u8>,
    number: u32,
}

impl Line {
    fn new(faults: Faults, seed: u64) -> Line {
        let (chance, carried) = (Chance(seed | 1), VecDeque::new());
        Line {
            faults,
            chance,
            latency_ms: 3,
            pace: None,
            busy_until: 0,
            written: 0,
            carried,
            console: Vec::new(),
            number: 0,
        }
    }

    fn console_line(&mut self) -> Vec<u8> {
        self.number += 1;
        let line = format!("[{:5}.0] console line {}\r\n", self.number, self.number).into_bytes();
        self.console.extend(&line);
        line
    }

    fn write(&mut self, bytes: &[u8], now: u64) {
        // Frames are taken apart at their zeros, for faults to hit some and spare others.
        for part in bytes.split(|b| *b == 0).filter(|part| !part.is_empty()) {
            let mut frame = [&[0], part, &[0]].concat();
            let faults = self.faults;
            if self.chance.hits(faults.drop) {
                continue;
            }
            if self.chance.hits(faults.flip) {
                let bit = self.chance.next() as usize % (frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            if self.chance.hits(faults.noise_inside) {
                let at = self.chance.next() as usize % frame.len();
                let line = self.console_line();
                frame.splice(at..at, line);
            }
            let late = if self.chance.hits(faults.delay) {
                self.chance.next() % 400
            } else {
                0
            };
            let mut at = now + self.latency_ms + late;
            if let Some(pace) = self.pace {
                self.busy_until = self.busy_until.max(now) + (frame.len() as u64).div_ceil(pace);
                at += self.busy_until - now;
            }
            self.written += frame.len();
            let copies = 1 + usize::from(self.chance.hits(faults.double));
            for _ in 0..copies {
                self.carried.push_back((at, frame.clone()));
            }
            if self.chance.hits(faults.noise) {
                let line = self.console_line();
                self.carried.push_back((now + self.latency_ms, line));
            }
        }
    }

    fn arrived(&mut self, now: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.carried.retain(|(at, bytes)| {
            let here = *at <= now;
            if here {
                out.extend(bytes);
            }
            !here
        });
        out
    }
}

struct Pair {
    host: Session,
    board: Session,
    up: Line,
    down: Line,
    now: u64,
    at_host: Vec<Vec<u8>>,
    at_board: Vec<Vec<u8>>,
    noise: Vec<u8>,
}

impl Pair {
    fn new(faults: Faults, seed: u64) -> Pair {
        Pair {
            host: Session::host(0xfeed),
            board: Session::board(),
            up: Line::new(faults, seed),
            down: Line::new(faults, seed.rotate_left(17)),
            now: 1_000,
            at_host: Vec::new(),
            at_board: Vec::new(),
            noise: Vec::new(),
        }
    }

    /// Lets both ends work at this moment.
    fn step(&mut self) {
        self.host.receive(&self.down.arrived(self.now), self.now);
        self.board.receive(&self.up.arrived(self.now), self.now);
        while let Some(received) = self.host.next_received() {
            match received {
                Received::Message(message) => self.at_host.push(message),
                Received::Noise(text) => self.noise.extend(text),
            }
        }
        while let Some(received) = self.board.next_received() {
            if let Received::Message(message) = received {
                self.at_board.push(message);
            }
        }
        let mut out = Vec::new();
        self.host.transmit(self.now, &mut out);
        self.up.write(&out, self.now);
        out.clear();
        self.board.transmit(self.now, &mut out);
        self.down.write(&out, self.now);
    }

    /// Runs from event to event until nothing is left to do; gives the clock's limit to catch a session that never ends.
    fn run(&mut self) {
        for _ in 0..200_000 {
            self.step();
            let carried = self
                .up
                .carried
                .iter()
                .chain(&self.down.carried)
                .map(|(at, _)| *at)
                .min();
            let next = [carried, self.host.deadline(), self.board.deadline()]
                .into_iter()
                .flatten()
                .min();
            match next {
                None => return,
                Some(at) => self.now = at.max(self.now + 1),
            }
        }
        panic!("the sessions never come to rest");
    }
}

fn messages(lengths: &[usize], salt: u8) -> Vec<Vec<u8>> {
    let fill = |n: usize, len: usize| (0..len).map(|i| (i as u8).wrapping_mul(31) ^ n as u8 ^ salt).collect();
    lengths.iter().enumerate().map(|(n, len)| fill(n, *len)).collect()
}

/// What arrived is what was sent, or a beginning of it with a session that says it is broken.
fn check(sent: &[Vec<u8>], arrived: &[Vec<u8>], broken: bool) {
    assert!(arrived.len() <= sent.len(), "more arrived than was sent");
    assert!(
        arrived == &sent[..arrived.len()],
        "other messages arrived than were sent"
    );
    assert!(
        broken || arrived.len() == sent.len(),
        "{} of {} arrived, yet nobody is broken",
        arrived.len(),
        sent.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_message_arrives_once_and_in_order(
        up in proptest::collection::vec(prop_oneof![0usize..200, 900..1200usize, 0..9000usize], 0..30),
        down in proptest::collection::vec(prop_oneof![0usize..200, 900..1200usize, 0..30_000usize], 0..30),
        faults in (0u64..250, 0u64..150, 0u64..150, 0u64..150, 0u64..200, 0u64..100),
        seed in any::<u64>(),
    ) {
        let (drop, flip, double, delay, noise, noise_inside) = faults;
        let mut pair = Pair::new(Faults { drop, flip, double, delay, noise, noise_inside }, seed);
        let (up, down) = (messages(&up, 1), messages(&down, 2));
        for message in &up {
            pair.host.send(message).expect("short enough");
        }
        for message in &down {
            pair.board.send(message).expect("short enough");
        }
        pair.run();
        let broken = pair.host.broken().is_some() || pair.board.broken().is_some();
        check(&up, &pair.at_board, broken);
        // A board that no host ever spoke to keeps what it has to say.
        if !up.is_empty() {
            check(&down, &pair.at_host, broken);
        }
        if !broken && !up.is_empty() {
            prop_assert_eq!((pair.host.unacknowledged(), pair.board.unacknowledged()), (0, 0));
        }
    }

    #[test]
    fn a_host_that_restarts_is_served_anew(
        lengths in proptest::collection::vec(0usize..5000, 1..20),
        steps in 1usize..60,
        seed in any::<u64>(),
        drop in 0u64..100,
    ) {
        let mut pair = Pair::new(Faults { drop, ..Faults::default() }, seed);
        let before = messages(&lengths, 3);
        let down = messages(&lengths, 4);
        for message in &before {
            pair.host.send(message).expect("short enough");
        }
        for _ in 0..steps {
            pair.step();
            pair.now += 1;
            if pair.at_board.len() == 1 && pair.board.unacknowledged() == 0 {
                for message in &down {
                    pair.board.send(message).expect("short enough");
                }
            }
        }
        // The line keeps what the old host wrote; the new one knows nothing of it.
        let after = messages(&lengths, 5);
        pair.host = Session::host(0xbeef);
        pair.at_host.clear();
        let seen = pair.at_board.len();
        for message in &after {
            pair.host.send(message).expect("short enough");
        }
        pair.run();
        prop_assert_eq!(pair.host.broken(), None);
        prop_assert_eq!(&pair.at_host, &Vec::<Vec<u8>>::new());
        let arrived = &pair.at_board;
        let old = arrived.len() - after.len();
        prop_assert!(old >= seen && old <= before.len());
        prop_assert_eq!(&arrived[..old], &before[..old]);
        prop_assert_eq!(&arrived[old..], &after[..]);
    }

    #[test]
    fn random_bytes_never_break_an_end(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..10),
    ) {
        for mut end in [Session::host(1), Session::board()] {
            for piece in &pieces {
                end.receive(piece, 5);
            }
            while let Some(received) = end.next_received() {
                prop_assert!(matches!(received, Received::Noise(_)));
            }
            prop_assert_eq!(end.broken(), None);
        }
    }
}

#[test]
fn noise_alone_arrives_as_it_was() {
    let mut pair = Pair::new(
        Faults {
            noise: 1000,
            ..Faults::default()
        },
        9,
    );
    let sent = messages(&[3000, 10, 5000], 0);
    pair.host.send(b"hello").expect("short enough");
    for message in &sent {
        pair.board.send(message).expect("short enough");
    }
    pair.run();
    check(&sent, &pair.at_host, false);
    assert!(!pair.down.console.is_empty());
    assert_eq!(pair.noise, pair.down.console);
}

#[test]
fn an_agent_that_restarts_is_noticed() {
    let mut pair = Pair::new(Faults::default(), 1);
    pair.host.send(b"one").expect("short enough");
    pair.run();
    pair.board = Session::board();
    pair.host.send(b"two").expect("short enough");
    pair.run();
    assert_eq!(pair.host.broken(), Some(SessionError::PeerReset));
    assert_eq!(
        pair.at_board,
        [b"one".to_vec()],
        "the new agent takes nothing from the middle of a session"
    );
}

#[test]
fn the_older_of_two_hosts_is_told() {
    let mut pair = Pair::new(Faults::default(), 1);
    pair.host.send(b"one").expect("short enough");
    pair.run();
    let old = std::mem::replace(&mut pair.host, Session::host(2));
    pair.host.send(b"other").expect("short enough");
    pair.run();
    let new = std::mem::replace(&mut pair.host, old);
    pair.host.send(b"two").expect("short enough");
    pair.run();
    assert_eq!(
        (pair.host.broken(), new.broken()),
        (Some(SessionError::PeerReset), None)
    );
    assert_eq!(pair.at_board, [b"one".to_vec(), b"other".to_vec()]);
}

#[test]
fn a_silent_peer_breaks_the_session_in_time_and_a_board_takes_the_next_host() {
    let mut pair = Pair::new(Faults::default(), 1);
    pair.host.send(b"one").expect("short enough");
    pair.run();
    pair.up.faults.drop = 1000;
    pair.down.faults.drop = 1000;
    let start = pair.now;
    pair.host.send(b"two").expect("short enough");
    pair.board.send(b"three").expect("short enough");
    pair.run();
    assert_eq!(pair.host.broken(), Some(SessionError::PeerSilent));
    assert_eq!(pair.board.broken(), Some(SessionError::PeerSilent));
    assert!((8_000..25_000).contains(&(pair.now - start)), "{} ms", pair.now - start);
    assert_eq!(pair.host.send(b"more"), Err(SessionError::PeerSilent));

    pair.up.faults.drop = 0;
    pair.down.faults.drop = 0;
    pair.host = Session::host(2);
    pair.host.send(b"four").expect("short enough");
    pair.run();
    pair.board.send(b"five").expect("whole again");
    pair.run();
    assert_eq!(
        (pair.at_board.last(), pair.at_host.last()),
        (Some(&b"four".to_vec()), Some(&b"five".to_vec()))
    );
}

#[test]
fn an_echoing_line_fools_nobody() {
    let mut host = Session::host(1);
    let mut out = Vec::new();
    host.send(b"hello").expect("short enough");
    host.transmit(0, &mut out);
    host.receive(&out, 1);
    assert_eq!((host.next_received(), host.unacknowledged()), (None, 5));
}

#[test]
fn long_messages_and_long_sessions() {
    let mut pair = Pair::new(
        Faults {
            drop: 20,
            ..Faults::default()
        },
        5,
    );
    pair.host.send(&[]).expect("short enough");
    // Numbers wrap after 65536 frames.
    let lengths = [&[MAX_MESSAGE][..], &[3; 66_000], &[MAX_MESSAGE]].concat();
    let sent = messages(&lengths, 7);
    for message in &sent {
        pair.board.send(message).expect("short enough");
    }
    assert_eq!(
        pair.board.send(&[0; MAX_MESSAGE + 1]),
        Err(SessionError::TooLong(MAX_MESSAGE + 1))
    );
    pair.run();
    check(&sent, &pair.at_host, false);
}

#[test]
fn a_queue_of_acks_is_not_needed_for_a_queue_of_frames() {
    let mut pair = Pair::new(Faults::default(), 5);
    pair.host.send(b"x").expect("short enough");
    pair.run();
    pair.board.send(&[1; 1 << 16]).expect("short enough");
    let mut out = Vec::new();
    pair.board.transmit(pair.now, &mut out);
    let frames = out.split(|b| *b == 0).filter(|part| !part.is_empty()).count();
    assert!(frames > 1 && frames <= WINDOW);
    pair.host.receive(&out, pair.now);
    out.clear();
    pair.host.transmit(pair.now, &mut out);
    assert!(out.len() < 20, "one ack for all: {} bytes", out.len());
}

#[test]
fn a_slow_line_is_neither_flooded_nor_idle() {
    for (pace, latency_ms, ideal_ms) in [(1, 3, 60_000), (11, 3, 60_000), (11, 100, 60_000), (90, 3, 20_000)] {
        let mut pair = Pair::new(Faults::default(), 5);
        (pair.down.pace, pair.down.latency_ms, pair.up.latency_ms) = (Some(pace), latency_ms, latency_ms);
        pair.host.send(b"x").expect("short enough");
        pair.run();
        let (start, length) = (pair.now, pace as usize * ideal_ms);
        let sent = messages(&vec![1000; length / 1000], 7);
        for message in &sent {
            pair.board.send(message).expect("short enough");
        }
        let mut longest = 0;
        for _ in 0..1_000_000 {
            pair.step();
            longest = longest.max(pair.down.busy_until.saturating_sub(pair.now));
            if pair.at_host.len() == sent.len() {
                break;
            }
            pair.now += 1;
        }
        check(&sent, &pair.at_host, false);
        let (took, wasted) = (pair.now - start, pair.down.written as f64 / length as f64);
        assert!(
            (took as usize) < ideal_ms * 11 / 10,
            "{took} ms for what the line carries in {ideal_ms}"
        );
        assert!(wasted < 1.1, "written {wasted} times");
        // Two frames fill more than a second at 9600 baud; elsewhere `Stop` is not to wait longer than that.
        let patience = if pace == 1 { 6_000 } else { 1_000 };
        assert!(longest < patience, "a queue of {longest} ms");
    }
}
