//! The built agent on this machine's own kernel, driven over its standard input and output.
//!
//! Needs what `cargo xtask build` makes (or another binary, named by `KTAP_AGENT`), root and tracefs. Programs are put together by hand,
//! so that nothing but the agent, the VM and the contract is tested.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Const, Field, FieldKind, Function};
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_bytecode::record::{Record, RecordBody, RecordValue};
use ktap_bytecode::trap::Trap;
use ktap_bytecode::version::{MAJOR, MINOR};
use ktap_link::message::{
    Answer, BoardMessage, EndReason, Ending, EngineChoice, HostMessage, LostCounters, Packed, Question, RefusalCode,
    RunOptions, TalkSource,
};
use ktap_link::session::{Received, Session};

/// Longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(60);

struct Agent {
    child: Child,
    stdin: Option<ChildStdin>,
    bytes: Receiver<Vec<u8>>,
    session: Session,
    start: Instant,
}

impl Agent {
    /// Starts the agent and greets it; nothing if there is none to start.
    fn greeted() -> Agent {
        let mut agent = Agent::start();
        agent.say(&HostMessage::Hello {
            major: MAJOR,
            minor: MINOR,
        });
        let BoardMessage::Hello(hello) = agent.hear() else {
            panic!("the first message is Hello")
        };
        assert_eq!((hello.major, hello.minor), (MAJOR, MINOR));
        agent.say(&HostMessage::Credit { bytes: 1 << 24 });
        agent
    }

