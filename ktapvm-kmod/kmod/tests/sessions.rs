//! Whole sessions: loaded, attached, fired, stopped, as an agent does it.

mod armed;
mod kernel;
mod requests;

use armed::*;
use kernel::*;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::trap::Trap;
use ktap_device::attach::{Attached, Base, Kind as ProbeKind, NEEDS_RECORD, Shape, SourceKind, TestKind};
use ktap_device::load::{Loaded, Scope};
use ktap_device::request::{Code, INTERFACE, Kind, VersionReply};
use ktap_device::stats::{AttachedStats, Ran, State, Stats};
use requests::*;

const OUT_OF_ORDER: u32 = Code::OutOfOrder as u32;

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
    let table: [(&[usize], [u8; 9]); 6] = [
        (&[], [1, 1, 0, 0, 0, 0, 0, 0, 0]),
        (&[1], [1, 0, 1, 1, 0, 0, 1, 0, 1]),
        (&[1, 3], [1, 0, 1, 0, 1, 1, 1, 0, 1]),
        (&[1, 3, 4], [1, 0, 0, 0, 1, 1, 1, 0, 1]),
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
    let image = image("var t = {} t[1] = 2 print(t[1])");
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
