//! Several threads run handlers on frames of one machine: no update is lost, nothing is freed too early.
mod common;

use std::sync::{Arc, Barrier};

use common::{Build, Fake, abc, ad, small, with_vm};
use ktap_bytecode::op::Op;
use ktap_vm::Outcome;

const THREADS: usize = 4;
const RUNS: i64 = 3_000;

/// A program whose handler counts into globals, cells and tables; attachment 1 prints them.
fn program() -> Build {
    let mut b = Build::new();
    let (hits, text, one, mask) = (b.str("hits"), b.str("key "), b.int(1), b.int(63));
    let (probe, end) = (b.probe(), b.probe());
    b.function(
        6,
        0,
        false,
        &[],
        &[
            abc(Op::NewTable, 0, 0, 0),
            ad(Op::GSet, 0, 0),
            ad(Op::LoadI, 2, 0),
            abc(Op::CellNew, 3, 2, 0),
            ad(Op::Closure, 1, 1),
            ad(Op::Attach, 1, probe),
            ad(Op::Closure, 1, 2),
            ad(Op::Attach, 1, end),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b.function(
        10,
        0,
        false,
        &[(0, 3)],
        &[
            ad(Op::LoadK, 0, one as i32),
            ad(Op::GAdd, 0, 1),
            abc(Op::UpAdd, 0, 0, 0),
            ad(Op::GGet, 1, 0),
            abc(Op::TAddK, 1, hits, 0),
            // Temporary strings as keys, 64 different ones, each deleted now and then by nobody: counted exactly.
            ad(Op::LoadK, 2, text as i32),
            ad(Op::GGet, 3, 1),
            ad(Op::LoadK, 4, mask as i32),
            abc(Op::BAnd, 3, 3, 4),
            abc(Op::Concat, 5, 2, 2),
            abc(Op::TAdd, 1, 5, 0),
            abc(Op::TAgg, 1, 3, 3),
            // Shared values that change hands: a global string and a table that others read.
            ad(Op::GGet, 6, 2),
            abc(Op::LoadNil, 7, 1, 0),
            abc(Op::Eq, 7, 6, 7),
            ad(Op::JmpT, 7, 2),
            ad(Op::LoadI, 8, 1),
            abc(Op::TGet, 8, 6, 8),
            abc(Op::NewTable, 6, 1, 0),
            abc(Op::TSet, 6, 0, 5),
            ad(Op::GSet, 6, 2),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b.function(
        8,
        0,
        false,
        &[(0, 3)],
        &[
            ad(Op::GGet, 1, 1),
            abc(Op::UpGet, 2, 0, 0),
            ad(Op::GGet, 3, 0),
            abc(Op::TGetK, 3, 3, hits),
            abc(Op::CallBuiltin, 0, 3, 0),
            ad(Op::GGet, 1, 0),
            abc(Op::CallBuiltin, 0, 1, 0),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b
}

#[test]
fn no_update_is_lost() {
    let shown = with_vm(&program(), small(), THREADS, |vm| {
        vm.run_main(&Fake::new(), 0).expect("main");
        std::thread::scope(|scope| {
            for frame in 0..THREADS {
                scope.spawn(move || {
                    let host = Fake::in_an_event();
                    for _ in 0..RUNS {
                        assert_eq!(vm.run_attached(&host, frame, 0), Ok(Outcome::Done));
                    }
                });
            }
        });
        assert_eq!(vm.counters(), Default::default());
        vm.end_phase();
        let host = Fake::new();
        vm.run_attached(&host, 0, 1).expect("end");
        host.shown()
    });
    let total = THREADS as i64 * RUNS;
    assert_eq!(shown[0], format!("Print([Int({total}), Int({total}), Int({total})])"));
    let (mut texts, mut aggregated) = (0, 0);
    for row in &shown[2..shown.len() - 1] {
        if row.contains("Stat {") {
            aggregated += row
                .split("count: ")
                .nth(1)
                .and_then(|s| s.split(',').next())
                .unwrap_or_default()
                .parse::<i64>()
                .expect("a count");
        } else if !row.contains("[104, 105, 116, 115]") {
            texts += row
                .rsplit("Int(")
                .next()
                .unwrap_or_default()
                .trim_end_matches("))")
                .parse::<i64>()
                .expect("a count");
        }
    }
    assert_eq!((texts, aggregated), (total, total));
}

#[test]
fn a_busy_frame_is_skipped_and_counted() {
    let mut b = Build::new();
    let probe = b.probe();
    b.function(
        2,
        0,
        false,
        &[],
        &[
            ad(Op::Closure, 0, 1),
            ad(Op::Attach, 0, probe),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b.function(
        2,
        0,
        false,
        &[],
        &[abc(Op::CallBuiltin, 0, 0, 0), abc(Op::Return0, 0, 0, 0)],
    );
    with_vm(&b, small(), 1, |vm| {
        vm.run_main(&Fake::new(), 0).expect("main");
        let inside = Arc::new(Barrier::new(2));
        std::thread::scope(|scope| {
            let gate = Some(inside.clone());
            scope.spawn(move || {
                vm.run_attached(
                    &Fake {
                        gate,
                        ..Fake::in_an_event()
                    },
                    0,
                    0,
                )
                .expect("runs")
            });
            // The other thread is inside the handler of frame 0 until it has passed the gate twice.
            inside.wait();
            let host = Fake::in_an_event();
            assert_eq!(vm.run_attached(&host, 0, 0), Ok(Outcome::Done));
            assert!(host.records.borrow().is_empty());
            inside.wait();
        });
        assert_eq!(vm.counters().recursion, 1);
        let host = Fake::in_an_event();
        assert_eq!(vm.run_attached(&host, 0, 0), Ok(Outcome::Done));
        assert_eq!(host.records.borrow().len(), 1);
    });
}
