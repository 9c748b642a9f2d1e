//! The short way through a handler gives what the full way gives: the same handler, once as it is and once behind a word that only the full way knows.
mod common;

use common::{Build, Fake, abc, ad, small, with_vm};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::FieldKind;
use ktap_bytecode::op::{Op, Word};
use proptest::prelude::*;

/// Registers 0, 1 and 2 of a handler with tables hold a plain table, one of counts and one of aggregations.
const TABLES: u8 = 3;

/// One word of a handler of `regs` registers that is `left` words before its end. Registers from `first` on are written.
fn word(first: u8, regs: u8, seed: [u8; 4], left: usize) -> Word {
    let any = |seed: u8| first + seed % (regs - first);
    let [choice, a, b, c] = [seed[0], any(seed[1]), any(seed[2]), any(seed[3])];
    let forward = (seed[2] as usize % 4).min(left) as i32;
    let builtin = |count: u8, builtin: Builtin| {
        // Its arguments lie in the registers behind its own.
        let a = if a + count < regs { a } else { first };
        abc(Op::CallBuiltin, a, count, builtin as u8)
    };
    let table = if first == TABLES { seed[1] % 2 } else { a };
    match choice % if first == TABLES { 32 } else { 20 } {
        0..3 => ad(Op::LoadI, a, seed[2] as i8 as i32 % 9),
        3 => ad(Op::LoadK, a, seed[2] as i32 % 4),
        4 => abc(Op::LoadNil, a, 1, 0),
        5 => ad(Op::GGet, a, 0),
        6 => ad(Op::GAdd, a, 0),
        7 => ad(Op::GInc, seed[1], 0),
        8 => ad(Op::EvField, a, seed[2] as i32 % 4),
        9 => abc(Op::EqK, a, b, seed[3] % 3),
        10 => abc([Op::LtK, Op::LeK, Op::GtK, Op::GeK][seed[3] as usize % 4], a, b, 0),
        11..13 => abc(Op::Sub, a, b, c),
        13 => ad(Op::JmpT, a, forward),
        14 => ad(Op::JmpF, a, forward),
        15 => builtin(0, Builtin::Pid),
        16 => builtin(0, Builtin::Nsecs),
        17 => builtin(0, Builtin::Execname),
        18 => builtin(1, Builtin::Log2),
        19 => abc(Op::Move, a, b, 0),
        20..23 => abc(Op::TInc, table, b, seed[3] % 3),
        23 => abc(Op::TAdd, table, b, c),
        24..26 => abc(Op::TAgg, 2, b, c),
        26 => abc(Op::TGet, a, seed[2] % 3, c),
        27..29 => abc(Op::TSet, 0, b, c),
        29 => builtin(3, Builtin::Printf),
        // One that fits its format.
        30 if regs - first >= 3 => abc(Op::CallBuiltin, first, 3, Builtin::Printf as u8),
        _ => ad(Op::LoadK, first + 1, 3),
    }
}

/// What is seen of two rounds of a handler: how each ended, what it printed, and all that it left behind.
fn seen(regs: u8, code: &[Word], full: bool) -> Vec<String> {
    let mut b = Build::new();
    b.int(7);
    let text = b.str("bash");
    b.str("other");
    b.format("ds");
    for (kind, number) in [
        (FieldKind::Arg, 0),
        (FieldKind::Arg, 1),
        (FieldKind::Arg, 2),
        (FieldKind::Name, 3),
    ] {
        b.field(kind, number, Some(text));
    }
    let (probe, end) = (b.probe(), b.probe());
    let mut main = vec![ad(Op::LoadI, 0, 40), ad(Op::GSet, 0, 0)];
    for (global, op) in [(1, Op::NewTable), (2, Op::NewCounts), (3, Op::NewCounts)] {
        main.extend([abc(op, 0, 0, 0), ad(Op::GSet, 0, global)]);
    }
    main.extend([
        ad(Op::Closure, 0, 1),
        ad(Op::Attach, 0, probe),
        ad(Op::Closure, 0, 2),
        ad(Op::Attach, 0, end),
        abc(Op::Return0, 0, 0, 0),
    ]);
    b.function(1, 0, false, &[], &main);
    let mut handler = if full { vec![abc(Op::Nop, 0, 0, 0)] } else { vec![] };
    handler.extend(code);
    b.function(regs, 0, false, &[], &handler);
    let mut show = vec![];
    for global in 0..4 {
        show.extend([
            ad(Op::GGet, 1, global),
            abc(Op::CallBuiltin, 0, 1, Builtin::Print as u8),
        ]);
    }
    show.push(abc(Op::Return0, 0, 0, 0));
    b.function(2, 0, false, &[], &show);
    with_vm(&b, small(), 2, |vm| {
        vm.run_main(&Fake::new(), 1).expect("main");
        let mut seen = vec![];
        for frame in [0, 1, 0] {
            let host = Fake::in_an_event();
            let ended = vm.run_attached(&host, frame, 0);
            seen.push(format!(
                "{:?}",
                ended.map_err(|fault| (fault.trap, fault.detail, fault.pc - full as u32))
            ));
            seen.extend(host.shown());
        }
        let host = Fake::new();
        vm.run_attached(&host, 1, 1).expect("shows");
        seen.extend(host.shown());
        seen
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn both_ways_lead_to_the_same(
        tables in any::<bool>(),
        seeds in proptest::collection::vec(any::<[u8; 4]>(), 1..14),
    ) {
        let (first, regs) = if tables { (TABLES, 9) } else { (0, 4) };
        let mut code = vec![];
        if tables {
            code.extend((0..TABLES as i32).map(|table| ad(Op::GGet, table as u8, 1 + table)));
        }
        code.extend((first..regs).map(|register| ad(Op::LoadI, register, register as i32)));
        for (i, seed) in seeds.iter().enumerate() {
            code.push(word(first, regs, *seed, seeds.len() - 1 - i));
            // The event's text, printed at once; what the register of it holds then is not said.
            if seed[3] % 16 == 1 {
                code.extend([
                    abc(Op::CallBuiltin, first + 1, 0, Builtin::Argstr as u8),
                    abc(Op::CallBuiltin, first, 1, Builtin::Print as u8),
                    ad(Op::LoadI, first + 1, i as i32),
                ]);
            }
            // What registers hold shows when a handler is left in the middle, too.
            if seed[3] % 16 == 0 {
                code.push(abc(Op::CallBuiltin, first, regs - first - 1, Builtin::Print as u8));
            }
        }
        code.push(abc(Op::CallBuiltin, first, regs - first - 1, Builtin::Print as u8));
        code.push(abc(Op::Return0, 0, 0, 0));
        prop_assert_eq!(seen(regs, &code, false), seen(regs, &code, true));
    }
}
