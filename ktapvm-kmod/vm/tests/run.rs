//! Whole programs: globals, tables, calls, print, attach.
mod common;

use common::{Build, Fake, abc, ad, small, with_vm};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::Op;
use ktap_vm::Outcome;

#[test]
fn counts_events_and_shows_them() {
    let mut b = Build::new();
    let probe = b.probe();
    let end = b.probe();
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
            ad(Op::Closure, 1, 2),
            ad(Op::Attach, 1, end),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    let name = b.str("name");
    let name = b.field(ktap_bytecode::code::FieldKind::Member, 0, Some(name));
    b.function(
        6,
        1,
        false,
        &[],
        &[
            ad(Op::GGet, 2, 0),
            abc(Op::Member, 3, 0, name),
            abc(Op::CallBuiltin, 1, 2, Builtin::Count as u8),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    b.function(
        4,
        0,
        false,
        &[],
        &[
            ad(Op::GGet, 1, 0),
            abc(Op::CallBuiltin, 0, 1, Builtin::PrintHist as u8),
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    let host = Fake::in_an_event();
    with_vm(&b, small(), 2, |vm| {
        assert_eq!(vm.run_main(&Fake::new(), 0), Ok(Outcome::Done));
        assert_eq!(
            (vm.attached_count(), vm.attached_probe(1), vm.attached_probe(2)),
            (2, Some(1), None)
        );
        for i in 0..1000 {
            assert_eq!(vm.run_attached(&host, i % 2, 0), Ok(Outcome::Done));
        }
        vm.end_phase();
        assert_eq!(
            vm.run_attached(
                &Fake {
                    event: false,
                    ..Fake::new()
                },
                0,
                1
            ),
            Ok(Outcome::Done)
        );
        assert_eq!(vm.run_attached(&host, 0, 1), Ok(Outcome::Done));
    });
    assert_eq!(
        host.shown(),
        [
            "TableBegin(PrintHist, 0, 1)",
            "TableRow(Str([102, 105, 101, 108, 100, 32, 122, 101, 114, 111]), Int(1000))",
            "TableEnd",
        ]
    );
}
