//! Filters: which events pass, and which filters are none.

mod armed;
mod kernel;
mod requests;

use armed::*;
use kernel::*;
use ktap_device::attach::{Kind as ProbeKind, Source, SourceKind, Special, Test, TestKind};
use ktap_device::request::{Code, Kind};
use requests::*;

fn step(kind: TestKind) -> Test {
    Test {
        kind: kind as u16,
        ..Test::default()
    }
}

#[test]
fn filters() {
    let special = |special: Special, kind: TestKind, value: u64| Test {
        special: special as u16,
        ..test(kind, Source::default(), value)
    };
    let mut texts = Probe::new(ProbeKind::Tracepoint, "b");
    let (cat, glob) = (texts.text(b"cat"), texts.text(b"c*t"));
    let signed = source(SourceKind::RecordInt, 4, 8, 1);
    let unsigned = source(SourceKind::RecordInt, 4, 8, 0);
    let chars = source(SourceKind::RecordChars, 0, 12, 4);
    let outside = source(SourceKind::RecordInt, 4, 100, 1);
    let minus_five = -5i64 as u64;
    let cases: Vec<(Vec<Test>, bool)> = vec![
        (vec![test(TestKind::Eq, signed, minus_five)], true),
        (vec![test(TestKind::Eq, unsigned, minus_five)], false),
        (vec![test(TestKind::Lt, signed, 0)], true),
        (vec![test(TestKind::Lt, unsigned, 0x10)], false),
        (vec![test(TestKind::Gt, unsigned, 0x10)], true),
        (vec![test(TestKind::Ge, signed, minus_five)], true),
        (vec![test(TestKind::Le, signed, minus_five)], true),
        (vec![test(TestKind::Ne, signed, 0)], true),
        (vec![test(TestKind::Bits, unsigned, 1)], true),
        (vec![test(TestKind::Bits, unsigned, 4)], false),
        (vec![test(TestKind::StrEq, chars, cat)], true),
        (vec![test(TestKind::StrNe, chars, cat)], false),
        (vec![test(TestKind::Glob, chars, glob)], true),
        (vec![test(TestKind::Ne, outside, 0)], false),
        (vec![test(TestKind::StrNe, signed, cat)], false),
        (vec![special(Special::Tid, TestKind::Eq, 42)], true),
        (vec![special(Special::Cpu, TestKind::Eq, 0)], true),
        (vec![special(Special::Cpu, TestKind::Gt, -1i64 as u64)], true),
        (vec![special(Special::Cpu, TestKind::Lt, -1i64 as u64)], false),
        (vec![special(Special::Comm, TestKind::StrEq, cat)], false),
        (vec![test(TestKind::Eq, signed, 1), step(TestKind::Not)], true),
        (
            vec![
                test(TestKind::Eq, signed, minus_five),
                test(TestKind::Eq, signed, 1),
                step(TestKind::And),
            ],
            false,
        ),
        (
            vec![
                test(TestKind::Eq, signed, minus_five),
                test(TestKind::Eq, signed, 1),
                step(TestKind::Or),
            ],
            true,
        ),
        (
            vec![
                test(TestKind::Eq, signed, minus_five),
                test(TestKind::Eq, signed, 1),
                step(TestKind::Not),
                test(TestKind::Eq, signed, 2),
                step(TestKind::Or),
                step(TestKind::And),
            ],
            true,
        ),
    ];
    let mut record = vec![0; 8];
    record.extend((-5i32).to_ne_bytes());
    record.extend(b"cat\0");
    let mut fired = event();
    (fired.record, fired.record_len) = (record.as_ptr(), record.len() as u32);
    for (filter, passes) in cases {
        let probe = Probe {
            filter: filter.clone(),
            ..texts.clone()
        };
        let session = armed("trace a:b { print(1) }", 0, &probe);
        assert!(!world(|world| world.attached[0].what.filter.is_null()));
        assert_eq!(session.fire(0, &fired), 0);
        assert_eq!(printed().len(), passes as usize, "{filter:?}");
    }
}

#[test]
fn wrong_filters_are_refused() {
    let one = test(TestKind::Eq, source(SourceKind::Int, 0, 0, 1), 1);
    let wrong: [Vec<Test>; 6] = [
        vec![step(TestKind::Not)],
        vec![one, step(TestKind::And)],
        vec![one, one],
        [vec![one; 65], vec![step(TestKind::And); 64]].concat(),
        vec![test(TestKind::StrEq, Source::default(), 1 << 32)],
        vec![Test { kind: 13, ..one }],
    ];
    let (mut session, _) = main_ran("trace a:b { }", 0);
    for filter in wrong {
        let probe = Probe {
            filter,
            ..Probe::new(ProbeKind::RawTracepoint, "b")
        };
        let (code, ..) = reply(&session.request(Kind::Attach as u32, &probe.encode()));
        assert_eq!(code, Code::Malformed as u32, "{:?}", probe.filter);
    }
    // A tick has nothing to be filtered by.
    let mut tick = Probe::new(ProbeKind::Tick, "");
    (tick.head.extra, tick.filter) = (1_000_000, vec![one]);
    assert_eq!(
        reply(&session.request(Kind::Attach as u32, &tick.encode())).0,
        Code::Malformed as u32
    );
    // Globs over long texts, more than an event may take.
    let mut globs = Probe::new(ProbeKind::RawTracepoint, "b");
    let (pattern, long) = (globs.text(&[b'*'; 256]), globs.text(&[b'a'; 60_000]));
    let matching = test(
        TestKind::Glob,
        source(SourceKind::Text, 0, long as u32, long >> 32),
        pattern,
    );
    globs.filter = vec![matching];
    assert_eq!(
        reply(&session.request(Kind::Attach as u32, &globs.encode())).0,
        Code::Malformed as u32
    );
    let probe = Probe {
        filter: [vec![one; 64], vec![step(TestKind::And); 63]].concat(),
        ..Probe::new(ProbeKind::RawTracepoint, "b")
    };
    attach(&mut session, &probe);
}
