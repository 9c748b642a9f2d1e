//! The bytes of every message and frame, guarded by golden files that may only grow.

// One way to keep golden files for both crates of the contract.
#[path = "../../tests/sample/golden.rs"]
mod golden;

use std::path::Path;

use golden::{hex_line, only_grows};
use ktap_bytecode::limits::Limits;
use ktap_bytecode::version::MAJOR;
use ktap_link::MessageError;
use ktap_link::frame::{self, Frame, Header, Kind, flag};
use ktap_link::message::*;
use proptest::prelude::*;

/// Every variant of an enum without fields, by name; adding one to the enum without adding it here does not compile.
macro_rules! every {
    ($t:ident: $($v:ident),* $(,)?) => {{
        #[allow(dead_code)]
        fn exhaustive(value: $t) {
            match value { $($t::$v => {})* }
        }
        vec![$((concat!(stringify!($t), ".", stringify!($v)), $t::$v)),*]
    }};
}

fn refusal() -> Refusal {
    Refusal {
        stage: Stage::Attach,
        code: RefusalCode::NoSuchEvent,
        errno: -2,
        detail: 300,
        name: "sched:x".into(),
    }
}

fn limits() -> Limits {
    Limits {
        memory: 8 << 20,
        loops: 100_000,
        fuel: 1_000_000,
        stack_slots: 4096,
        call_depth: 200,
        scratch: 65_536,
    }
}

fn options() -> RunOptions {
    RunOptions {
        engine: EngineChoice::User,
        limits: limits(),
        pid: Some(4321),
        cpu: None,
        command: vec!["/bin/ls".into(), "-l".into()],
        include_self: false,
        allow_unsafe: true,
        ring_pages: 64,
        dry_run: false,
    }
}

fn packed() -> Packed {
    Packed {
        raw_len: 300,
        bytes: vec![1, 2, 3],
    }
}

fn module(state: ModuleState) -> Module {
    Module {
        state,
        reason: "x".into(),
    }
}

fn host_messages() -> Vec<(&'static str, HostMessage)> {
    let ask = |question| HostMessage::Ask { id: 7, question };
    vec![
        ("Hello", HostMessage::Hello { major: MAJOR, minor: 0 }),
        (
            "Load",
            HostMessage::Load {
                image: packed(),
                options: options(),
            },
        ),
        ("Start", HostMessage::Start),
        ("Stop", HostMessage::Stop),
        ("Abort", HostMessage::Abort),
        ("Credit", HostMessage::Credit { bytes: 65_536 }),
        ("Ask.Events", ask(Question::Events { glob: "sched:*".into() })),
        ("Ask.Format", ask(Question::Format { id: 314 })),
        (
            "Ask.FormatOf",
            ask(Question::FormatOf {
                name: "sched:sched_switch".into(),
            }),
        ),
        ("Ask.Abilities", ask(Question::Abilities)),
        ("Ask.Kallsyms", ask(Question::Kallsyms)),
        (
            "Ask.File",
            ask(Question::File {
                path: "/proc/version".into(),
                limit: 4096,
            }),
        ),
        ("Ping", HostMessage::Ping),
        ("Bye", HostMessage::Bye),
        ("Module", HostMessage::Module { image: packed() }),
    ]
}

fn board_messages() -> Vec<(&'static str, BoardMessage)> {
    let hello = BoardHello {
        major: MAJOR,
        minor: 0,
        agent: "0.1.0".into(),
        machine: "x86_64".into(),
        release: "6.1.0".into(),
        node: "edge".into(),
        build_id: vec![0xde, 0xad],
        cpus: 4,
        module: module(ModuleState::Missing),
    };
    let lost = LostCounters {
        ring: vec![(1, 300), (2, 1)],
        link: 1,
        fuel: 2,
        table: 3,
        recursion: 4,
        oversize: 5,
        missed: 6,
    };
    let answer = |answer| BoardMessage::Answer {
        id: 7,
        last: true,
        answer,
    };
    let ended = |reason| {
        BoardMessage::Ended(Ending {
            reason,
            status: -1,
            events: 300,
            command_status: Some(137),
        })
    };
    let talk = |source| BoardMessage::Talk {
        source,
        bytes: b"hi\n".to_vec(),
    };
    let ability = Ability {
        name: "tracefs".into(),
        yes: true,
        reason: "/sys/kernel/tracing".into(),
    };
    vec![
        ("Hello", BoardMessage::Hello(hello)),
        (
            "Loaded",
            BoardMessage::Loaded {
                memory: 300,
                warnings: vec![refusal()],
                engine: EngineChoice::Kmod,
                reason: "loaded".into(),
            },
        ),
        ("Refused", BoardMessage::Refused(refusal())),
        (
            "Started",
            BoardMessage::Started {
                armed: vec![Armed { probe: 1, events: 300 }],
                command_pid: Some(99),
            },
        ),
        ("Records", BoardMessage::Records(vec![0x80, 1, 2])),
        ("Lost", BoardMessage::Lost(lost)),
        ("Answer.Text", answer(Answer::Text(packed()))),
        ("Answer.Abilities", answer(Answer::Abilities(vec![ability]))),
        ("Answer.Refused", answer(Answer::Refused(refusal()))),
        ("Ended.Finished", ended(EndReason::Finished)),
        ("Ended.Exit", ended(EndReason::Exit)),
        ("Ended.Stopped", ended(EndReason::Stopped)),
        ("Ended.Command", ended(EndReason::Command)),
        (
            "Ended.Trap",
            ended(EndReason::Trap {
                trap: 8,
                function: 1,
                pc: 300,
                detail: -2,
            }),
        ),
        ("Ended.DryRun", ended(EndReason::DryRun)),
        ("Pong", BoardMessage::Pong),
        ("Talk.CommandOut", talk(TalkSource::CommandOut)),
        ("Talk.CommandErr", talk(TalkSource::CommandErr)),
        ("Talk.Agent", talk(TalkSource::Agent)),
        ("Inserted", BoardMessage::Inserted(module(ModuleState::Ready))),
    ]
}

