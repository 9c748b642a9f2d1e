//! Whole sessions: loaded, attached, fired, stopped, as an agent does it.

mod kernel;
mod requests;

use kernel::{IMPOSSIBLE, NO_SUCH, Registers, Session, event, world};
use ktap_bytecode::limits::Limits;
use ktap_bytecode::trap::Trap;
use ktap_device::attach::{
    Attached, Base, Deref, Fetch, Kind as ProbeKind, NEEDS_RECORD, Shape, Source, SourceKind, Special, Test, TestKind,
};
use ktap_device::load::{Loaded, Scope, UNSAFE};
use ktap_device::request::{Code, INTERFACE, Kind, VersionReply};
use ktap_device::stats::{AttachedStats, Ran, State, Stats};
use requests::{Probe, bytes, image, load, read, reply, shown, source};

const DONE: (u32, i32, i64) = (Code::Done as u32, 0, 0);
const OUT_OF_ORDER: u32 = Code::OutOfOrder as u32;

/// A session that has loaded a script and run its main; the reply of main.
fn main_ran(script: &str, flags: u32) -> (Session, Ran) {
    let mut session = Session::open();
    let output = session.request(Kind::Load as u32, &load(&image(script), flags));
    assert_eq!(reply(&output), DONE, "load");
    let output = session.request(Kind::RunMain as u32, &[]);
    assert_eq!(reply(&output), DONE, "main");
    (session, read(&output, 0))
}

/// Attaches, which has to work.
fn attach(session: &mut Session, probe: &Probe) {
    let output = session.request(Kind::Attach as u32, &probe.encode());
    assert_eq!(reply(&output), DONE, "attach");
}

/// A script of one probe, whose handler runs with one probe attached.
fn armed(script: &str, flags: u32, probe: &Probe) -> Session {
    let (mut session, _) = main_ran(script, flags);
    attach(&mut session, probe);
    assert_eq!(reply(&session.request(Kind::Enable as u32, &[])), DONE);
    session
}

fn stats(session: &mut Session) -> (Stats, Vec<AttachedStats>) {
    let output = session.request(Kind::Stats as u32, &[]);
    let stats: Stats = read(&output, 0);
    let each = (0..stats.attached as usize).map(|i| read(&output, size_of::<Stats>() + i * size_of::<AttachedStats>()));
    (stats, each.collect())
}

fn printed() -> Vec<String> {
    world(|world| shown(&world.entries))
}

#[test]
fn from_load_to_end() {
    let mut session = Session::open();
    let version: VersionReply = read(&session.request(Kind::Version as u32, &[]), 0);
    assert_eq!((version.interface, version.cpus, version.kinds), (INTERFACE, 2, 0x3fff));
    let script =
        "trace sched:sched_switch { print(cpu, pid, tid, execname) } trace_end { print(\"end\") } print(\"main\")";
    let loaded: Loaded = read(&session.request(Kind::Load as u32, &load(&image(script), 0)), 0);
    assert_eq!(loaded.reply.code, Code::Done as u32);
    assert!(loaded.memory > 1 << 20, "{loaded:?}");
    let scope = Scope {
        only: 3,
        follow: 1,
        cpu: -1,
        excluded_count: 1,
        excluded: [9, 0, 0, 0, 0, 0, 0, 0],
        reserved: 0,
    };
    assert_eq!(reply(&session.request(Kind::Scope as u32, bytes(&scope))), DONE);
    assert_eq!(world(|world| world.scope.clone()), Some((3, 1, -1, vec![9])));
    let output = session.request(Kind::RunMain as u32, &[]);
    let ran: Ran = read(&output, 0);
    assert_eq!(
        (ran.reply.code, ran.end.state, ran.attached),
        (0, State::Done as u32, 2)
    );
    let sites: Vec<u16> = (0..2).map(|i| read(&output, size_of::<Ran>() + i * 2)).collect();
    assert_eq!(sites, [0, 1]);
    attach(&mut session, &Probe::new(ProbeKind::RawTracepoint, "sched_switch"));
    world(|world| {
        assert_eq!(world.attached[0].name, "sched_switch");
        assert!(world.attached[0].what.filter.is_null());
        assert!(!world.enabled);
    });
    assert_eq!(reply(&session.request(Kind::Enable as u32, &[])), DONE);
    assert!(world(|world| world.enabled));
    let mut fired = event();
    fired.cpu = 1;
    fired.level = 2;
    assert_eq!(session.fire(0, &fired), 0);
    assert_eq!(reply(&session.request(Kind::Stop as u32, &[])), DONE);
    assert!(world(|world| world.detached));
    let ran: Ran = read(&session.request(Kind::RunEnd as u32, &1u32.to_ne_bytes()), 0);
    assert_eq!((ran.reply.code, ran.end.state), (0, State::Done as u32));
    assert_eq!(
        printed(),
        [
            "Print([Str([109, 97, 105, 110])])",
            "Print([Int(1), Int(41), Int(42), Str([98, 97, 115, 104])])",
            "Print([Str([101, 110, 100])])",
        ]
    );
    let probes: Vec<u16> = world(|world| world.entries.iter().map(|entry| entry.probe).collect());
    assert_eq!(probes, [u16::MAX, 0, 1]);
    let (stats, each) = stats(&mut session);
    assert_eq!(
        (stats.end.state, stats.events, stats.lost, stats.recursion),
        (0, 9, 0, 0)
    );
    assert_eq!(each[0], AttachedStats { lost: 0, missed: 100 });
    assert_eq!(each[1], AttachedStats::default());
}

