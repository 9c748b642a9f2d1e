//! Whatever comes from user space: a reply, never a panic, never an access outside.
//!
//! Random bytes, and good requests with bytes changed, cut and grown, in every state; what is taken runs. Under Miri or an address sanitizer an access
//! outside shows.

mod kernel;
mod requests;

use kernel::{Registers, Session, event, world};
use ktap_device::attach::{Base, Fetch, Kind as ProbeKind, NEEDS_RECORD, Shape, SourceKind, Test, TestKind};
use ktap_device::request::{Code, Kind};
use proptest::prelude::*;
use requests::{Probe, image, load, reply, source};

/// A script that uses much of what there is.
const RICH: &str = "var t = {} var n = 0 trace 'a:b' function (e) { t[execname] += 1; t.x <<< arg0; n = n + 1; print(arg0, argstr, e.name, e.foo, \
                    e.retval, e.regstr, stack(), ustack(3), kernel_string(arg1), user_string(arg1)) if (n > 3) { exit(n) } } \
                    tick-1s { print(t) } trace_end { print_hist(t) }";

fn rich_probe(kind: ProbeKind) -> Probe {
    let mut probe = Probe::new(kind, "name");
    probe.head.flags = NEEDS_RECORD;
    probe.head.record_len = 64;
    let word = probe.text(b"r1");
    let text = probe.text(b"some text");
    let kinds = [
        SourceKind::Nil,
        SourceKind::Bool,
        SourceKind::Int,
        SourceKind::RecordInt,
        SourceKind::RecordChars,
        SourceKind::RecordLocated,
        SourceKind::Text,
        SourceKind::Word,
        SourceKind::Registers,
    ];
    probe.fields = kinds.iter().map(|kind| source(*kind, 8, 8, 1)).collect();
    probe.own = vec![source(SourceKind::RecordInt, 4, 16, 1)];
    probe.filter = vec![
        Test {
            kind: TestKind::Ne as u16,
            source: source(SourceKind::RecordInt, 4, 4, 1),
            value: 7,
            ..Test::default()
        },
        Test {
            kind: TestKind::Glob as u16,
            source: source(SourceKind::Text, 0, 2, 9),
            value: text,
            ..Test::default()
        },
        Test {
            kind: TestKind::Or as u16,
            ..Test::default()
        },
    ];
    let fetch = Fetch {
        base: Base::Register as u16,
        shape: Shape::Unsigned as u16,
        size: 8,
        value: word,
        place: 16,
        ..Fetch::default()
    };
    let string = Fetch {
        shape: Shape::String as u16,
        derefs: 2,
        count: 2,
        place: 24,
        ..fetch
    };
    probe.fetches = vec![fetch, string];
    probe.derefs = vec![Default::default(), Default::default()];
    probe
}

/// A change of a request's bytes.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Word(usize, u32),
    Cut(usize),
    Grow(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let interesting = prop_oneof![
        Just(0u32),
        Just(1),
        Just(u32::MAX),
        Just(1 << 31),
        Just(4096),
        any::<u32>(),
        0u32..300
    ];
    prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        8 => (any::<usize>(), interesting).prop_map(|(at, word)| Change::Word(at, word)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Grow),
    ]
}

/// Changes bytes; half of the time near the start, where the head is.
fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let len = bytes.len().max(1);
        match change {
            Change::Byte(at, byte) => {
                if let Some(place) = bytes.get_mut(at % len) {
                    *place = *byte;
                }
            }
            Change::Word(at, word) => {
                let range = if at % 2 == 0 { len.min(128) } else { len };
                let at = (at / 2 % range) & !3;
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&word.to_ne_bytes());
                }
            }
            Change::Cut(at) => bytes.truncate(at % len),
            Change::Grow(more) => bytes.extend_from_slice(more),
        }
    }
    // The length is the one thing everybody would get right.
    let len = (bytes.len() as u32).to_ne_bytes();
    if let Some(place) = bytes.get_mut(..4) {
        place.copy_from_slice(&len);
    }
    bytes
}