/// Does not compile when a variant is added; then add a sample above and an arm here.
fn variant(message: &HostMessage) -> &'static str {
    match message {
        HostMessage::Hello { .. } => "Hello",
        HostMessage::Load { .. } => "Load",
        HostMessage::Start => "Start",
        HostMessage::Stop => "Stop",
        HostMessage::Abort => "Abort",
        HostMessage::Credit { .. } => "Credit",
        HostMessage::Ask { question, .. } => match question {
            Question::Events { .. } => "Ask.Events",
            Question::Format { .. } => "Ask.Format",
            Question::FormatOf { .. } => "Ask.FormatOf",
            Question::Abilities => "Ask.Abilities",
            Question::Kallsyms => "Ask.Kallsyms",
            Question::File { .. } => "Ask.File",
        },
        HostMessage::Ping => "Ping",
        HostMessage::Bye => "Bye",
        HostMessage::Module { .. } => "Module",
    }
}

/// As [`variant`].
fn board_variant(message: &BoardMessage) -> &'static str {
    match message {
        BoardMessage::Hello(_) => "Hello",
        BoardMessage::Loaded { .. } => "Loaded",
        BoardMessage::Refused(_) => "Refused",
        BoardMessage::Started { .. } => "Started",
        BoardMessage::Records(_) => "Records",
        BoardMessage::Lost(_) => "Lost",
        BoardMessage::Answer { answer, .. } => match answer {
            Answer::Text(_) => "Answer.Text",
            Answer::Abilities(_) => "Answer.Abilities",
            Answer::Refused(_) => "Answer.Refused",
        },
        BoardMessage::Ended(Ending { reason, .. }) => match reason {
            EndReason::Finished => "Ended.Finished",
            EndReason::Exit => "Ended.Exit",
            EndReason::Stopped => "Ended.Stopped",
            EndReason::Command => "Ended.Command",
            EndReason::Trap { .. } => "Ended.Trap",
            EndReason::DryRun => "Ended.DryRun",
        },
        BoardMessage::Pong => "Pong",
        BoardMessage::Talk { source, .. } => match source {
            TalkSource::CommandOut => "Talk.CommandOut",
            TalkSource::CommandErr => "Talk.CommandErr",
            TalkSource::Agent => "Talk.Agent",
        },
        BoardMessage::Inserted(_) => "Inserted",
    }
}

#[test]
fn message_bytes() {
    let mut text = String::new();
    for (name, message) in host_messages() {
        assert_eq!(variant(&message), name);
        let bytes = message.to_bytes();
        assert_eq!(HostMessage::from_bytes(&bytes), Ok(message));
        text += &hex_line(name, &bytes);
    }
    only_grows("host_messages.hex", &text);

    let mut text = String::new();
    for (name, message) in board_messages() {
        assert_eq!(board_variant(&message), name);
        let bytes = message.to_bytes();
        assert_eq!(BoardMessage::from_bytes(&bytes), Ok(message));
        text += &hex_line(name, &bytes);
    }
    only_grows("board_messages.hex", &text);
}

#[test]
fn numbers_inside_messages() {
    let mut text = String::new();
    for (name, value) in every!(EngineChoice: Auto, User, Kmod) {
        text += &hex_line(name, &postcard::to_allocvec(&value).expect("encodes"));
    }
    for (name, value) in every!(Stage: Message, Decode, Verify, Memory, Attach, Command, Ask, Run, Module) {
        text += &hex_line(name, &postcard::to_allocvec(&value).expect("encodes"));
    }
    let codes = every!(
        RefusalCode: OutOfOrder, Malformed, Version, Rule, WrongKernel, NoMemory, NoTracefs, NoPerf, NoPermission,
        NoSuchEvent, NoSuchField, BadFilter, WrongEngine, TooMany, NoEngine, NoCommand, System, Unsafe, NoBuiltin,
        NoModule, Unsupported, NoSuchTarget, BadFetch,
    );
    for (name, value) in codes {
        text += &hex_line(name, &postcard::to_allocvec(&value).expect("encodes"));
    }
    for (name, value) in every!(ModuleState: Unable, Missing, Foreign, Ready) {
        text += &hex_line(name, &postcard::to_allocvec(&value).expect("encodes"));
    }
    only_grows("numbers.hex", &text);
}

