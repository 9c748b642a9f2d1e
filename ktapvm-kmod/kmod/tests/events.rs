//! What a handler sees of its event.

mod armed;
mod kernel;
mod requests;

use armed::*;
use kernel::*;
use ktap_bytecode::trap::Trap;
use ktap_device::attach::{Base, Fetch, Kind as ProbeKind, NEEDS_RECORD, Shape, Source, SourceKind};
use ktap_device::load::UNSAFE;
use requests::*;

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
    drop(session);
    let mut session = armed(script, UNSAFE, &probe);
    world(|world| world.fixed_returns = true);
    assert_eq!(session.fire(0, &event()), 1);
    assert_eq!(stats(&mut session).0.end.trap, Trap::NotInjectable as u32);
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
        // In the task's memory: as `+u0` says, and as the address says.
        with(fetch(Base::Argument, Shape::String, 0, 4, 88), 2, 1),
        with(fetch(Base::Argument, Shape::String, 0, 4, 92), 3, 1),
        with(fetch(Base::Argument, Shape::Unsigned, 4, 4, 96), 3, 1),
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
    assert_eq!(
        (string(88), string(92)),
        (b"user text\0".to_vec(), b"user text\0".to_vec())
    );
    assert_eq!(number(96, 4), u32::from_ne_bytes(*b"user") as u64);
}