/// Fires all that is attached, on events of many shapes.
fn fire_all(session: &Session) {
    let regs = Registers {
        r: [1, 0x1000, 0xffff_1000, u64::MAX, 0, 5, 6, 7],
        sp: u64::MAX - 3,
    };
    let record: Vec<u8> = (0..40).collect();
    for i in 0..world(|world| world.attached.len()) {
        let mut fired = event();
        session.fire(i, &fired);
        fired.regs = std::ptr::from_ref(&regs).cast();
        (fired.record, fired.record_len) = (record.as_ptr(), record.len() as u32);
        fired.words_len = 7;
        fired.words = [9; 8];
        fired.level = 3;
        session.fire(i, &fired);
        (fired.level, fired.user_regs, fired.words_len, fired.record_len) = (1, 1, 8, 3);
        session.fire(i, &fired);
        session.tick(i);
    }
}

/// Goes through a whole session with what it is given; whatever is refused is refused.
fn whole_session(load: &[u8], attach: &[&[u8]], others: &[Vec<u8>]) -> Vec<u32> {
    let mut session = Session::open();
    let other = |i: usize| others.get(i).map_or(&[][..], Vec::as_slice);
    let mut codes = vec![reply(&session.request(Kind::Load as u32, load)).0];
    codes.push(reply(&session.request(Kind::Scope as u32, other(0))).0);
    codes.push(reply(&session.request(Kind::RunMain as u32, &[])).0);
    for attach in attach {
        codes.push(reply(&session.request(Kind::Attach as u32, attach)).0);
    }
    codes.push(reply(&session.request(Kind::Enable as u32, &[])).0);
    fire_all(&session);
    codes.push(reply(&session.request(Kind::Stats as u32, &[])).0);
    codes.push(reply(&session.request(Kind::Stop as u32, &[])).0);
    codes.push(reply(&session.request(Kind::RunEnd as u32, other(1))).0);
    codes.push(reply(&session.request(Kind::Stats as u32, other(2))).0);
    codes
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 12 } else { 2_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn the_rich_session_itself_is_taken() {
    let load = load(&image(RICH), 1);
    for kind in ProbeKind::ALL {
        let mut probe = rich_probe(*kind);
        probe.head.extra = 4 | 3 << 8;
        if *kind == ProbeKind::Tick {
            probe.filter.clear();
        }
        let attach = probe.encode();
        let scope = [0u32, 0, u32::MAX, 0]
            .iter()
            .flat_map(|w| w.to_ne_bytes())
            .chain([0; 40])
            .collect();
        let codes = whole_session(&load, &[&attach], &[scope, 2u32.to_ne_bytes().to_vec(), vec![]]);
        assert!(
            codes.iter().all(|code| *code == Code::Done as u32),
            "{kind:?}: {codes:?}"
        );
        assert!(world(|world| !world.entries.is_empty()), "{kind:?} printed nothing");
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn random_bytes(kind in 0u32..12, bytes in prop::collection::vec(any::<u8>(), 0..300), room in 0usize..4096) {
        let mut session = Session::open();
        let _ = session.request_into(kind, &bytes, room);
        session.request(Kind::Load as u32, &load(&image("trace a:b { }"), 0));
        let _ = session.request_into(kind, &bytes, room);
        session.request(Kind::RunMain as u32, &[]);
        let _ = session.request_into(kind, &bytes, room);
        let _ = session.request_into(kind, &bytes, room);
    }

    #[test]
    fn changed_loads(changes in prop::collection::vec(change(), 1..6)) {
        let load = changed(&load(&image(RICH), 0), &changes);
        let attach = rich_probe(ProbeKind::Kprobe).encode();
        whole_session(&load, &[&attach], &[]);
    }

    #[test]
    fn changed_attachments(
        kind in 0usize..ProbeKind::ALL.len(),
        first in prop::collection::vec(change(), 1..4),
        second in prop::collection::vec(change(), 1..8),
    ) {
        let attach = rich_probe(ProbeKind::ALL[kind]).encode();
        let (first, second) = (changed(&attach, &first), changed(&attach, &second));
        whole_session(&load(&image(RICH), 1), &[&first, &second], &[]);
    }

    #[test]
    fn changed_small_requests(others in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 3)) {
        let attach = rich_probe(ProbeKind::SyscallEnter).encode();
        whole_session(&load(&image(RICH), 1), &[&attach], &others);
    }
}
