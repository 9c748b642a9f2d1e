//! The verifier: a sound program passes, and each rule refuses a program that breaks just it.

mod sample;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Const, ConstKind, Function};
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::{MAX_CODE, MAX_CONSTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_PROBES};
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::Probe;
use ktap_bytecode::verify::{Rule, VerifyError, verify};
use proptest::prelude::*;

/// First word of the handler.
const HANDLER: usize = 9;

fn word(image: &mut Image, pc: usize, word: Word) {
    image.code[pc] = word;
}

fn breaks(change: impl FnOnce(&mut Image)) -> VerifyError {
    let mut image = sample::image();
    change(&mut image);
    verify(image.code_ref()).expect_err("a broken program passed")
}

#[test]
fn the_sample_passes() {
    let image = sample::image();
    let verified = verify(image.code_ref()).expect("a sound program");
    assert_eq!(verified.code().functions.len(), 2);
}

type Change = fn(&mut Image);

/// For each rule changes that break it, and the place that is named.
const BROKEN: &[(Rule, u32, u32, Change)] = &[
    (Rule::NoMain, 0, 0, |i| i.functions.clear()),
    (Rule::TooManyFunctions, 4097, 0, |i| {
        i.functions = vec![i.functions[0]; MAX_FUNCTIONS + 1]
    }),
    (Rule::TooMuchCode, 65537, 0, |i| i.code = vec![Word(0); MAX_CODE + 1]),
    (Rule::TooManyConsts, 65536, 0, |i| {
        i.consts = vec![Const::int(0); MAX_CONSTS + 1]
    }),
    (Rule::TooManyGlobals, 4097, 0, |i| i.globals = MAX_GLOBALS as u16 + 1),
    (Rule::TooManyProbes, 1025, 0, |i| {
        i.probes = vec![Probe { points: Vec::new() }; MAX_PROBES + 1]
    }),
    (Rule::ConstKind, 5, 0, |i| i.consts[5].kind = 4),
    (Rule::ConstKind, 0, 0, |i| i.consts[0].reserved = 1),
    (Rule::ConstString, 1, 0, |i| i.consts[1] = Const::str(7, 4)),
    (Rule::ConstString, 1, 0, |i| {
        i.consts[1] = Const::str(u32::MAX, u32::MAX)
    }),
    (Rule::ConstString, 1, 0, |i| {
        i.bytes.resize(5000, b'd');
        i.consts[1] = Const::str(0, 4097);
    }),
    (Rule::ConstFormat, 2, 0, |i| i.consts[2] = Const::format(1)),
    (Rule::ConstFormat, 2, 0, |i| {
        i.consts[2] = Const {
            value: -1,
            ..Const::format(0)
        }
    }),
    (Rule::ConstBuiltin, 3, 0, |i| i.consts[3] = Const::builtin(255)),
    (Rule::ConstBuiltin, 3, 0, |i| {
        i.consts[3] = Const {
            value: 256,
            ..Const::builtin(0)
        }
    }),
    (Rule::FormatClasses, 0, 0, |i| i.formats[0].len = 3),
    (Rule::FormatClasses, 0, 0, |i| i.formats[0].classes = 0),
    (Rule::FieldKind, 0, 0, |i| i.fields[0].kind = 3),
    (Rule::FieldKind, 1, 0, |i| i.fields[1].reserved = 1),
    (Rule::FieldName, 0, 0, |i| i.fields[0].name = 0),
    (Rule::FieldName, 2, 0, |i| i.fields[2].name = u32::MAX),
    (Rule::FieldMember, 2, 0, |i| i.fields[2].number = 256),
    (Rule::CaptureKind, 0, 0, |i| i.captures[0].from_upvalue = 2),
    (Rule::MainFrame, 0, 0, |i| i.functions[0].params = 1),
    (Rule::MainFrame, 0, 0, |i| i.functions[0].captures = 1),
    (Rule::FunctionPlace, 0, 0, |i| i.functions[0].len = 0),
    (Rule::FunctionPlace, 1, 0, |i| i.functions[1].start = 8),
    (Rule::FunctionPlace, 1, 0, |i| i.functions[1].len += 1),
    (Rule::FunctionPlace, 1, 0, |i| {
        i.functions[1] = Function {
            start: u32::MAX,
            len: u32::MAX,
            ..i.functions[1]
        }
    }),
    (Rule::FunctionFrame, 1, 0, |i| i.functions[1].regs = 251),
    (Rule::FunctionFrame, 1, 0, |i| i.functions[1].params = 9),
    (Rule::FunctionFrame, 1, 0, |i| i.functions[1].vararg = 2),
    (Rule::FunctionFrame, 1, 0, |i| i.functions[1].reserved = 1),
    (Rule::FunctionCaptures, 1, 0, |i| i.functions[1].first_capture = 1),
    (Rule::FunctionCaptures, 1, 0, |i| {
        i.captures = vec![i.captures[0]; 300];
        i.functions[1].captures = 251;
    }),
    (Rule::FallsOffEnd, 0, 8, |i| word(i, 8, Word::abc(Op::Nop, 0, 0, 0))),
    (Rule::FallsOffEnd, 1, 20, |i| {
        word(i, 20, Word::ad(Op::ForLoop, 0, -1i16 as u16))
    }),
    (Rule::UnknownOp, 0, 1, |i| word(i, 1, Word(254))),
    (Rule::UnknownOp, 1, 20, |i| word(i, 20, Word(255))),
    (Rule::ReservedOperand, 0, 1, |i| {
        word(i, 1, Word::abc(Op::CellNew, 1, 0, 1))
    }),
    (Rule::ReservedOperand, 0, 8, |i| {
        word(i, 8, Word::abc(Op::Return0, 1, 0, 0))
    }),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::Move, 6, 0, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::Move, 0, 6, 0))),
    (Rule::Register, 0, 7, |i| word(i, 7, Word::ad(Op::GSet, 6, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::LoadNil, 1, 6, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::LoadNil, 1, 255, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::Concat, 0, 1, 6))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::TList, 0, 1, 5))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::Call, 1, 5, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::Call, 1, 0, 6))),
    (Rule::Register, 0, 8, |i| word(i, 8, Word::abc(Op::TailCall, 1, 5, 0))),
    (Rule::Register, 0, 8, |i| word(i, 8, Word::abc(Op::Return, 1, 6, 0))),
    (Rule::Register, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 4, 2, Builtin::Printf as u8))
    }),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::ad(Op::ForPrep, 3, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::ad(Op::ForLoop, 3, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::ad(Op::Next, 3, 0))),
    (Rule::Register, 1, 15, |i| {
        word(i, HANDLER + 6, Word::abc(Op::Vararg, 4, 5, 0))
    }),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::NewCounts, 6, 0, 0))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::TInc, 6, 0, 1))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::TInc, 0, 6, 1))),
    (Rule::Register, 0, 1, |i| word(i, 1, Word::abc(Op::TIncK, 6, 0, 1))),
    (Rule::ConstIndex, 0, 1, |i| word(i, 1, Word::abc(Op::TIncK, 0, 6, 1))),
    (Rule::ConstFit, 0, 1, |i| word(i, 1, Word::abc(Op::TIncK, 0, 2, 1))),
    (Rule::GlobalIndex, 0, 1, |i| word(i, 1, Word::ad(Op::GInc, 1, 1))),
    (Rule::UpvalueIndex, 0, 1, |i| word(i, 1, Word::abc(Op::UpInc, 1, 0, 0))),
    (Rule::UpvalueIndex, 1, 9, |i| {
        word(i, HANDLER, Word::abc(Op::UpInc, 1, 1, 0))
    }),
    (Rule::ReservedOperand, 1, 9, |i| {
        word(i, HANDLER, Word::abc(Op::UpInc, 1, 0, 1))
    }),
    (Rule::Arity, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 3, 0, Builtin::Log2 as u8))
    }),
    (Rule::Arity, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 3, 2, Builtin::Log2 as u8))
    }),
    (Rule::ConstIndex, 0, 4, |i| word(i, 4, Word::ad(Op::LoadK, 4, 6))),
    (Rule::ConstIndex, 0, 1, |i| word(i, 1, Word::abc(Op::TGetK, 4, 0, 6))),
    (Rule::ConstFit, 0, 1, |i| word(i, 1, Word::abc(Op::AddK, 4, 0, 1))),
    (Rule::ConstFit, 0, 1, |i| word(i, 1, Word::abc(Op::LtK, 4, 0, 3))),
    (Rule::ConstFit, 0, 1, |i| word(i, 1, Word::abc(Op::TSetK, 0, 2, 0))),
    (Rule::ConstFit, 0, 1, |i| word(i, 1, Word::abc(Op::EqK, 4, 0, 2))),
    (Rule::GlobalIndex, 0, 7, |i| word(i, 7, Word::ad(Op::GSet, 3, 1))),
    (Rule::FunctionIndex, 0, 2, |i| word(i, 2, Word::ad(Op::Closure, 2, 0))),
    (Rule::FunctionIndex, 0, 2, |i| word(i, 2, Word::ad(Op::Closure, 2, 2))),
    (Rule::Capturable, 0, 2, |i| i.captures[0].index = 6),
    (Rule::Capturable, 0, 2, |i| i.captures[0].from_upvalue = 1),
    (Rule::UpvalueIndex, 1, 9, |i| {
        word(i, HANDLER, Word::abc(Op::UpGet, 1, 1, 0))
    }),
    (Rule::UpvalueIndex, 0, 1, |i| word(i, 1, Word::abc(Op::UpCell, 1, 0, 0))),
    (Rule::FieldIndex, 1, 10, |i| {
        word(i, HANDLER + 1, Word::ad(Op::EvField, 2, 3))
    }),
    (Rule::FieldIndex, 0, 1, |i| word(i, 1, Word::abc(Op::Member, 2, 0, 3))),
    (Rule::ProbeIndex, 0, 3, |i| word(i, 3, Word::ad(Op::Attach, 2, 2))),
    (Rule::UnknownBuiltin, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 3, 2, 255))
    }),
    (Rule::Arity, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 3, 2, Builtin::Len as u8))
    }),
    (Rule::Arity, 0, 6, |i| {
        word(i, 6, Word::abc(Op::CallBuiltin, 3, 0, Builtin::Printf as u8))
    }),
    (Rule::Count, 0, 1, |i| word(i, 1, Word::abc(Op::LoadNil, 1, 0, 0))),
    (Rule::Count, 0, 1, |i| word(i, 1, Word::abc(Op::Concat, 1, 0, 1))),
    (Rule::JumpTarget, 0, 1, |i| word(i, 1, Word::ad(Op::Jmp, 0, 7))),
    (Rule::JumpTarget, 0, 1, |i| {
        word(i, 1, Word::ad(Op::JmpT, 0, -3i16 as u16))
    }),
    (Rule::JumpTarget, 1, 10, |i| {
        word(i, HANDLER + 1, Word::ad(Op::JmpF, 0, -3i16 as u16))
    }),
    (Rule::TopUnset, 1, 16, |i| {
        word(i, HANDLER + 6, Word::abc(Op::Vararg, 4, 1, 0))
    }),
    (Rule::TopUnset, 1, 16, |i| {
        word(i, HANDLER + 6, Word::abc(Op::Call, 1, 0, 255))
    }),
    (Rule::TopUnset, 1, 9, |i| {
        word(i, HANDLER, Word::abc(Op::CallBuiltin, 1, 255, Builtin::Print as u8))
    }),
    (Rule::TopUnset, 1, 16, |i| {
        word(i, HANDLER + 7, Word::abc(Op::TailCall, 4, 255, 0))
    }),
    (Rule::TopUnset, 1, 16, |i| {
        word(i, HANDLER + 7, Word::abc(Op::TList, 0, 4, 255))
    }),
    (Rule::TopJump, 1, 14, |i| word(i, HANDLER + 5, Word::ad(Op::JmpF, 3, 1))),
    (Rule::VarargOutside, 1, 15, |i| i.functions[1].vararg = 0),
];

