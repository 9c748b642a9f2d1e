//! Tables that handlers only add to: however many frames add and whoever looks meanwhile, they are one table.
mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::{Build, Fake, abc, ad, small, with_vm};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::op::{Op, Word};
use ktap_vm::{Outcome, Vm};

const ADDERS: usize = 4;

fn end() -> Word {
    abc(Op::Return0, 0, 0, 0)
}

/// Globals: 0 counts, 1 aggregations, 2 the largest sum seen, 3 how often a later sum was smaller, 4 a number that grows.
fn main_and(handlers: &[(u8, &[Word])]) -> Build {
    let mut b = Build::new();
    b.image.globals = 5;
    let mut main = vec![
        abc(Op::NewCounts, 0, 0, 0),
        ad(Op::GSet, 0, 0),
        abc(Op::NewCounts, 0, 0, 0),
        ad(Op::GSet, 0, 1),
        ad(Op::LoadI, 0, 0),
        ad(Op::GSet, 0, 2),
        ad(Op::GSet, 0, 3),
        ad(Op::GSet, 0, 4),
    ];
    for i in 0..handlers.len() as i32 {
        let probe = b.probe();
        main.extend([ad(Op::Closure, 0, i + 1), ad(Op::Attach, 0, probe)]);
    }
    main.push(end());
    b.function(1, 0, false, &[], &main);
    for (regs, code) in handlers {
        b.function(*regs, 0, false, &[], code);
    }
    b
}

/// Goes through the counts, adds them up, and compares with the last time.
const READER: (u8, &[Word]) = (
    10,
    &[
        Word::ad(Op::GGet, 0, 0),
        Word::abc(Op::LoadNil, 1, 1, 0),
        Word::ad(Op::LoadI, 4, 0),
        Word::ad(Op::Next, 0, 2),
        Word::abc(Op::Add, 4, 4, 3),
        Word::ad(Op::Jmp, 0, -3i16 as u16),
        Word::ad(Op::GGet, 5, 2),
        Word::abc(Op::Lt, 6, 4, 5),
        Word::ad(Op::JmpF, 6, 1),
        Word::ad(Op::GInc, 1, 3),
        Word::ad(Op::GSet, 4, 2),
        Word::abc(Op::Return0, 0, 0, 0),
    ],
);

/// Prints the largest sum and the times it shrank, then both tables.
const SHOW: (u8, &[Word]) = (
    4,
    &[
        Word::ad(Op::GGet, 1, 2),
        Word::ad(Op::GGet, 2, 3),
        Word::abc(Op::CallBuiltin, 0, 2, Builtin::Print as u8),
        Word::ad(Op::GGet, 1, 0),
        Word::abc(Op::CallBuiltin, 0, 1, Builtin::Print as u8),
        Word::ad(Op::GGet, 1, 1),
        Word::abc(Op::CallBuiltin, 0, 1, Builtin::Print as u8),
        Word::abc(Op::Return0, 0, 0, 0),
    ],
);

/// The numbers behind a mark in all rows.
fn numbers<'a>(rows: impl Iterator<Item = &'a String>, mark: &str) -> Vec<i64> {
    rows.filter_map(|row| {
        let rest = &row[row.rfind(mark)? + mark.len()..];
        let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '-').next()?;
        Some(digits.parse().expect("a number"))
    })
    .collect()
}

/// Runs attachment 0 so often on each of the frames 0.., attachment 1 on the last meanwhile, then 1 and 2; returns the records.
fn race(b: &Build, runs: usize, look: impl Fn(&Vm<'_>)) -> Vec<String> {
    with_vm(b, small(), ADDERS + 1, |vm| {
        vm.run_main(&Fake::new(), ADDERS).expect("main");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let adders: Vec<_> = (0..ADDERS)
                .map(|frame| {
                    scope.spawn(move || {
                        let host = Fake::in_an_event();
                        for _ in 0..runs {
                            assert_eq!(vm.run_attached(&host, frame, 0), Ok(Outcome::Done));
                        }
                    })
                })
                .collect();
            let over = &over;
            scope.spawn(move || {
                let host = Fake::new();
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(vm.run_attached(&host, ADDERS, 1), Ok(Outcome::Done));
                }
            });
            adders.into_iter().for_each(|adder| adder.join().expect("adds"));
            over.store(true, Ordering::Relaxed);
        });
        look(vm);
        let host = Fake::new();
        vm.run_attached(&host, ADDERS, 1).expect("reads");
        vm.run_attached(&host, ADDERS, 2).expect("shows");
        host.shown()
    })
}