#[test]
fn every_request_has_its_time() {
    let script = "trace a:b { } trace_end { }";
    let attach = Probe::new(ProbeKind::RawTracepoint, "b").encode();
    let scope = Scope {
        cpu: -1,
        ..Scope::default()
    };
    let requests: [(Kind, Vec<u8>); 9] = [
        (Kind::Version, vec![]),
        (Kind::Load, load(&image(script), 0)),
        (Kind::Scope, bytes(&scope).to_vec()),
        (Kind::RunMain, vec![]),
        (Kind::Attach, attach),
        (Kind::Enable, vec![]),
        (Kind::Stop, vec![]),
        (Kind::RunEnd, 1u32.to_ne_bytes().to_vec()),
        (Kind::Stats, vec![]),
    ];
    // Which of them are in time, by the requests made before.
    let table: [(&[usize], [u8; 9]); 5] = [
        (&[], [1, 1, 0, 0, 0, 0, 0, 0, 0]),
        (&[1], [1, 0, 1, 1, 0, 0, 1, 0, 1]),
        (&[1, 3], [1, 0, 1, 0, 1, 1, 1, 0, 1]),
        (&[1, 3, 4, 5], [1, 0, 0, 0, 0, 0, 1, 0, 1]),
        (&[1, 3, 4, 5, 6], [1, 0, 0, 0, 0, 0, 0, 1, 1]),
    ];
    for (before, expected) in table {
        for (i, (kind, input)) in requests.iter().enumerate() {
            let mut session = Session::open();
            for made in before {
                let (kind, input) = &requests[*made];
                assert_eq!(
                    reply(&session.request(*kind as u32, input)),
                    DONE,
                    "{kind:?} of {before:?}"
                );
            }
            let (code, ..) = reply(&session.request(*kind as u32, input));
            let in_time = if expected[i] == 1 { DONE.0 } else { OUT_OF_ORDER };
            assert_eq!(code, in_time, "{kind:?} after {before:?}");
        }
    }
}

#[test]
fn too_small_an_output_changes_nothing() {
    let mut session = Session::open();
    assert_eq!(session.request_into(9, &[], 4096), Err(-22));
    assert_eq!(session.request_into(u32::MAX, &[], 4096), Err(-22));
    let input = load(&image("trace a:b { }"), 0);
    assert_eq!(
        session.request_into(Kind::Load as u32, &input, size_of::<Loaded>() - 1),
        Err(-22)
    );
    assert_eq!(reply(&session.request(Kind::Load as u32, &input)), DONE);
    assert_eq!(
        session.request_into(Kind::RunMain as u32, &[], size_of::<Ran>()),
        Err(-22)
    );
    assert_eq!(reply(&session.request(Kind::RunMain as u32, &[])), DONE);
    assert_eq!(
        session.request_into(Kind::Stats as u32, &[], size_of::<Stats>()),
        Err(-22)
    );
}

