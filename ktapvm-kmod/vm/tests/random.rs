//! Random verified programs end within their limits: no panic, no access outside the region.
mod common;

use common::{Build, Fake, small};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::FieldKind;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::op::{Op, Operand, Shape, Wide, Word};
use ktap_bytecode::verify::verify;
use ktap_vm::Vm;
use proptest::prelude::*;

const REGS: u8 = 12;
const WORDS: usize = 40;

/// Makes an instruction whose operands are mostly in range.
fn word(op: Op, x: u8, y: u8, z: u8, at: usize, consts: u8) -> Word {
    let operand = |kind: Operand, value: u8| match kind {
        Operand::None => 0,
        Operand::Read | Operand::Write | Operand::Update => value % (REGS - 4),
        Operand::Count if value > 240 => Word::MULTI,
        Operand::Count => 1 + value % 3,
        Operand::Imm => value % 9,
        Operand::Const8 => value % consts,
        Operand::Field8 => value % 4,
        Operand::Builtin => value % Builtin::ALL.len() as u8,
        Operand::Upvalue => 0,
    };
    match op.shape() {
        Shape::Abc(a, b, c) => Word::abc(op, operand(a, x), operand(b, y), operand(c, z)),
        Shape::Ad(a, wide) => {
            let d = match wide {
                Wide::Const => (y % consts) as i16,
                Wide::Int => i16::from(y as i8),
                Wide::Global => (y % 4) as i16,
                Wide::Function => 1 + (y % 2) as i16,
                Wide::Probe => 0,
                Wide::Field => (y % 4) as i16,
                Wide::Jump => ((y as usize % WORDS) as i16) - at as i16 - 1,
            };
            Word::ad(op, operand(a, x), d as u16)
        }
    }
}

/// Builds a program of main and two functions out of random bytes, keeping only words that the verifier takes.
fn program(words: &[(u8, u8, u8, u8)]) -> Build {
    let mut b = Build::new();
    for n in [0, 1, -1, 2, 7, i64::MIN, i64::MAX] {
        b.int(n);
    }
    let name = b.str("name");
    b.str("a longer string constant");
    b.format("ds");
    for (kind, name) in [
        (FieldKind::Name, Some(name)),
        (FieldKind::Arg, None),
        (FieldKind::Member, Some(name)),
        (FieldKind::Name, Some(name)),
    ] {
        b.field(kind, 0, name);
    }
    b.probe();
    let ret = Word::abc(Op::Return0, 0, 0, 0);
    b.function(REGS, 0, false, &[], &[ret; WORDS]);
    b.function(REGS, 1, true, &[], &[ret; WORDS]);
    b.function(REGS, 2, false, &[], &[ret; WORDS]);
    for (i, (op, x, y, z)) in words.iter().enumerate().take(3 * WORDS - 1) {
        if i % WORDS == WORDS - 1 {
            continue;
        }
        let op = Op::ALL[*op as usize % Op::ALL.len()];
        let new = word(op, *x, *y, *z, i % WORDS, b.image.consts.len() as u8);
        let old = std::mem::replace(&mut b.image.code[i], new);
        if verify(b.image.code_ref()).is_err() {
            b.image.code[i] = old;
        }
    }
    b
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_end(
        words in proptest::collection::vec(any::<(u8, u8, u8, u8)>(), 3 * WORDS),
        words_are_zeros in any::<bool>(),
    ) {
        let b = program(&words);
        let code = b.image.code_ref();
        let verified = verify(code).expect("kept verified");
        let limits = Limits { memory: 256 << 10, loops: 300, fuel: 5_000, stack_slots: 400, scratch: 1 << 10, ..small() };
        let words = Vm::region_size(&limits, &code, 2);
        // Words around the region show an access outside it.
        let mut memory = vec![0x5a5a_5a5a_5a5a_5a5au64; words + 2048];
        {
            let region = &mut memory[1024..1024 + words];
            // A region is zeros; a fault of the machine itself that leaves other words in it must not lead out of it either.
            if words_are_zeros {
                region.fill(0);
            }
            let vm = Vm::new(verified, region, limits, 2).expect("loads");
            let _ = vm.run_main(&Fake::new(), 0);
            let host = Fake::in_an_event();
            for run in 0..20 {
                for attached in 0..vm.attached_count().min(4) {
                    let _ = vm.run_attached(&host, run % 2, attached);
                }
            }
            vm.end_phase();
            let _ = vm.run_attached(&host, 0, 0);
            for record in host.records.borrow().iter() {
                prop_assert!(ktap_bytecode::record::Record::take(record).is_ok_and(|(_, rest)| rest.is_empty()));
            }
        }
        prop_assert!(memory[..1024].iter().chain(&memory[1024 + words..]).all(|w| *w == 0x5a5a_5a5a_5a5a_5a5a));
    }
}