#[test]
fn no_addition_is_lost_or_made_twice_while_others_look() {
    const RUNS: usize = 4_000;
    let mut strings = Build::new();
    let (text, mask) = (strings.str("key "), strings.int(1023));
    let adder = [
        ad(Op::LoadI, 0, 1),
        ad(Op::GAdd, 0, 4),
        ad(Op::GGet, 1, 4),
        ad(Op::LoadK, 2, mask as i32),
        abc(Op::BAnd, 1, 1, 2),
        ad(Op::GGet, 3, 0),
        // A number of a list or of the keyed part, always the same one, a string of the run's own: 1 + 2 + 3 + 4.
        abc(Op::TInc, 3, 1, 1),
        ad(Op::LoadI, 2, 2),
        abc(Op::TAdd, 3, 2, 2),
        abc(Op::TIncK, 3, text, 3),
        ad(Op::LoadK, 5, text as i32),
        abc(Op::Move, 6, 1, 0),
        abc(Op::Concat, 5, 5, 2),
        ad(Op::LoadI, 2, 4),
        abc(Op::TAdd, 3, 5, 2),
        // Aggregations under a few keys.
        ad(Op::GGet, 3, 1),
        ad(Op::LoadI, 2, 7),
        abc(Op::BAnd, 2, 1, 2),
        abc(Op::TAgg, 3, 2, 1),
        end(),
    ];
    let mut b = main_and(&[(8, &adder), READER, SHOW]);
    b.image.consts = strings.image.consts;
    b.image.bytes = strings.image.bytes;
    let shown = race(&b, RUNS, |vm| assert_eq!(vm.counters(), Default::default()));
    let runs = (ADDERS * RUNS) as i64;
    assert_eq!(shown[0], format!("Print([Int({}), Int(0)])", runs * 10));
    let second = shown[2..]
        .iter()
        .position(|row| row.starts_with("TableBegin"))
        .expect("two tables")
        + 2;
    let counted = numbers(shown[2..second].iter(), "Int(");
    assert_eq!(counted.iter().sum::<i64>(), runs * 10);
    assert!(counted.len() > 2048, "{}", counted.len());
    assert_eq!(numbers(shown[second..].iter(), "count: ").iter().sum::<i64>(), runs);
    let sums = numbers(shown[second..].iter(), "sum: ");
    // The numbers run through 1.. in some order; each was aggregated as its low ten bits of a moment, which only bounds the sum.
    assert!(sums.iter().sum::<i64>() <= runs * 1023);
    assert_eq!(numbers(shown[second..].iter(), "max: ").len(), 8);
}

