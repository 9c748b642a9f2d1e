//! A small program that has one of each: constants, captures, fields, formats, probe points, counts up to top, jumps.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Capture, Const, Field, FieldKind, Format, Function};
use ktap_bytecode::event::EventMember;
use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchDeref, FetchType};
use ktap_bytecode::image::Image;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::{FilePlace, Probe, ProbePoint};
use ktap_bytecode::version::MAJOR;

/// Main's words; the handler's follow.
pub fn main_code() -> Vec<Word> {
    vec![
        Word::abc(Op::NewTable, 0, 0, 4),
        Word::abc(Op::CellNew, 1, 0, 0),
        Word::ad(Op::Closure, 2, 1),
        Word::ad(Op::Attach, 2, 0),
        Word::ad(Op::LoadK, 4, 2),
        Word::ad(Op::LoadI, 5, -7i16 as u16),
        Word::abc(Op::CallBuiltin, 3, 2, Builtin::Printf as u8),
        Word::ad(Op::GSet, 3, 0),
        Word::abc(Op::Return0, 0, 0, 0),
    ]
}

/// The handler's words.
pub fn handler_code() -> Vec<Word> {
    vec![
        Word::abc(Op::UpGet, 1, 0, 0),
        Word::ad(Op::EvField, 2, 0),
        Word::ad(Op::LoadK, 3, 0),
        Word::abc(Op::TAdd, 1, 2, 3),
        Word::abc(Op::AddK, 3, 3, 0),
        Word::ad(Op::JmpF, 3, 2),
        Word::abc(Op::Vararg, 4, 255, 0),
        Word::abc(Op::Return, 4, 255, 0),
        Word::ad(Op::ForPrep, 3, 1),
        Word::ad(Op::ForLoop, 3, -1i16 as u16),
        Word::abc(Op::Member, 2, 0, 2),
        Word::abc(Op::TailCall, 1, 0, 0),
    ]
}

fn fetch(name: &str, base: FetchBase, derefs: &[(i64, bool)], kind: FetchType, count: u8) -> FetchArg {
    let deref = |&(offset, user): &(i64, bool)| FetchDeref { offset, user };
    FetchArg {
        name: name.into(),
        base,
        derefs: derefs.iter().map(deref).collect(),
        kind,
        count,
    }
}

/// Fetch-args with one of each base, dereference and type.
pub fn fetches() -> Vec<FetchArg> {
    let bits = FetchType::Bits {
        width: 3,
        shift: 2,
        container: 32,
    };
    let symbol = |offset| FetchBase::Symbol {
        name: "jiffies".into(),
        offset,
    };
    vec![
        fetch("dfd", FetchBase::Register("di".into()), &[], FetchType::Signed(4), 0),
        fetch("path", FetchBase::Argument(2), &[(0, true)], FetchType::UserString, 0),
        fetch(
            "deep",
            FetchBase::Stack,
            &[(8, false), (-16, false), (300, true)],
            FetchType::Hex(8),
            0,
        ),
        fetch("slot", FetchBase::StackSlot(3), &[], bits, 0),
        fetch("ret", FetchBase::Retval, &[], FetchType::Symbol, 0),
        fetch("fixed", FetchBase::Immediate(-42), &[], FetchType::Unsigned(1), 0),
        fetch("text", FetchBase::Text("hello".into()), &[], FetchType::String, 0),
        fetch("comm", FetchBase::Comm, &[], FetchType::String, 0),
        fetch("at", FetchBase::Address(0xffff_0000), &[], FetchType::Char, 16),
        fetch("sym", symbol(8), &[], FetchType::Unsigned(2), 0),
        fetch("file", FetchBase::FileOffset(0x100), &[], FetchType::Unsigned(4), 2),
    ]
}

/// Every kind of probe point, by name.
pub fn points() -> Vec<(&'static str, ProbePoint)> {
    vec![
        (
            "tracepoint",
            ProbePoint::Tracepoint {
                system: "sched".into(),
                event: "sched_*".into(),
                filter: Some("prev_pid != 0".into()),
            },
        ),
        (
            "kprobe",
            ProbePoint::Kprobe {
                function: "do_sys_open".into(),
                module: None,
                offset: 16,
                ret: false,
                args: fetches().into_iter().take(2).collect(),
                filter: None,
            },
        ),
        (
            "uprobe",
            ProbePoint::Uprobe {
                path: "/lib/libc.so.6".into(),
                symbol: "malloc".into(),
                offset: 0,
                ret: true,
                args: Vec::new(),
                filter: None,
                bound: None,
            },
        ),
        (
            "sdt",
            ProbePoint::Sdt {
                path: "/bin/x".into(),
                mark: "y".into(),
                args: vec![fetch(
                    "arg1",
                    FetchBase::Register("di".into()),
                    &[],
                    FetchType::Signed(4),
                    0,
                )],
                filter: None,
                bound: Some(FilePlace {
                    offset: 0x1234,
                    ref_ctr: 0x5678,
                }),
            },
        ),
        ("function", ProbePoint::Function { glob: "mutex*".into() }),
        (
            "perf_event",
            ProbePoint::PerfEvent {
                name: "cycles".into(),
                period: 1000,
            },
        ),
        (
            "memory",
            ProbePoint::Memory {
                address: "jiffies".into(),
                len: 8,
                access: 2,
            },
        ),
        (
            "tick",
            ProbePoint::Tick {
                period_ns: 1_000_000_000,
            },
        ),
        ("profile", ProbePoint::Profile { period_ns: 10_000_000 }),
        ("end", ProbePoint::End),
    ]
}

/// The program.
pub fn image() -> Image {
    let (main, handler) = (main_code(), handler_code());
    let frame = |start: usize, len: usize, regs| Function {
        start: start as u32,
        len: len as u32,
        first_capture: 0,
        captures: 0,
        regs,
        params: 0,
        vararg: 0,
        reserved: 0,
    };
    Image {
        major: MAJOR,
        // The first minor: its bytes stay as they are when later ones are added.
        minor: 0,
        build_id: vec![0xde, 0xad, 0xbe, 0xef],
        globals: 1,
        functions: vec![
            frame(0, main.len(), 6),
            Function {
                captures: 1,
                params: 1,
                vararg: 1,
                ..frame(main.len(), handler.len(), 8)
            },
        ],
        code: [main, handler].concat(),
        consts: vec![
            Const::int(1),
            Const::str(0, 4),
            Const::format(0),
            Const::builtin(Builtin::Print as u8),
            Const::str(4, 4),
            Const::int(-300),
        ],
        bytes: b"commnameds".to_vec(),
        captures: vec![Capture {
            from_upvalue: 0,
            index: 1,
        }],
        fields: vec![
            Field {
                kind: FieldKind::Name as u8,
                reserved: 0,
                number: 0,
                name: 1,
            },
            Field {
                kind: FieldKind::Arg as u8,
                reserved: 0,
                number: 2,
                name: Field::NO_NAME,
            },
            Field {
                kind: FieldKind::Member as u8,
                reserved: 0,
                number: EventMember::Name as u16,
                name: 4,
            },
        ],
        formats: vec![Format { classes: 8, len: 2 }],
        probes: vec![
            Probe {
                points: points().into_iter().take(2).map(|(_, point)| point).collect(),
            },
            Probe {
                points: vec![ProbePoint::End],
            },
        ],
    }
}