#[test]
fn frame_bytes() {
    let header = |kind, flags| Header {
        kind,
        flags,
        nonce: 0x0403_0201,
        seq: 0x0102,
        ack: 0x0201,
    };
    let frames = [
        (
            "data.open",
            header(Kind::Data, flag::FIRST | flag::LAST | flag::OPEN),
            &b"hi"[..],
        ),
        ("data.first", header(Kind::Data, flag::FIRST), b"a"),
        ("data.middle", header(Kind::Data, 0), b"\0b"),
        ("data.last.board", header(Kind::Data, flag::LAST | flag::BOARD), b""),
        ("ack", header(Kind::Ack, 0), b""),
        (
            "ack.early.board",
            header(Kind::Ack, flag::BOARD),
            &0b101u128.to_le_bytes(),
        ),
        (
            "reset.board",
            Header {
                seq: 0,
                ack: 0,
                ..header(Kind::Reset, flag::BOARD)
            },
            b"",
        ),
    ];
    let mut text = String::new();
    for (name, header, payload) in frames {
        let mut bytes = Vec::new();
        frame::encode(&header, payload, &mut bytes);
        assert_eq!(
            frame::decode(&bytes[1..bytes.len() - 1]),
            Some(Frame {
                header,
                payload: payload.into()
            })
        );
        text += &hex_line(name, &bytes);
    }
    only_grows("frames.hex", &text);
}

#[test]
fn another_major_is_told_whatever_follows() {
    for bytes in [&[0, MAJOR + 1, 0][..], &[0, MAJOR + 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
        assert_eq!(HostMessage::from_bytes(bytes), Err(MessageError::Version(MAJOR + 1, 0)));
        assert_eq!(
            BoardMessage::from_bytes(bytes),
            Err(MessageError::Version(MAJOR + 1, 0))
        );
    }
    assert_eq!(
        HostMessage::from_bytes(&[0x80, 0, MAJOR + 1, 0]),
        Err(MessageError::Malformed),
        "0 spelled in two bytes"
    );
    assert!(
        HostMessage::from_bytes(&[0, MAJOR, 255]).is_ok(),
        "a later minor of our major may say hello"
    );
}

#[test]
fn what_is_not_exactly_one_message_is_refused() {
    let mut bytes = HostMessage::Ping.to_bytes();
    bytes.push(0);
    assert_eq!(HostMessage::from_bytes(&bytes), Err(MessageError::TrailingBytes(1)));
    assert_eq!(HostMessage::from_bytes(&[]), Err(MessageError::Malformed));
    assert_eq!(HostMessage::from_bytes(&[200]), Err(MessageError::Malformed));
    assert_eq!(
        BoardMessage::from_bytes(&vec![0; MAX_MESSAGE + 1]),
        Err(MessageError::TooLong(MAX_MESSAGE + 1))
    );
    let long = RunOptions {
        command: vec![String::new(); 1025],
        ..options()
    };
    let load = HostMessage::Load {
        image: packed(),
        options: long,
    };
    assert_eq!(HostMessage::from_bytes(&load.to_bytes()), Err(MessageError::Malformed));
    // A text that claims four gigabytes.
    let claim = [7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(BoardMessage::from_bytes(&claim), Err(MessageError::Malformed));
    for (_, message) in board_messages() {
        let bytes = message.to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(BoardMessage::from_bytes(&bytes[..len]), Err(MessageError::Malformed));
        }
    }
}

#[test]
fn the_bytes_in_the_documentation_are_the_golden_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/wire.md")).expect("docs/wire.md");
    let mut checked = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(file) = line.strip_prefix("```hex ") else {
            continue;
        };
        let golden = std::fs::read_to_string(root.join(file)).expect("a golden file");
        for line in lines.by_ref().take_while(|line| *line != "```") {
            assert!(
                golden.lines().any(|golden| golden == line),
                "docs/wire.md: not in {file}:\n{line}"
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} lines of bytes");
}

proptest! {
    #[test]
    fn random_bytes_are_no_danger(bytes in proptest::collection::vec(any::<u8>(), 0..300), first in 0u8..12) {
        let _ = HostMessage::from_bytes(&bytes);
        let _ = BoardMessage::from_bytes(&bytes);
        let numbered = [&[first], &bytes[..]].concat();
        let _ = HostMessage::from_bytes(&numbered);
        let _ = BoardMessage::from_bytes(&numbered);
    }

    #[test]
    fn a_message_with_changed_bytes_is_no_danger(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes: Vec<u8> = which.get(&board_messages()).1.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = BoardMessage::from_bytes(&bytes);
    }
}