#[test]
fn what_a_run_adds_it_sees() {
    let adder = [
        ad(Op::GGet, 0, 0),
        ad(Op::LoadI, 1, 5),
        abc(Op::TInc, 0, 1, 1),
        abc(Op::TInc, 0, 1, 1),
        abc(Op::TGet, 3, 0, 1),
        ad(Op::LoadI, 2, -2),
        abc(Op::TAdd, 0, 1, 2),
        abc(Op::TGet, 4, 0, 1),
        abc(Op::TInc, 0, 1, 0),
        abc(Op::Move, 6, 0, 0),
        abc(Op::CallBuiltin, 5, 1, Builtin::Len as u8),
        abc(Op::LoadNil, 6, 1, 0),
        abc(Op::TSet, 0, 1, 6),
        abc(Op::TGet, 6, 0, 1),
        abc(Op::Move, 8, 0, 0),
        abc(Op::CallBuiltin, 7, 1, Builtin::Len as u8),
        abc(Op::TInc, 0, 1, 9),
        abc(Op::TGet, 8, 0, 1),
        abc(Op::CallBuiltin, 2, 6, Builtin::Print as u8),
        // Through the table, adding to an entry that is still to come.
        abc(Op::Move, 9, 0, 0),
        abc(Op::CallBuiltin, 8, 1, Builtin::Delete as u8),
        ad(Op::LoadI, 1, 1),
        abc(Op::TInc, 0, 1, 1),
        ad(Op::LoadI, 1, 900),
        abc(Op::TInc, 0, 1, 1),
        abc(Op::Move, 2, 0, 0),
        abc(Op::LoadNil, 3, 1, 0),
        ad(Op::LoadI, 6, 0),
        ad(Op::Next, 2, 3),
        abc(Op::TInc, 0, 1, 10),
        abc(Op::Add, 6, 6, 5),
        ad(Op::Jmp, 0, -4),
        abc(Op::CallBuiltin, 5, 1, Builtin::Print as u8),
        abc(Op::Move, 9, 0, 0),
        abc(Op::CallBuiltin, 8, 1, Builtin::Delete as u8),
        end(),
    ];
    let b = main_and(&[(12, &adder)]);
    with_vm(&b, small(), 2, |vm| {
        vm.run_main(&Fake::new(), 1).expect("main");
        for frame in [0, 1, 0] {
            let host = Fake::in_an_event();
            vm.run_attached(&host, frame, 0).expect("runs");
            assert_eq!(
                host.shown(),
                [
                    "Print([Int(2), Int(0), Int(1), Nil, Int(0), Int(9)])",
                    "Print([Int(12)])"
                ]
            );
        }
    });
}

#[test]
fn keys_that_were_settled_and_deleted_make_room() {
    // Adds under a number that never comes again, looks, and deletes all: what the shard holds must not grow with it.
    let adder = [
        ad(Op::LoadI, 0, 1000),
        ad(Op::GAdd, 0, 4),
        ad(Op::GGet, 1, 4),
        ad(Op::GGet, 2, 0),
        abc(Op::TInc, 2, 1, 1),
        ad(Op::GGet, 3, 1),
        abc(Op::TAgg, 3, 1, 1),
        end(),
    ];
    let deleter = [
        ad(Op::GGet, 1, 0),
        abc(Op::CallBuiltin, 0, 1, Builtin::Delete as u8),
        ad(Op::GGet, 1, 1),
        abc(Op::CallBuiltin, 0, 1, Builtin::Delete as u8),
        end(),
    ];
    let b = main_and(&[(4, &adder), (2, &deleter)]);
    with_vm(&b, small(), 2, |vm| {
        vm.run_main(&Fake::new(), 1).expect("main");
        let round = || {
            for _ in 0..200 {
                vm.run_attached(&Fake::in_an_event(), 0, 0).expect("adds");
            }
            vm.run_attached(&Fake::new(), 1, 1).expect("deletes");
            vm.memory_used()
        };
        let early = (0..20).map(|_| round()).max();
        let late = (0..100).map(|_| round()).max();
        assert!(late <= early.map(|bytes| bytes + 4096), "{early:?} {late:?}");
        assert_eq!(vm.counters(), Default::default());
    });
}

#[test]
fn without_memory_what_is_counted_is_in_the_table_or_among_the_drops() {
    let adder = [
        ad(Op::LoadI, 0, 1000),
        ad(Op::GAdd, 0, 4),
        ad(Op::GGet, 1, 4),
        ad(Op::GGet, 2, 0),
        abc(Op::TInc, 2, 1, 1),
        ad(Op::LoadI, 1, 7),
        abc(Op::TInc, 2, 1, 1),
        end(),
    ];
    let b = main_and(&[(4, &adder), READER, SHOW]);
    let limits = Limits {
        memory: 64 << 10,
        ..small()
    };
    with_vm(&b, limits, 3, |vm| {
        vm.run_main(&Fake::new(), 2).expect("main");
        const RUNS: i64 = 20_000;
        for run in 0..RUNS {
            vm.run_attached(&Fake::in_an_event(), run as usize % 2, 0)
                .expect("adds");
        }
        let drops = vm.counters().table_drops as i64;
        assert!(drops > 0);
        let host = Fake::new();
        vm.run_attached(&host, 2, 1).expect("reads");
        vm.run_attached(&host, 2, 2).expect("shows");
        let counted = numbers(host.shown()[2..].iter(), "Int(").iter().sum::<i64>();
        assert_eq!(counted + drops, 2 * RUNS);
    });
}