    fn start() -> Agent {
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/agents/x86_64/ktap-agent");
        let path = std::env::var_os("KTAP_AGENT").unwrap_or_else(|| built.into());
        assert!(
            std::path::Path::new(&path).exists(),
            "there is no {path:?}: `cargo xtask build` makes it"
        );
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the agent");
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
        let stdin = child.stdin.take();
        Agent {
            child,
            stdin,
            bytes,
            session: Session::host(std::process::id()),
            start: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn flush(&mut self) {
        let mut out = Vec::new();
        self.session.transmit(self.now(), &mut out);
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(&out);
        }
    }

    fn say(&mut self, message: &HostMessage) {
        self.session.send(&message.to_bytes()).expect("a whole session");
        self.flush();
    }

    fn hear(&mut self) -> BoardMessage {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.session.next_received() {
                Some(Received::Message(bytes)) => return BoardMessage::from_bytes(&bytes).expect("a message"),
                Some(Received::Noise(text)) => panic!("noise: {:?}", String::from_utf8_lossy(&text)),
                None => {}
            }
            match self.bytes.recv_timeout(Duration::from_millis(20)) {
                Ok(bytes) => {
                    let now = self.now();
                    self.session.receive(&bytes, now);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the agent ended: {:?}", self.child.wait()),
            }
            self.flush();
            assert_eq!(self.session.broken(), None);
        }
        panic!("no answer");
    }

    fn load(&mut self, image: &Image, options: RunOptions) -> BoardMessage {
        self.say(&HostMessage::Load {
            image: Packed::pack(&image.to_bytes()),
            options,
        });
        self.hear()
    }

    /// Loads and starts a program that is to be accepted; returns the events armed.
    fn begin(&mut self, image: &Image, options: RunOptions) -> u32 {
        let loaded = self.load(image, options);
        assert!(matches!(loaded, BoardMessage::Loaded { .. }), "{loaded:?}");
        self.say(&HostMessage::Start);
        loop {
            match self.hear() {
                BoardMessage::Started { armed, .. } => return armed.iter().map(|armed| armed.events).sum(),
                BoardMessage::Records(_) => {}
                other => panic!("not started: {other:?}"),
            }
        }
    }

    /// Hears all until the end.
    fn rest(&mut self) -> Rest {
        let mut rest = Rest::default();
        loop {
            match self.hear() {
                BoardMessage::Records(bytes) => rest.records.extend(bytes),
                BoardMessage::Lost(lost) => rest.lost = lost,
                BoardMessage::Talk {
                    source: TalkSource::CommandOut,
                    bytes,
                } => rest.talk.extend(bytes),
                BoardMessage::Ended(ending) => {
                    rest.ending = Some(ending);
                    return rest;
                }
                BoardMessage::Pong => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn refused(&mut self, image: &Image, options: RunOptions) -> (RefusalCode, i64) {
        match self.load(image, options) {
            BoardMessage::Refused(refusal) => (refusal.code, refusal.detail),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn end(mut self) {
        self.say(&HostMessage::Bye);
        self.stdin = None;
        assert_eq!(self.child.wait().expect("a status").code(), Some(0));
    }
}

#[derive(Default)]
struct Rest {
    records: Vec<u8>,
    lost: LostCounters,
    talk: Vec<u8>,
    ending: Option<Ending>,
}

impl Rest {
    /// The printed values, all records after one another.
    fn printed(&self) -> Vec<String> {
        let mut bytes = &self.records[..];
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let (record, rest) = Record::take(bytes).expect("a record");
            bytes = rest;
            let RecordBody::Print(values) = record.body else {
                continue;
            };
            for value in values {
                out.push(match value {
                    RecordValue::Str(text) => String::from_utf8_lossy(text).into_owned(),
                    RecordValue::Int(number) => number.to_string(),
                    other => format!("{other:?}"),
                });
            }
        }
        out
    }

    fn reason(&self) -> EndReason {
        self.ending.as_ref().expect("an ending").reason
    }
}

/// A program of functions, each a list of words; the first is main.
fn image(functions: &[&[Word]], probes: Vec<Vec<ProbePoint>>) -> Image {
    let mut start = 0;
    let place = |words: &&[Word]| {
        let len = words.len() as u32;
        start += len;
        let (first_capture, captures) = (0, 0);
        Function {
            start: start - len,
            len,
            first_capture,
            captures,
            regs: 8,
            params: 0,
            vararg: 0,
            reserved: 0,
        }
    };
    Image {
        major: MAJOR,
        minor: MINOR,
        build_id: Vec::new(),
        globals: 4,
        functions: functions.iter().map(place).collect(),
        code: functions.concat(),
        consts: Vec::new(),
        bytes: Vec::new(),
        captures: Vec::new(),
        fields: Vec::new(),
        formats: Vec::new(),
        probes: probes.into_iter().map(|points| Probe { points }).collect(),
    }
}

fn attach_all(count: u16) -> Vec<Word> {
    let pairs = (0..count).flat_map(|i| [Word::ad(Op::Closure, 0, i + 1), Word::ad(Op::Attach, 0, i)]);
    pairs.chain([Word::abc(Op::Return0, 0, 0, 0)]).collect()
}

fn call(builtin: Builtin, at: u8, arguments: u8) -> Word {
    Word::abc(Op::CallBuiltin, at, arguments, builtin as u8)
}

const RETURN: Word = Word::abc(Op::Return0, 0, 0, 0);

fn count_up() -> Vec<Word> {
    vec![Word::ad(Op::LoadI, 0, 1), Word::ad(Op::GAdd, 0, 0), RETURN]
}

fn print_count() -> Vec<Word> {
    vec![Word::ad(Op::GGet, 1, 0), call(Builtin::Print, 0, 1), RETURN]
}

fn tracepoint(system: &str, event: &str, filter: Option<&str>) -> ProbePoint {
    ProbePoint::Tracepoint {
        system: system.into(),
        event: event.into(),
        filter: filter.map(Into::into),
    }
}

fn counting(system: &str, event: &str, filter: Option<&str>) -> Image {
    let points = vec![vec![tracepoint(system, event, filter)], vec![ProbePoint::End]];
    image(&[&attach_all(2), &count_up(), &print_count()], points)
}

fn own() -> RunOptions {
    RunOptions {
        pid: Some(std::process::id()),
        ..RunOptions::default()
    }
}

fn getppid(times: u32) {
    for _ in 0..times {
        std::hint::black_box(std::os::unix::process::parent_id());
    }
}

#[test]
fn counts_are_exact() {
    let mut agent = Agent::greeted();
    // Those that fit the ring are all there, however busy this machine is; of more, what is missing is counted.
    for (times, fit) in [(1, true), (7_777, true), (300_000, false)] {
        assert_eq!(agent.begin(&counting("syscalls", "sys_enter_getppid", None), own()), 1);
        getppid(times);
        agent.say(&HostMessage::Stop);
        let rest = agent.rest();
        let counted: u64 = rest.printed()[0].parse().expect("a number");
        let lost: u64 = rest.lost.ring.iter().map(|(_, count)| count).sum();
        assert_eq!((counted + lost, rest.reason()), (times as u64, EndReason::Stopped));
        assert!(!fit || rest.lost == LostCounters::default(), "{:?}", rest.lost);
    }
    agent.end();
}

#[test]
fn all_system_calls() {
    let mut agent = Agent::greeted();
    assert!(agent.begin(&counting("syscalls", "sys_enter_*", Some("common_pid != 0")), own()) > 200);
    getppid(10);
    agent.say(&HostMessage::Stop);
    let count: u32 = agent.rest().printed()[0].parse().expect("a number");
    assert!(count >= 10);
    agent.end();
}

#[test]
fn fields_members_and_tasks() {
    let mut agent = Agent::greeted();
    let member = |number| Field {
        kind: FieldKind::Member as u8,
        reserved: 0,
        number,
        name: 0,
    };
    let handler = [
        Word::ad(Op::EvField, 1, 0),
        Word::ad(Op::EvField, 2, 1),
        Word::ad(Op::EvField, 3, 2),
        Word::ad(Op::EvField, 4, 3),
        Word::abc(Op::CallBuiltin, 5, 0, Builtin::Pid as u8),
        Word::abc(Op::CallBuiltin, 6, 0, Builtin::Execname as u8),
        call(Builtin::Print, 0, 6),
        call(Builtin::Exit, 0, 0),
        RETURN,
    ];
    let mut program = image(
        &[&attach_all(1), &handler],
        vec![vec![tracepoint("syscalls", "sys_enter_kill", Some("sig == 0"))]],
    );
    program.bytes = b"sig".to_vec();
    program.consts = vec![Const::str(0, 3)];
    let name = Field {
        kind: FieldKind::Name as u8,
        reserved: 0,
        number: 0,
        name: 0,
    };
    let first = Field {
        kind: FieldKind::Arg as u8,
        reserved: 0,
        number: 1,
        name: Field::NO_NAME,
    };
    // name, sig by name, pid by number, sc_arg1.
    program.fields = vec![member(0), name, first, member(6)];
    agent.begin(&program, RunOptions::default());
    let mut shell = Command::new("sh").args(["-c", "kill -0 $$"]).spawn().expect("a shell");
    let pid = shell.id().to_string();
    shell.wait().expect("a status");
    let rest = agent.rest();
    assert_eq!(rest.printed(), ["sys_enter_kill", "0", &pid, &pid, &pid, "sh"]);
    assert_eq!(rest.reason(), EndReason::Exit);
    agent.end();
}

#[test]
fn a_command_is_traced_and_ends_the_session() {
    let mut agent = Agent::greeted();
    let command = ["sh", "-c", "echo out; (exit 0); exit 3"].map(String::from).to_vec();
    agent.begin(
        &counting("sched", "sched_process_exit", None),
        RunOptions {
            command,
            ..RunOptions::default()
        },
    );
    let rest = agent.rest();
    assert_eq!(
        (rest.reason(), rest.talk.as_slice()),
        (EndReason::Command, &b"out\n"[..])
    );
    assert_eq!(rest.ending.as_ref().and_then(|ending| ending.command_status), Some(3));
    assert_eq!(rest.printed(), ["2"]);
    let missing = RunOptions {
        command: vec!["no such program".into()],
        ..RunOptions::default()
    };
    let loaded = agent.load(&counting("sched", "sched_process_exit", None), missing);
    assert!(matches!(loaded, BoardMessage::Loaded { .. }));
    agent.say(&HostMessage::Start);
    let BoardMessage::Refused(refusal) = agent.hear() else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, RefusalCode::NoCommand);
    agent.end();
}

#[test]
fn ticks_main_and_traps() {
    let mut agent = Agent::greeted();
    // A tick that exits with 5 the third time.
    let tick = [
        Word::ad(Op::LoadI, 0, 1),
        Word::ad(Op::GAdd, 0, 0),
        Word::ad(Op::GGet, 0, 0),
        Word::ad(Op::LoadI, 1, 3),
        Word::abc(Op::Lt, 2, 0, 1),
        Word::ad(Op::JmpT, 2, 2),
        Word::ad(Op::LoadI, 1, 5),
        call(Builtin::Exit, 0, 1),
        RETURN,
    ];
    let points = vec![vec![ProbePoint::Tick { period_ns: 2_000_000 }], vec![ProbePoint::End]];
    agent.begin(
        &image(&[&attach_all(2), &tick, &print_count()], points),
        RunOptions::default(),
    );
    let rest = agent.rest();
    assert_eq!((rest.printed(), rest.reason()), (vec!["3".into()], EndReason::Exit));
    assert_eq!(rest.ending.map(|ending| ending.status), Some(5));

    // Main alone.
    let main = [Word::ad(Op::LoadI, 1, 42), call(Builtin::Print, 0, 1), RETURN];
    agent.load(&image(&[&main], vec![]), RunOptions::default());
    agent.say(&HostMessage::Start);
    assert!(matches!(agent.hear(), BoardMessage::Started { .. }));
    let rest = agent.rest();
    assert_eq!(
        (rest.printed(), rest.reason()),
        (vec!["42".into()], EndReason::Finished)
    );

    // A trap ends the session after trace_end.
    let divide = [Word::ad(Op::LoadI, 0, 0), Word::abc(Op::Div, 0, 0, 0), RETURN];
    let points = vec![vec![ProbePoint::Tick { period_ns: 1_000_000 }], vec![ProbePoint::End]];
    agent.begin(
        &image(&[&attach_all(2), &divide, &print_count()], points),
        RunOptions::default(),
    );
    let rest = agent.rest();
    assert_eq!(rest.printed(), ["Nil"]);
    let EndReason::Trap { trap, function: 1, .. } = rest.reason() else {
        panic!("{:?}", rest.reason())
    };
    assert_eq!(trap, Trap::DivideByZero as u8);
    agent.end();
}

#[test]
fn profile_samples_every_cpu() {
    let mut agent = Agent::greeted();
    let points = vec![
        vec![ProbePoint::Profile { period_ns: 1_000_000 }],
        vec![ProbePoint::End],
    ];
    agent.begin(&image(&[&attach_all(2), &count_up(), &print_count()], points), own());
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        std::hint::black_box(0);
    }
    agent.say(&HostMessage::Stop);
    let count: u32 = agent.rest().printed()[0].parse().expect("a number");
    assert!(count > 10, "{count}");
    agent.end();
}

#[test]
fn everything_at_once() {
    let mut agent = Agent::greeted();
    let events = agent.begin(&counting("*", "*", None), RunOptions::default());
    getppid(1000);
    agent.say(&HostMessage::Stop);
    assert_eq!(agent.rest().reason(), EndReason::Stopped);
    assert!(events > 100);
    agent.end();
}

#[test]
fn refusals() {
    let mut agent = Agent::greeted();
    let nothing = RunOptions::default();
    let missing = agent.refused(&counting("sched", "no_such_event", None), nothing.clone());
    assert_eq!(missing, (RefusalCode::NoSuchEvent, 0));
    let kprobe = ProbePoint::Function { glob: "x".into() };
    let other = image(&[&attach_all(1), &count_up()], vec![vec![kprobe]]);
    assert_eq!(agent.refused(&other, nothing.clone()), (RefusalCode::WrongEngine, 0));
    let kmod = RunOptions {
        engine: EngineChoice::Kmod,
        ..nothing.clone()
    };
    assert_eq!(
        agent.refused(&counting("sched", "*", None), kmod).0,
        RefusalCode::NoEngine
    );
    let elsewhere = Image {
        build_id: vec![1, 2, 3],
        ..counting("sched", "*", None)
    };
    assert_eq!(agent.refused(&elsewhere, nothing.clone()).0, RefusalCode::WrongKernel);
    let broken = Image {
        code: vec![Word(0xffff_ffff)],
        ..counting("sched", "*", None)
    };
    assert_eq!(agent.refused(&broken, nothing.clone()).0, RefusalCode::Rule);
    let lie = Packed {
        raw_len: u32::MAX,
        bytes: vec![1, 2, 3],
    };
    agent.say(&HostMessage::Load {
        image: lie,
        options: nothing.clone(),
    });
    let BoardMessage::Refused(refusal) = agent.hear() else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, RefusalCode::Malformed);
    for message in [HostMessage::Start, HostMessage::Stop, HostMessage::Abort] {
        agent.say(&message);
        let BoardMessage::Refused(refusal) = agent.hear() else {
            panic!("not refused")
        };
        assert_eq!(refusal.code, RefusalCode::OutOfOrder);
    }
    // As much memory as can be asked for: refused or not, as the board has it.
    let limits = Limits {
        memory: u32::MAX,
        stack_slots: u32::MAX,
        call_depth: u32::MAX,
        ..Limits::default()
    };
    match agent.load(
        &counting("sched", "*", None),
        RunOptions {
            limits,
            ..nothing.clone()
        },
    ) {
        BoardMessage::Refused(refusal) => assert_eq!(refusal.code, RefusalCode::NoMemory),
        _ => {
            agent.say(&HostMessage::Abort);
            assert!(matches!(agent.hear(), BoardMessage::Ended(_)));
        }
    }
    agent.load(&counting("sched", "sched_switch", Some("no_such_field == 1")), nothing);
    agent.say(&HostMessage::Start);
    let BoardMessage::Refused(refusal) = agent.hear() else {
        panic!("not refused")
    };
    assert_eq!(
        (refusal.code, refusal.name.as_str()),
        (RefusalCode::BadFilter, "no_such_field == 1")
    );
    agent.end();
}

#[test]
fn questions() {
    let mut agent = Agent::greeted();
    let mut ask = |question| {
        agent.say(&HostMessage::Ask { id: 9, question });
        let mut text = Vec::new();
        loop {
            let BoardMessage::Answer { id: 9, last, answer } = agent.hear() else {
                panic!("no answer")
            };
            match answer {
                Answer::Text(part) => text.extend(part.unpack(1 << 20).expect("text")),
                Answer::Abilities(all) => {
                    text.extend(all.iter().flat_map(|a| format!("{}={} ", a.name, a.yes).into_bytes()))
                }
                Answer::Refused(refusal) => return format!("{:?}", refusal.code),
            }
            if last {
                return String::from_utf8(text).expect("text");
            }
        }
    };
    assert_eq!(
        ask(Question::Events {
            glob: "sched:sched_sw[i]tch".into()
        }),
        "sched:sched_switch\n"
    );
    let format = ask(Question::FormatOf {
        name: "sched:sched_switch".into(),
    });
    let id = format
        .lines()
        .find_map(|line| line.strip_prefix("ID: "))
        .expect("an id")
        .parse()
        .expect("a number");
    assert_eq!(ask(Question::Format { id }), format);
    assert_eq!(ask(Question::FormatOf { name: "../x:y".into() }), "NoSuchEvent");
    assert!(ask(Question::Abilities).contains("engine user=true"));
    assert!(ask(Question::Kallsyms).len() > 1 << 20);
    assert_eq!(
        ask(Question::File {
            path: "/proc/sys/kernel/ostype".into(),
            limit: 3
        }),
        "Lin"
    );
    assert_eq!(
        ask(Question::File {
            path: "/nowhere".into(),
            limit: 3
        }),
        "System"
    );
    agent.end();
}

#[test]
fn garbage_is_survived() {
    let mut agent = Agent::start();
    let mut seed = 1u64;
    for _ in 0..200 {
        let noise: Vec<u8> = (0..1000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        agent
            .stdin
            .as_mut()
            .expect("a pipe")
            .write_all(&noise)
            .expect("a living agent");
    }
    agent
        .stdin
        .as_mut()
        .expect("a pipe")
        .write_all(&[0, 0])
        .expect("a living agent");
    agent.say(&HostMessage::Hello {
        major: MAJOR,
        minor: MINOR,
    });
    assert!(matches!(agent.hear(), BoardMessage::Hello(_)));
    for bytes in [&[][..], &[0xff], &[1, 0xff, 0xff, 0xff, 0xff, 0x0f], &[6, 1]] {
        agent.session.send(bytes).expect("a whole session");
        agent.flush();
        assert!(matches!(agent.hear(), BoardMessage::Refused(_)));
    }
    // Bit flips in a good image: each is refused or runs, none crashes.
    let good = counting("sched", "sched_process_exit", None).to_bytes();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        agent.say(&HostMessage::Load {
            image: Packed {
                raw_len: bad.len() as u32,
                bytes: bad,
            },
            options: own(),
        });
        if let BoardMessage::Loaded { .. } = agent.hear() {
            agent.say(&HostMessage::Start);
            let begun = matches!(agent.hear(), BoardMessage::Started { .. });
            agent.say(&HostMessage::Abort);
            while begun && !matches!(agent.hear(), BoardMessage::Ended(_)) {}
            while agent.session.next_received().is_some() {}
        }
        // Whatever is still to come, comes before this.
        agent.say(&HostMessage::Ping);
        while !matches!(agent.hear(), BoardMessage::Pong) {}
    }
    agent.end();
}

#[test]
fn a_closed_input_ends_the_agent() {
    let mut agent = Agent::greeted();
    agent.begin(&counting("syscalls", "*", None), RunOptions::default());
    agent.stdin = None;
    assert_eq!(agent.child.wait().expect("a status").code(), Some(0));
}