#[test]
fn each_rule_refuses_what_breaks_it() {
    for (n, (rule, index, pc, change)) in BROKEN.iter().enumerate() {
        let error = breaks(change);
        assert_eq!(
            error,
            VerifyError {
                rule: *rule,
                index: *index,
                pc: *pc
            },
            "case {n}"
        );
    }
    for rule in Rule::ALL {
        assert!(
            BROKEN.iter().any(|(broken, ..)| broken == rule),
            "no program here breaks {rule:?}"
        );
    }
}

#[test]
fn what_comes_close_to_a_rule_passes() {
    let sound: &[Change] = &[
        |i| word(i, 1, Word::abc(Op::LoadNil, 1, 5, 0)),
        |i| word(i, 1, Word::abc(Op::Concat, 0, 0, 6)),
        |i| word(i, 1, Word::abc(Op::Call, 1, 4, 5)),
        |i| word(i, 1, Word::ad(Op::Jmp, 0, 6)),
        |i| word(i, 1, Word::abc(Op::EqK, 4, 0, 3)),
        |i| word(i, 1, Word::abc(Op::LtK, 4, 0, 1)),
        |i| word(i, HANDLER + 7, Word::abc(Op::TailCall, 3, 255, 0)),
        |i| word(i, HANDLER + 7, Word::abc(Op::TList, 0, 3, 255)),
        |i| word(i, HANDLER + 6, Word::abc(Op::Call, 4, 0, 255)),
        |i| word(i, 1, Word::abc(Op::NewCounts, 5, 255, 255)),
        |i| word(i, 1, Word::abc(Op::TInc, 5, 5, 255)),
        |i| word(i, 1, Word::ad(Op::GInc, 255, 0)),
        |i| word(i, HANDLER, Word::abc(Op::UpInc, 255, 0, 0)),
        |i| i.functions[1].params = 8,
    ];
    for (n, change) in sound.iter().enumerate() {
        let mut image = sample::image();
        change(&mut image);
        assert_eq!(verify(image.code_ref()).map(|_| ()), Ok(()), "case {n}");
    }
}

