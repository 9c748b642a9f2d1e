//! Memory: garbage costs nothing, what is full is said, what is reachable stays.
mod common;

use common::{Build, Fake, abc, ad, small, with_vm};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::trap::Trap;
use ktap_vm::Outcome;

fn tiny() -> Limits {
    Limits {
        memory: 400 << 10,
        scratch: 2 << 10,
        stack_slots: 256,
        ..small()
    }
}

/// main: g0 = {}; attach function 1.
fn main_with_table(b: &mut Build) {
    let probe = b.probe();
    b.function(
        4,
        0,
        false,
        &[],
        &[
            abc(Op::NewTable, 0, 0, 0),
            ad(Op::GSet, 0, 0),
            ad(Op::Closure, 1, 1),
            ad(Op::Attach, 1, probe),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
}

#[test]
fn handlers_that_make_garbage_all_day() {
    let mut b = Build::new();
    let (k, text, one) = (b.str("k"), b.str("string number "), b.int(1));
    main_with_table(&mut b);
    // g1 += 1; s = "string number " .. g1; t = { k = s }; g0.k = t; g2 = s; c = closure over s
    b.function(
        8,
        0,
        false,
        &[],
        &[
            ad(Op::LoadK, 0, one as i32),
            ad(Op::GAdd, 0, 1),
            ad(Op::LoadK, 0, text as i32),
            ad(Op::GGet, 1, 1),
            abc(Op::Concat, 2, 0, 2),
            abc(Op::NewTable, 3, 1, 1),
            abc(Op::TSetK, 3, k, 2),
            abc(Op::TSetK, 3, one, 2),
            ad(Op::GGet, 4, 0),
            abc(Op::TSetK, 4, k, 3),
            ad(Op::GSet, 2, 2),
            abc(Op::CellNew, 4, 2, 0),
            ad(Op::Closure, 5, 2),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b.function(1, 0, false, &[(0, 4)], &[abc(Op::Return0, 0, 0, 0)]);
    let host = Fake::in_an_event();
    with_vm(&b, tiny(), 2, |vm| {
        vm.run_main(&host, 0).expect("main");
        let runs = 1_000_000 / if cfg!(debug_assertions) { 10 } else { 1 };
        for i in 0..1000 {
            assert_eq!(vm.run_attached(&host, i % 2, 0), Ok(Outcome::Done));
        }
        let used = vm.memory_used();
        for i in 0..runs {
            assert_eq!(vm.run_attached(&host, i % 2, 0), Ok(Outcome::Done));
        }
        assert!(vm.memory_used() <= used + 4096, "{} after {used}", vm.memory_used());
        assert_eq!(vm.counters(), Default::default());
    });
}

#[test]
fn main_that_makes_garbage_in_a_loop() {
    let mut b = Build::new();
    let (text, last) = (b.str("temporary "), b.int(99_000));
    // for (i = 1, 99000) { s = "temporary " .. i; t = { s }; u[s] = nil }; print(s, t[1])
    b.function(
        12,
        0,
        false,
        &[],
        &[
            ad(Op::LoadI, 0, 1),
            ad(Op::LoadK, 1, last as i32),
            ad(Op::LoadI, 2, 1),
            ad(Op::ForPrep, 0, 7),
            ad(Op::LoadK, 4, text as i32),
            abc(Op::Move, 5, 3, 0),
            abc(Op::Concat, 6, 4, 2),
            abc(Op::NewTable, 7, 1, 0),
            ad(Op::LoadI, 4, 1),
            abc(Op::TSet, 7, 4, 6),
            ad(Op::ForLoop, 0, -7),
            abc(Op::TGet, 7, 7, 4),
            abc(Op::CallBuiltin, 5, 2, Builtin::Print as u8),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    let host = Fake::new();
    with_vm(&b, tiny(), 1, |vm| assert_eq!(vm.run_main(&host, 0), Ok(Outcome::Done)));
    let text = format!("Str({:?})", b"temporary 99000");
    assert_eq!(host.shown(), [format!("Print([{text}, {text}])")]);
}

#[test]
fn a_full_table_drops_in_handlers_and_traps_in_main() {
    let mut b = Build::new();
    let one = b.int(1);
    main_with_table(&mut b);
    // g1 += 1; g0[g1 * 1000] = 1
    let thousand = b.int(1000);
    b.function(
        4,
        0,
        false,
        &[],
        &[
            ad(Op::LoadK, 0, one as i32),
            ad(Op::GAdd, 0, 1),
            ad(Op::GGet, 1, 1),
            abc(Op::MulK, 1, 1, thousand),
            ad(Op::GGet, 2, 0),
            abc(Op::TSet, 2, 1, 0),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    let host = Fake::in_an_event();
    with_vm(&b, tiny(), 1, |vm| {
        vm.run_main(&host, 0).expect("main");
        for _ in 0..20_000 {
            assert_eq!(vm.run_attached(&host, 0, 0), Ok(Outcome::Done));
        }
        let drops = vm.counters().table_drops;
        assert!(drops > 10_000 && drops < 20_000, "{drops}");
    });
    let mut b = Build::new();
    b.function(
        6,
        0,
        false,
        &[],
        &[
            abc(Op::NewTable, 0, 0, 0),
            ad(Op::LoadI, 1, 0),
            ad(Op::LoadI, 2, 777),
            abc(Op::Add, 1, 1, 2),
            abc(Op::TSet, 0, 1, 2),
            ad(Op::Jmp, 0, -3),
        ],
    );
    with_vm(&b, tiny(), 1, |vm| {
        let fault = vm.run_main(&host, 0).expect_err("no memory");
        assert_eq!((fault.trap, fault.detail), (Trap::OutOfMemory, 400 << 10));
    });
}

#[test]
fn scratch_is_squeezed_and_its_end_is_a_trap() {
    let mut b = Build::new();
    let (x, long) = (b.str("x"), b.str(&"y".repeat(600)));
    // s = ""; loop: s = s .. "x": too long for the arena at last.
    b.function(
        6,
        0,
        false,
        &[],
        &[
            ad(Op::LoadK, 0, x as i32),
            ad(Op::LoadK, 1, long as i32),
            abc(Op::Concat, 0, 0, 2),
            ad(Op::Jmp, 0, -3),
        ],
    );
    with_vm(&b, tiny(), 1, |vm| {
        let fault = vm.run_main(&Fake::new(), 0).expect_err("too much");
        assert_eq!((fault.trap, fault.detail), (Trap::ScratchFull, 2048));
    });
    with_vm(&b, small(), 1, |vm| {
        assert_eq!(
            vm.run_main(&Fake::new(), 0).expect_err("too long").trap,
            Trap::StringTooLong
        );
    });
}

#[test]
fn limits_of_handlers() {
    let mut b = Build::new();
    main_with_table(&mut b);
    b.function(2, 0, false, &[], &[ad(Op::Jmp, 0, -1)]);
    let host = Fake::in_an_event();
    with_vm(&b, Limits { loops: 10, ..tiny() }, 1, |vm| {
        vm.run_main(&host, 0).expect("main");
        let fault = vm.run_attached(&host, 0, 0).expect_err("a loop");
        assert_eq!(
            (fault.trap, fault.detail, fault.function, fault.pc),
            (Trap::LoopLimit, 10, 1, 5)
        );
    });
    with_vm(&b, Limits { fuel: 100, ..tiny() }, 1, |vm| {
        vm.run_main(&host, 0).expect("main");
        let fault = vm.run_attached(&host, 0, 0).expect_err("fuel");
        assert_eq!((fault.trap, fault.detail), (Trap::OutOfFuel, 100));
    });
}

#[test]
fn regions_that_do_not_fit() {
    let mut b = Build::new();
    b.function(1, 0, false, &[], &[abc(Op::Return0, 0, 0, 0)]);
    let code = b.image.code_ref();
    let verified = ktap_bytecode::verify::verify(code).expect("verified");
    let words = ktap_vm::Vm::region_size(&small(), &code, 1);
    let mut region = vec![0u64; words];
    let short = ktap_vm::Vm::new(verified, &mut region[1..], small(), 1).err();
    assert_eq!(short, Some(ktap_vm::LoadError::RegionTooSmall(words)));
    assert!(ktap_vm::Vm::new(verified, &mut region, small(), usize::MAX).is_err());
    assert!(ktap_vm::Vm::new(verified, &mut region, small(), 1).is_ok());
}

#[test]
fn only_what_keeps_gets_memory_to_keep_it() {
    let size = |word: Word, memory: u32| {
        let mut b = Build::new();
        b.function(3, 0, false, &[], &[word, abc(Op::Return0, 0, 0, 0)]);
        let code = b.image.code_ref();
        ktap_vm::Vm::region_size(&Limits { memory, ..tiny() }, &code, 1)
    };
    let (little, much) = (4 << 20, 8 << 20);
    let free = abc(Op::Move, 1, 0, 0);
    assert_eq!(size(free, little), size(free, much));
    for keeps in [
        ad(Op::GSet, 0, 0),
        abc(Op::CellNew, 1, 0, 0),
        abc(Op::NewTable, 0, 0, 0),
        abc(Op::NewCounts, 0, 0, 0),
        abc(Op::CallBuiltin, 0, 0, Builtin::TableNew as u8),
    ] {
        assert!(size(keeps, much) > size(keeps, little), "{keeps:?}");
    }
}