#[test]
fn exit_and_traps_end_a_program_once() {
    let probe = Probe::new(ProbeKind::RawTracepoint, "b");
    let mut session = armed(
        "trace a:b { if (pid == 5) { exit(3) } var t = nil; t.x = 1 }",
        0,
        &probe,
    );
    let mut five = event();
    five.pid = 5;
    assert_eq!(session.fire(0, &five), 1);
    // Nothing runs any more, whatever it would do.
    assert_eq!(session.fire(0, &event()), 1);
    let (stats, _) = stats(&mut session);
    assert_eq!((stats.end.state, stats.end.status), (State::Exit as u32, 3));
    drop(session);

    let mut session = armed(
        "trace a:b { if (pid == 5) { exit(3) } var t = nil; t.x = 1 }",
        0,
        &probe,
    );
    assert_eq!(session.fire(0, &event()), 1);
    assert_eq!(session.fire(0, &five), 1);
    let (stats, _) = self::stats(&mut session);
    assert_eq!(
        (stats.end.state, stats.end.trap),
        (State::Trap as u32, Trap::IndexType as u32)
    );
    assert!(stats.end.function == 1 && stats.end.pc > 0, "{stats:?}");
}

#[test]
fn main_ends_in_its_own_ways() {
    let (session, ran) = main_ran("exit(9)", 0);
    drop(session);
    assert_eq!((ran.end.state, ran.end.status), (State::Exit as u32, 9));
    let (mut session, ran) = main_ran("while (true) { }", 0);
    assert_eq!(
        (ran.end.state, ran.end.trap),
        (State::Trap as u32, Trap::LoopLimit as u32)
    );
    assert_eq!(ran.end.detail, 1000);
    assert_eq!(stats(&mut session).0.end, ran.end);
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_long_main_lets_others_run_and_ends_when_it_is_killed() {
    let long = Limits {
        loops: 100_000,
        ..requests::limits()
    };
    let script = "var n = 0 for (i = 1, 50000) { n = n + 1 } print(n)";
    let mut session = Session::open();
    session.request(Kind::Load as u32, &requests::load_with(&image(script), 0, 0, &long));
    let ran: Ran = read(&session.request(Kind::RunMain as u32, &[]), 0);
    assert_eq!(ran.end.state, State::Done as u32);
    assert!(world(|world| world.pauses) >= 5, "{}", world(|world| world.pauses));
    assert_eq!(printed(), ["Print([Int(50000)])"]);
    drop(session);
    let mut session = Session::open();
    world(|world| world.killed = true);
    session.request(Kind::Load as u32, &requests::load_with(&image(script), 0, 0, &long));
    let ran: Ran = read(&session.request(Kind::RunMain as u32, &[]), 0);
    assert_eq!(ran.end.state, State::Trap as u32);
    assert_eq!(world(|world| (world.pauses, world.entries.len())), (1, 0));
}

#[test]
fn ticks_run_without_an_event() {
    let mut probe = Probe::new(ProbeKind::Tick, "");
    probe.head.extra = 1;
    let mut session = armed("tick-1s { print(pid, stack) }", 0, &probe);
    assert_eq!(
        world(|world| world.attached[0].what.extra),
        10_000,
        "a period no board can bear"
    );
    assert_eq!(session.tick(0), 0);
    assert_eq!(printed().len(), 1);
    assert!(printed()[0].starts_with("Print([Int(7), Builtin("), "{:?}", printed());
    assert_eq!(stats(&mut session).0.end.state, 0);
    drop(session);
    let session = armed("tick-1s { print(argstr) }", 0, &probe);
    assert_eq!(session.tick(0), 1, "argstr outside an event is a trap");
}

#[test]
fn system_calls_from_words() {
    let mut probe = Probe::new(ProbeKind::SyscallEnter, "sys_enter_openat");
    probe.head.syscall = 257;
    probe.head.flags = NEEDS_RECORD;
    probe.head.format_id = 0x1234;
    probe.fields = vec![
        source(SourceKind::RecordInt, 8, 8, 1),
        source(SourceKind::RecordInt, 4, 16, 1),
        source(SourceKind::Word, 0, 2, 0),
        source(SourceKind::Word, 0, 7, 0),
    ];
    let script = "trace 'syscalls:sys_enter_openat' function (e) { print(arg0, arg1, arg2, arg3, argstr) }";
    let session = armed(script, 0, &probe);
    world(|world| {
        let what = &world.attached[0].what;
        assert_eq!((what.kind, what.syscall, what.needs_words), (2, 257, 1));
    });
    let mut fired = event();
    fired.words = [257, 0xffff_ff9c, 3, 4, 5, 6, 7, 0];
    fired.words_len = 7;
    assert_eq!(session.fire(0, &fired), 0);
    let mut record = vec![0x34, 0x12, 0, 0, 42, 0, 0, 0];
    fired.words[..7]
        .iter()
        .for_each(|word| record.extend_from_slice(&word.to_ne_bytes()));
    let expected = format!("Print([Int(257), Int(-100), Int(3), Nil, Event(4660, {record:?})])");
    assert_eq!(printed(), [expected]);
}

#[test]
fn fields_of_the_kernels_record() {
    let mut probe = Probe::new(ProbeKind::Tracepoint, "sched_switch");
    probe.head.config = 99;
    probe.head.flags = NEEDS_RECORD;
    probe.head.format_id = 99;
    let text = probe.text(b"described");
    probe.fields = vec![
        source(SourceKind::RecordInt, 1, 8, 1),
        source(SourceKind::RecordChars, 0, 9, 4),
        source(SourceKind::RecordLocated, 0, 16, 0),
        source(SourceKind::RecordInt, 8, 1 << 30, 0),
        source(SourceKind::Text, 0, text as u32, text >> 32),
        source(SourceKind::RecordLocated, 0, 20, 24),
        source(SourceKind::RecordChars, 0, u32::MAX, u32::MAX as u64),
    ];
    probe.own = vec![
        source(SourceKind::Int, 0, 0, -5i64 as u64),
        source(SourceKind::Bool, 0, 0, 1),
    ];
    let script = "trace 'a:b' function (e) { var n = pid - 40; print(arg0, arg1, arg2, arg3, arg4, arg5, arg6, e.field(n), e.field(n + 1), e.field(n + 2), e.name) }";
    let session = armed(script, 0, &probe);
    let mut record = vec![99, 0, 0, 0, 1, 0, 0, 0, 0xfe];
    record.extend(b"cat\0");
    record.resize(16, 0);
    record.extend((24u32 | 5 << 16).to_ne_bytes());
    record.extend((60_000u32 << 16).to_ne_bytes());
    record.extend(b"/tmp\0");
    let mut fired = event();
    (fired.record, fired.record_len) = (record.as_ptr(), record.len() as u32);
    session.fire(0, &fired);
    let got = &printed()[0];
    let cat = format!("{:?}", b"cat");
    let tmp = format!("{:?}", b"/tmp");
    let described = format!("{:?}", b"described");
    let name = format!("{:?}", b"sched_switch");
    assert_eq!(
        *got,
        format!(
            "Print([Int(-2), Str({cat}), Str({tmp}), Nil, Str({described}), Str({tmp}), Nil, Int(-5), Bool(true), Nil, Str({name})])"
        )
    );
    // No record, no fields; and no text.
    fired.record = std::ptr::null();
    session.fire(0, &fired);
    assert!(
        printed()[1].starts_with("Print([Nil, Nil, Nil, Nil, Str("),
        "{}",
        printed()[1]
    );
}

fn fetch(base: Base, shape: Shape, size: u16, value: u64, place: u32) -> Fetch {
    Fetch {
        base: base as u16,
        shape: shape as u16,
        size,
        value,
        place,
        ..Fetch::default()
    }
}

fn deref(offset: i64, user: u32) -> Deref {
    Deref {
        offset,
        user,
        reserved: 0,
    }
}

#[test]
fn fetch_args_of_every_kind() {
    let mut probe = Probe::new(ProbeKind::Kprobe, "do_sys_openat2");
    probe.head.flags = NEEDS_RECORD;
    probe.head.format_id = 7;
    probe.head.record_len = 104;
    let r1 = probe.text(b"r1");
    let literal = probe.text(b"literal");
    probe.derefs = vec![deref(8, 0), deref(-4, 0), deref(0, 1), deref(0, 0)];
    let with = |fetch: Fetch, first: u32, derefs: u32| Fetch {
        first_deref: first,
        derefs,
        ..fetch
    };
    probe.fetches = vec![
        fetch(Base::Register, Shape::Unsigned, 4, r1, 16),
        with(fetch(Base::Register, Shape::Unsigned, 2, r1, 20), 0, 2),
        with(fetch(Base::Argument, Shape::String, 0, 3, 24), 3, 1),
        with(fetch(Base::Argument, Shape::UserString, 0, 4, 28), 2, 1),
        fetch(Base::StackSlot, Shape::Signed, 8, 1, 32),
        fetch(Base::Stack, Shape::Unsigned, 8, 0, 40),
        fetch(Base::Retval, Shape::Unsigned, 1, 0, 48),
        Fetch {
            width: 4,
            shift: 8,
            ..fetch(Base::Immediate, Shape::Bits, 2, 0xabcd, 50)
        },
        fetch(Base::Text, Shape::String, 0, literal, 52),
        fetch(Base::Comm, Shape::String, 0, 0, 56),
        with(fetch(Base::Immediate, Shape::String, 0, 0x10, 60), 3, 1),
        Fetch {
            count: 3,
            ..with(fetch(Base::Argument, Shape::Unsigned, 2, 5, 64), 3, 1)
        },
        Fetch {
            count: 2,
            ..with(fetch(Base::Argument, Shape::String, 0, 6, 72), 3, 1)
        },
        with(fetch(Base::Immediate, Shape::Unsigned, 8, 0x10, 80), 3, 1),
    ];
    probe.fields = (0..4).map(|_| Source::default()).collect();
    probe.fields[0] = source(SourceKind::RecordLocated, 0, 24, 0);
    probe.fields[1] = source(SourceKind::RecordInt, 2, 20, 0);
    let session = armed(
        "trace 'probe:do_sys_openat2' function (e) { print(arg0, arg1, argstr) }",
        0,
        &probe,
    );
    world(|world| {
        world.kernel.insert(0xffff_1008, 0xffff_2000u64.to_ne_bytes().to_vec());
        world.kernel.insert(0xffff_1ffc, vec![0x11, 0x22, 0x33, 0x44]);
        world.kernel.insert(0xffff_3000, b"kernel text\0".to_vec());
        world.user.insert(0x4000, b"user text\0".to_vec());
        world
            .kernel
            .insert(0xffff_5000, [1u64, 2u64].iter().flat_map(|w| w.to_ne_bytes()).collect());
        world.kernel.insert(0xffff_6000, vec![1, 0, 2, 0]);
        let pointers = [0xffff_3000u64, 0x99];
        world
            .kernel
            .insert(0xffff_7000, pointers.iter().flat_map(|w| w.to_ne_bytes()).collect());
    });
    let regs = Registers {
        r: [0xaabb, 0xffff_1000, 0xffff_3000, 0x4000, 0xffff_6000, 0xffff_7000, 0, 0],
        sp: 0xffff_5000,
    };
    let mut fired = event();
    fired.regs = std::ptr::from_ref(&regs).cast();
    fired.ip = 0xffff_0042;
    session.fire(0, &fired);
    let record = world(|world| {
        requests::body(&world.entries[0], |body| match body {
            ktap_bytecode::record::RecordBody::Print(values) => match &values[2] {
                ktap_bytecode::record::RecordValue::Event(7, record) => record.to_vec(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
    });
    assert!(printed()[0].starts_with(&format!("Print([Str({:?}), Int(8721), ", b"kernel text")));
    let number = |at: usize, size: usize| {
        let mut word = [0; 8];
        word[..size].copy_from_slice(&record[at..at + size]);
        u64::from_ne_bytes(word)
    };
    let string = |at: usize| {
        let (offset, len) = (number(at, 2) as usize, number(at + 2, 2) as usize);
        record[offset..offset + len].to_vec()
    };
    assert_eq!(number(8, 8), 0xffff_0042);
    assert_eq!(number(16, 4), 0xffff_1000);
    assert_eq!(number(20, 2), 0x2211);
    assert_eq!(string(24), b"kernel text\0");
    assert_eq!(string(28), b"user text\0");
    assert_eq!(number(32, 8), 2);
    assert_eq!(number(40, 8), 0xffff_5000);
    assert_eq!(number(48, 1), 0xbb);
    assert_eq!(number(50, 2), 0xb);
    assert_eq!(string(52), b"literal\0");
    assert_eq!(string(56), b"bash\0");
    assert_eq!(number(60, 4), 0, "what cannot be read has no bytes");
    assert_eq!(
        (number(64, 2), number(66, 2), number(68, 2)),
        (1, 2, 0),
        "an array to the end of what can be read"
    );
    assert_eq!(string(72), b"kernel text\0");
    assert_eq!(number(76, 4), 0);
    assert_eq!(number(80, 8), 0);
}

#[test]
fn return_probes_and_registers() {
    let mut probe = Probe::new(ProbeKind::Kretprobe, "vfs_read");
    probe.head.record_len = 32;
    probe.fetches = vec![fetch(Base::Retval, Shape::Signed, 8, 0, 24)];
    probe.fields = vec![
        source(SourceKind::RecordInt, 8, 8, 0),
        source(SourceKind::RecordInt, 8, 16, 0),
        source(SourceKind::RecordInt, 8, 24, 1),
        source(SourceKind::Word, 8, 0, 1),
        source(SourceKind::Registers, 0, 0, 0),
    ];
    let session = armed(
        "trace 'probe:vfs_read%return' function (e) { print(arg0, arg1, arg2, arg3, arg4) }",
        0,
        &probe,
    );
    let regs = Registers::default();
    let mut fired = event();
    (fired.ip, fired.caller, fired.words_len) = (11, 22, 1);
    fired.words[0] = -9i64 as u64;
    fired.regs = std::ptr::from_ref(&regs).cast();
    session.fire(0, &fired);
    let text = format!("{:?}", b"{r0: 0x1}");
    assert_eq!(
        printed(),
        [format!("Print([Int(11), Int(22), Int(-9), Int(-9), Str({text})])")]
    );
}

fn test(kind: TestKind, source: Source, value: u64) -> Test {
    Test {
        kind: kind as u16,
        source,
        value,
        ..Test::default()
    }
}

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
    let probe = Probe {
        filter: [vec![one; 64], vec![step(TestKind::And); 63]].concat(),
        ..Probe::new(ProbeKind::RawTracepoint, "b")
    };
    attach(&mut session, &probe);
}

#[test]
fn what_the_kernel_says_of_an_attachment() {
    let (mut session, _) = main_ran("trace a:b { }", 0);
    let mut ask = |probe: &Probe| reply(&session.request(Kind::Attach as u32, &probe.encode()));
    let named = |name| Probe::new(ProbeKind::Kprobe, name);
    assert_eq!(ask(&named(NO_SUCH)), (Code::NotFound as u32, 2, 0));
    assert_eq!(ask(&named(IMPOSSIBLE)), (Code::Unsupported as u32, 95, 2));
    let mut probe = named("f");
    let bad = probe.text(b"zz");
    probe.head.record_len = 24;
    probe.fetches = vec![fetch(Base::Register, Shape::Unsigned, 8, bad, 16)];
    assert_eq!(ask(&probe), (Code::NotFound as u32, 0, 0));
    let mut probe = named("f");
    probe.head.attached = 1;
    assert_eq!(ask(&probe).0, Code::Malformed as u32);
    assert_eq!(ask(&named("a\0b")).0, Code::Malformed as u32);
    assert_eq!(ask(&named("")).0, Code::Malformed as u32);
    let attached: Attached = read(&session.request(Kind::Attach as u32, &named("f").encode()), 0);
    assert_eq!((attached.reply.code, attached.matched), (0, 1));
}

#[test]
fn writes_only_when_allowed() {
    let probe = Probe::new(ProbeKind::Kprobe, "f");
    let script = "trace 'probe:f' function (e) { e.set_retval(-12) }";
    let mut session = armed(script, 0, &probe);
    assert_eq!(session.fire(0, &event()), 1);
    assert_eq!(stats(&mut session).0.end.trap, Trap::Unsafe as u32);
    assert_eq!(world(|world| world.retval), None);
    drop(session);
    let session = armed(script, UNSAFE, &probe);
    assert_eq!(session.fire(0, &event()), 0);
    assert_eq!(world(|world| world.retval), Some(-12i64 as u64));
}

#[test]
fn a_full_ring_is_counted_by_attachment() {
    let mut probe = Probe::new(ProbeKind::RawTracepoint, "b");
    probe.head.attached = 1;
    let mut session = armed("trace a:a { } trace a:b { print(1); print(2) }", 0, &probe);
    world(|world| world.ring_full = true);
    assert_eq!(session.fire(0, &event()), 0);
    let (stats, each) = stats(&mut session);
    assert_eq!(stats.lost, 2);
    assert_eq!((each[0].lost, each[1].lost), (0, 2));
}

#[test]
fn an_empty_handler_asks_for_nothing() {
    let mut probe = Probe::new(ProbeKind::RawTracepoint, "b");
    probe.filter = vec![test(TestKind::Eq, source(SourceKind::Int, 0, 0, 1), 1)];
    let mut session = armed("trace a:b { } trace a:c { exit(1) }", 0, &probe);
    let mut far = event();
    far.cpu = u32::MAX;
    // Not even for a frame.
    assert_eq!((session.fire(0, &event()), session.fire(0, &far)), (0, 0));
    assert_eq!(stats(&mut session).0.recursion, 0);
    assert_eq!(reply(&session.request(Kind::Stop as u32, &[])), DONE);
    let ran: Ran = read(&session.request(Kind::RunEnd as u32, &0u32.to_ne_bytes()), 0);
    assert_eq!((ran.reply.code, ran.end.state), (0, State::Done as u32));
}

#[test]
fn one_time_for_all_records_of_a_run() {
    let probe = Probe::new(ProbeKind::RawTracepoint, "b");
    let session = armed("trace a:b { print(1); print(2) }", 0, &probe);
    session.fire(0, &event());
    session.fire(0, &event());
    let times: Vec<u64> = world(|world| world.entries.iter().map(|entry| entry.time_ns).collect());
    assert_eq!(times.len(), 4);
    assert!(
        times[0] == times[1] && times[1] < times[2] && times[2] == times[3],
        "{times:?}"
    );
}

#[test]
fn builtins_of_the_kernel() {
    let probe = Probe::new(ProbeKind::RawTracepoint, "b");
    let script = "trace a:b { print(uid, num_cpus(), arch(), kernel_v(), in_interrupt(), in_iowait(), curr_taskinfo(4), \
                  curr_taskinfo(4, 8), gettimeofday_s(), kernel_string(0xfff0), user_string(0xfff0)); print(stack(2, 1), ustack()) }";
    let session = armed(script, 0, &probe);
    world(|world| {
        world.kernel.insert(0xfff0, b"kern\0".to_vec());
        world.user.insert(0xfff0, b"user".to_vec());
    });
    session.fire(0, &event());
    let text = |bytes: &[u8]| format!("Str({bytes:?})");
    assert_eq!(
        printed()[0],
        format!(
            "Print([Int(1000), Int(2), {}, {}, Int(256), Int(1), Int(-2), Int(40), Int(1700000000), {}, {}])",
            text(b"riscv64"),
            text(b"6.1.0"),
            text(b"kern"),
            text(b"user")
        )
    );
    assert!(
        printed()[1].contains("Stack(false, 0, [2, 0, 255, 255"),
        "{}",
        printed()[1]
    );
    assert!(
        printed()[1].contains("Stack(true, 41, [17, 0, 255, 255"),
        "{}",
        printed()[1]
    );
    drop(session);
    let mut session = armed("trace a:b { print(curr_taskinfo(-8)) }", 0, &probe);
    assert_eq!(session.fire(0, &event()), 1);
    assert_eq!(stats(&mut session).0.end.trap, Trap::WrongArgument as u32);
}

#[test]
fn events_of_no_cpu_are_counted() {
    let mut session = armed("trace a:b { print(1) }", 0, &Probe::new(ProbeKind::RawTracepoint, "b"));
    let mut far = event();
    far.cpu = kernel::CPUS;
    assert_eq!(session.fire(0, &far), 0);
    far.cpu = u32::MAX;
    assert_eq!(session.fire(0, &far), 0);
    assert_eq!(printed().len(), 0);
    assert_eq!(stats(&mut session).0.recursion, 2);
}

#[test]
fn memory_may_run_out_anywhere() {
    let mut probe = Probe::new(ProbeKind::Kprobe, "f");
    probe.head.flags = NEEDS_RECORD;
    for allowed in 0..8 {
        let mut session = Session::open();
        world(|world| world.allocations = Some(allowed));
        let load = load(&image("trace probe:f { print(argstr) }"), 0);
        let loaded = reply(&session.request(Kind::Load as u32, &load));
        if loaded != DONE {
            assert_eq!(loaded.0, Code::NoMemory as u32);
            assert!(loaded.2 > 0);
            // Nothing is left of it, so it may be tried again.
            world(|world| world.allocations = None);
            assert_eq!(reply(&session.request(Kind::Load as u32, &load)), DONE);
            continue;
        }
        session.request(Kind::RunMain as u32, &[]);
        let attached = reply(&session.request(Kind::Attach as u32, &probe.encode()));
        assert!(attached == DONE || attached.0 == Code::NoMemory as u32, "{attached:?}");
        assert_eq!(world(|world| world.attached.len()), (attached == DONE) as usize);
    }
}

#[test]
fn programs_are_verified_here() {
    let mut broken = image("print(1)");
    broken.code[0] = ktap_bytecode::op::Word(0xff);
    let mut session = Session::open();
    let output = session.request(Kind::Load as u32, &load(&broken, 0));
    let loaded: Loaded = read(&output, 0);
    assert_eq!(loaded.reply.code, Code::Rule as u32);
    assert_eq!(
        loaded.reply.detail & 0xffff,
        ktap_bytecode::verify::Rule::UnknownOp as i64
    );
    assert_eq!(reply(&session.request(Kind::RunMain as u32, &[])).0, OUT_OF_ORDER);
}

#[test]
fn absurd_limits_are_refused_or_bounded() {
    let huge = ktap_bytecode::limits::Limits {
        memory: u32::MAX,
        loops: u32::MAX,
        fuel: u32::MAX,
        stack_slots: u32::MAX,
        call_depth: u32::MAX,
        scratch: u32::MAX,
    };
    let image = image("print(1)");
    let mut session = Session::open();
    let output = session.request(Kind::Load as u32, &requests::load_with(&image, 0, 0, &huge));
    assert_eq!(reply(&output).0, Code::NoMemory as u32);
    let none = ktap_bytecode::limits::Limits {
        memory: 0,
        loops: 0,
        fuel: 0,
        stack_slots: 0,
        call_depth: 0,
        scratch: 0,
    };
    for ring in [1u32, 4095, 4097, 1 << 31] {
        let output = session.request(Kind::Load as u32, &requests::load_with(&image, 0, ring, &none));
        assert_eq!(reply(&output).0, Code::Malformed as u32, "a ring of {ring}");
    }
    let output = session.request(Kind::Load as u32, &requests::load_with(&image, 0, 4096, &none));
    assert_eq!(reply(&output), DONE);
    assert_eq!(world(|world| world.rings), 4096);
    assert_eq!(reply(&session.request(Kind::RunMain as u32, &[])), DONE);
}