#[test]
fn constants_keep_their_kind_numbers() {
    assert_eq!(
        [
            ConstKind::Int as u32,
            ConstKind::Str as u32,
            ConstKind::Format as u32,
            ConstKind::Builtin as u32
        ],
        [0, 1, 2, 3]
    );
}

proptest! {
    #[test]
    fn any_program_is_judged_without_a_panic(
        words in proptest::collection::vec((0..=Op::ALL.len() as u8 + 1, any::<u8>(), any::<u8>(), any::<u8>()), 0..40),
        functions in proptest::collection::vec(
            (any::<u32>(), 0u32..50, any::<u16>(), 0u16..300, any::<u8>(), any::<u8>(), 0u8..3, 0u8..2),
            0..4,
        ),
        consts in proptest::collection::vec((0u32..5, any::<i64>()), 0..6),
        field in (0u8..4, any::<u16>(), any::<u32>()),
    ) {
        let mut image = sample::image();
        image.code = words.into_iter().map(|(op, a, b, c)| Word(u32::from_le_bytes([op, a, b, c]))).collect();
        image.functions = functions
            .into_iter()
            .map(|(start, len, first_capture, captures, regs, params, vararg, reserved)| {
                Function { start, len, first_capture, captures, regs, params, vararg, reserved }
            })
            .collect();
        image.consts = consts.into_iter().map(|(kind, value)| Const { kind, reserved: 0, value }).collect();
        (image.fields[0].kind, image.fields[0].number, image.fields[0].name) = field;
        let _ = verify(image.code_ref());
    }

    #[test]
    fn a_word_changed_is_judged_without_a_panic(pc in 0usize..21, word in any::<u32>(), op in 0..=Op::ALL.len() as u32) {
        let mut image = sample::image();
        image.code[pc] = Word(word & !0xff | op);
        let _ = verify(image.code_ref());
    }
}
