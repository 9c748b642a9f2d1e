//! A table of small programs, at least one per op, with what each prints or how it traps.
mod common;

use common::{Build, Fake, abc, ad, run_on};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::FieldKind;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::trap::Trap;

const MULTI: u8 = Word::MULTI;

/// Prints `count` registers from `first + 1` on.
fn print(first: u8, count: u8) -> Word {
    abc(Op::CallBuiltin, first, count, Builtin::Print as u8)
}

fn end() -> Word {
    abc(Op::Return0, 0, 0, 0)
}

/// Runs a main of these words and returns what the first record holds.
fn shows(build: &mut Build, code: &[Word]) -> String {
    let mut code = code.to_vec();
    code.push(end());
    build.image.functions.insert(
        0,
        ktap_bytecode::code::Function {
            start: 0,
            len: code.len() as u32,
            first_capture: 0,
            captures: 0,
            regs: 20,
            params: 0,
            vararg: 0,
            reserved: 0,
        },
    );
    for function in build.image.functions.iter_mut().skip(1) {
        function.start += code.len() as u32;
    }
    build.image.code.splice(0..0, code);
    let host = Fake::in_an_event();
    match run_on(build, &host) {
        Ok(_) => host.shown().join(" "),
        Err(fault) => format!("{:?} {} at {}", fault.trap, fault.detail, fault.pc),
    }
}

fn main_shows(code: &[Word]) -> String {
    shows(&mut Build::new(), code)
}

#[test]
fn moves_and_constants() {
    let mut b = Build::new();
    let (big, text) = (b.int(i64::MIN), b.str("ab"));
    let code = [
        ad(Op::LoadK, 1, big as i32),
        ad(Op::LoadK, 2, text as i32),
        ad(Op::LoadI, 3, -5),
        abc(Op::LoadNil, 4, 2, 0),
        abc(Op::LoadBool, 6, 1, 0),
        abc(Op::Move, 7, 3, 0),
        abc(Op::Nop, 0, 0, 0),
        print(0, 7),
    ];
    assert_eq!(
        shows(&mut b, &code),
        "Print([Int(-9223372036854775808), Str([97, 98]), Int(-5), Nil, Nil, Bool(true), Int(-5)])"
    );
}

#[test]
fn arithmetic() {
    let table: &[(Op, i64, i64, &str)] = &[
        (Op::Add, 2, 3, "5"),
        (Op::Add, i64::MAX, 1, "-9223372036854775808"),
        (Op::Sub, 2, 3, "-1"),
        (Op::Mul, -4, 3, "-12"),
        (Op::Div, -7, 2, "-3"),
        (Op::Div, i64::MIN, -1, "-9223372036854775808"),
        (Op::Div, 1, 0, "DivideByZero 0 at 2"),
        (Op::Mod, -7, 2, "-1"),
        (Op::Mod, i64::MIN, -1, "0"),
        (Op::Mod, 1, 0, "ModuloByZero 0 at 2"),
        (Op::BAnd, 12, 10, "8"),
        (Op::BOr, 12, 10, "14"),
        (Op::BXor, 12, 10, "6"),
        (Op::Shl, 1, 66, "4"),
        (Op::Shr, -8, 1, "-4"),
    ];
    for (op, left, right, expected) in table {
        let mut b = Build::new();
        let (x, y) = (b.int(*left), b.int(*right));
        let code = [
            ad(Op::LoadK, 2, x as i32),
            ad(Op::LoadK, 3, y as i32),
            abc(*op, 1, 2, 3),
            print(0, 1),
        ];
        let shown = shows(&mut b, &code);
        assert!(
            shown == *expected || shown == format!("Print([Int({expected})])"),
            "{op:?}: {shown}"
        );
        let with_constant = match op {
            Op::Add => Op::AddK,
            Op::Sub => Op::SubK,
            Op::Mul => Op::MulK,
            Op::Div => Op::DivK,
            Op::Mod => Op::ModK,
            _ => continue,
        };
        let mut b = Build::new();
        let (x, y) = (b.int(*left), b.int(*right));
        let code = [
            ad(Op::LoadK, 2, x as i32),
            abc(Op::Nop, 0, 0, 0),
            abc(with_constant, 1, 2, y),
            print(0, 1),
        ];
        let shown = shows(&mut b, &code);
        assert!(
            shown == *expected || shown == format!("Print([Int({expected})])"),
            "{with_constant:?}: {shown}"
        );
    }
}

#[test]
fn unary_and_nil() {
    let code = [
        ad(Op::LoadI, 10, 5),
        abc(Op::LoadNil, 11, 1, 0),
        abc(Op::Neg, 1, 10, 0),
        abc(Op::Neg, 2, 11, 0),
        abc(Op::BNot, 3, 10, 0),
        abc(Op::Not, 4, 10, 0),
        abc(Op::Not, 5, 11, 0),
        abc(Op::Add, 6, 10, 11),
        abc(Op::Mul, 7, 11, 11),
        print(0, 7),
    ];
    assert_eq!(
        main_shows(&code),
        "Print([Int(-5), Nil, Int(-6), Bool(false), Bool(true), Nil, Nil])"
    );
    let code = [abc(Op::LoadBool, 1, 1, 0), ad(Op::LoadI, 2, 1), abc(Op::Add, 1, 1, 2)];
    assert_eq!(main_shows(&code), "ArithType 0 at 2");
    let code = [
        abc(Op::LoadBool, 1, 1, 0),
        abc(Op::LoadNil, 2, 1, 0),
        abc(Op::Add, 1, 1, 2),
    ];
    assert_eq!(main_shows(&code), "ArithType 0 at 2");
}

#[test]
fn concatenates_numbers_and_texts() {
    let mut b = Build::new();
    let (text, least) = (b.str("x="), b.int(i64::MIN));
    let code = [
        ad(Op::LoadK, 2, text as i32),
        ad(Op::LoadI, 3, -12),
        ad(Op::LoadK, 4, least as i32),
        abc(Op::Concat, 1, 2, 3),
        print(0, 1),
    ];
    let expected = format!("Print([Str({:?})])", b"x=-12-9223372036854775808");
    assert_eq!(shows(&mut b, &code), expected);
    let code = [ad(Op::LoadI, 2, 1), abc(Op::LoadNil, 3, 1, 0), abc(Op::Concat, 1, 2, 2)];
    assert_eq!(main_shows(&code), "ConcatType 0 at 2");
    let code = [
        ad(Op::LoadI, 2, 1),
        abc(Op::CallBuiltin, 3, 0, Builtin::Argstr as u8),
        abc(Op::Concat, 1, 2, 2),
    ];
    assert_eq!(main_shows(&code), "ConcatType 0 at 2");
}

#[test]
fn compares() {
    let mut b = Build::new();
    let (ab, b_, one) = (b.str("ab"), b.str("b"), b.int(1));
    let code = [
        ad(Op::LoadK, 10, ab as i32),
        ad(Op::LoadK, 11, b_ as i32),
        ad(Op::LoadI, 12, 1),
        ad(Op::LoadI, 13, 2),
        abc(Op::Lt, 1, 10, 11),
        abc(Op::Le, 2, 13, 12),
        abc(Op::Eq, 3, 10, 12),
        abc(Op::Ne, 4, 10, 12),
        abc(Op::EqK, 5, 12, one),
        abc(Op::LtK, 6, 13, one),
        abc(Op::LeK, 7, 12, one),
        abc(Op::GtK, 8, 13, one),
        abc(Op::GeK, 9, 12, one),
        print(0, 9),
    ];
    assert_eq!(
        shows(&mut b, &code),
        "Print([Bool(true), Bool(false), Bool(false), Bool(true), Bool(true), Bool(false), Bool(true), Bool(true), Bool(true)])"
    );
    let code = [ad(Op::LoadI, 1, 1), abc(Op::LoadNil, 2, 1, 0), abc(Op::Lt, 1, 1, 2)];
    assert_eq!(main_shows(&code), "CompareType 0 at 2");
    // A temporary string equals a constant of the same bytes.
    let mut b = Build::new();
    let (a, b_, ab) = (b.str("a"), b.str("b"), b.str("ab"));
    let code = [
        ad(Op::LoadK, 2, a as i32),
        ad(Op::LoadK, 3, b_ as i32),
        abc(Op::Concat, 4, 2, 2),
        abc(Op::Concat, 5, 2, 2),
        abc(Op::EqK, 1, 4, ab),
        abc(Op::Eq, 2, 4, 5),
        print(0, 2),
    ];
    assert_eq!(shows(&mut b, &code), "Print([Bool(true), Bool(true)])");
}

#[test]
fn globals_cells_and_upvalues() {
    let code = [
        ad(Op::LoadI, 1, 5),
        ad(Op::GSet, 1, 2),
        ad(Op::GAdd, 1, 2),
        ad(Op::GGet, 2, 2),
        ad(Op::GAdd, 1, 3),
        ad(Op::GGet, 3, 3),
        abc(Op::CellNew, 4, 1, 0),
        abc(Op::CellAdd, 4, 1, 0),
        abc(Op::CellGet, 5, 4, 0),
        abc(Op::CellSet, 4, 3, 0),
        abc(Op::CellGet, 4, 4, 0),
        print(0, 5),
    ];
    assert_eq!(main_shows(&code), "Print([Int(5), Int(10), Int(5), Int(5), Int(10)])");
    assert_eq!(
        main_shows(&[abc(Op::LoadNil, 1, 1, 0), ad(Op::GAdd, 1, 0)]),
        "AddOperand 0 at 1"
    );
    let code = [
        abc(Op::LoadBool, 1, 1, 0),
        ad(Op::GSet, 1, 0),
        ad(Op::LoadI, 1, 1),
        ad(Op::GAdd, 1, 0),
    ];
    assert_eq!(main_shows(&code), "AddType 0 at 3");

    let mut b = Build::new();
    // function(): up += 1; inner = function() return up end; return inner()
    let captures = [(0, 2)];
    b.function(
        4,
        0,
        false,
        &captures,
        &[
            ad(Op::LoadI, 0, 1),
            abc(Op::UpAdd, 0, 0, 0),
            abc(Op::UpInc, 0, 0, 0),
            abc(Op::UpGet, 1, 0, 0),
            abc(Op::UpSet, 1, 0, 0),
            abc(Op::UpCell, 2, 0, 0),
            ad(Op::Closure, 3, 2),
            abc(Op::TailCall, 3, 0, 0),
        ],
    );
    b.function(
        2,
        0,
        false,
        &[(1, 0)],
        &[abc(Op::UpGet, 0, 0, 0), abc(Op::Return, 0, 1, 0)],
    );
    b.image.captures[1] = ktap_bytecode::code::Capture {
        from_upvalue: 0,
        index: 2,
    };
    let code = [
        ad(Op::LoadI, 3, 41),
        abc(Op::CellNew, 2, 3, 0),
        ad(Op::Closure, 1, 1),
        abc(Op::Call, 1, 0, 1),
        print(0, 1),
    ];
    assert_eq!(shows(&mut b, &code), "Print([Int(42)])");
}

#[test]
fn tables() {
    let mut b = Build::new();
    let key = b.str("k");
    let code = [
        abc(Op::NewTable, 10, 2, 2),
        ad(Op::LoadI, 11, 1),
        ad(Op::LoadI, 12, 7),
        ad(Op::LoadI, 13, 8),
        abc(Op::TList, 10, 11, 2),
        abc(Op::TSetK, 10, key, 12),
        abc(Op::TAddK, 10, key, 12),
        abc(Op::TAdd, 10, 11, 13),
        abc(Op::TSet, 10, 13, 12),
        abc(Op::TGet, 1, 10, 11),
        abc(Op::TGetK, 2, 10, key),
        abc(Op::TGet, 3, 10, 13),
        ad(Op::LoadI, 4, 2),
        abc(Op::TGet, 4, 10, 4),
        ad(Op::LoadI, 5, 99),
        abc(Op::TGet, 5, 10, 5),
        print(0, 5),
    ];
    assert_eq!(shows(&mut b, &code), "Print([Int(15), Int(14), Int(7), Int(8), Nil])");
    let table: &[(&[Word], &str)] = &[
        (&[abc(Op::LoadNil, 1, 2, 0), abc(Op::TGet, 1, 1, 2)], "IndexType 0 at 1"),
        (
            &[
                abc(Op::NewTable, 1, 0, 0),
                abc(Op::LoadNil, 2, 1, 0),
                abc(Op::TSet, 1, 2, 1),
            ],
            "NilKey 0 at 2",
        ),
        (
            &[
                abc(Op::NewTable, 1, 0, 0),
                abc(Op::LoadNil, 2, 1, 0),
                abc(Op::TGet, 1, 1, 2),
                print(0, 1),
            ],
            "Print([Nil])",
        ),
        (
            &[abc(Op::NewTable, 1, 0, 0), abc(Op::TAdd, 1, 1, 1)],
            "AddOperand 0 at 1",
        ),
        (
            &[
                abc(Op::NewTable, 1, 0, 0),
                ad(Op::LoadI, 2, 1),
                abc(Op::TSet, 1, 2, 1),
                abc(Op::TAdd, 1, 2, 2),
            ],
            "AddType 0 at 3",
        ),
        (
            &[abc(Op::NewTable, 1, 0, 0), ad(Op::LoadI, 2, 1), abc(Op::TAgg, 1, 2, 1)],
            "AggregateType 0 at 2",
        ),
    ];
    for (code, expected) in table {
        assert_eq!(main_shows(code), *expected);
    }
}

#[test]
fn aggregates() {
    let mut code = vec![abc(Op::NewTable, 10, 0, 0), ad(Op::LoadI, 11, 3)];
    for n in [2, 4, 4, 4, 5, 5, 7, 9] {
        code.extend([ad(Op::LoadI, 12, n), abc(Op::TAgg, 10, 11, 12)]);
    }
    let readers = [
        Builtin::Count,
        Builtin::Sum,
        Builtin::Avg,
        Builtin::Min,
        Builtin::Max,
        Builtin::Stddev,
    ];
    for (i, reader) in (1..).zip(readers) {
        code.extend([
            abc(Op::TGet, 14, 10, 11),
            abc(Op::CallBuiltin, 13, 1, reader as u8),
            abc(Op::Move, i, 13, 0),
        ]);
    }
    code.extend([abc(Op::TGet, 7, 10, 11), print(0, 7)]);
    assert_eq!(
        main_shows(&code),
        "Print([Int(8), Int(40), Int(5), Int(2), Int(9), Int(2), Stat(Stat { count: 8, sum: 40, min: 2, max: 9 })])"
    );
}

#[test]
fn jumps_and_loops() {
    // for (i = 1, 4) s += i
    let code = [
        ad(Op::LoadI, 1, 0),
        ad(Op::LoadI, 2, 1),
        ad(Op::LoadI, 3, 4),
        ad(Op::LoadI, 4, 1),
        ad(Op::ForPrep, 2, 2),
        abc(Op::Add, 1, 1, 5),
        ad(Op::ForLoop, 2, -2),
        print(0, 1),
    ];
    assert_eq!(main_shows(&code), "Print([Int(10)])");
    let mut never = code;
    never[1] = ad(Op::LoadI, 2, 5);
    assert_eq!(main_shows(&never), "Print([Int(0)])");
    never[3] = ad(Op::LoadI, 4, 0);
    assert_eq!(main_shows(&never), "ForStep 0 at 4");
    let code = [
        ad(Op::LoadI, 1, 0),
        ad(Op::JmpT, 1, 1),
        ad(Op::LoadI, 1, 9),
        abc(Op::LoadBool, 2, 0, 0),
        ad(Op::JmpF, 2, 1),
        ad(Op::LoadI, 2, 9),
        ad(Op::Jmp, 0, 1),
        ad(Op::LoadI, 1, 9),
        print(0, 2),
    ];
    assert_eq!(main_shows(&code), "Print([Int(0), Bool(false)])");
    assert_eq!(main_shows(&[ad(Op::Jmp, 0, -1)]), "LoopLimit 100000 at 0");
}

#[test]
fn pairs_goes_list_first_then_in_order_of_insertion() {
    let mut b = Build::new();
    let (z, a) = (b.str("z"), b.str("a"));
    let code = [
        abc(Op::NewTable, 1, 0, 0),
        ad(Op::LoadI, 10, 1),
        ad(Op::LoadI, 11, 2),
        ad(Op::LoadI, 12, -3),
        abc(Op::TSetK, 1, z, 10),
        abc(Op::TSetK, 1, a, 11),
        abc(Op::TSet, 1, 12, 12),
        abc(Op::TSet, 1, 10, 10),
        abc(Op::TSet, 1, 11, 11),
        abc(Op::LoadNil, 2, 1, 0),
        ad(Op::Next, 1, 6),
        abc(Op::Move, 7, 3, 0),
        abc(Op::Move, 8, 4, 0),
        print(6, 2),
        // The entry that the loop stands on goes away.
        abc(Op::LoadNil, 9, 1, 0),
        abc(Op::TSet, 1, 3, 9),
        ad(Op::Jmp, 0, -7),
        abc(Op::Move, 2, 1, 0),
        abc(Op::CallBuiltin, 1, 1, Builtin::Len as u8),
        print(0, 1),
    ];
    assert_eq!(
        shows(&mut b, &code),
        "Print([Int(1), Int(1)]) Print([Int(2), Int(2)]) Print([Str([122]), Int(1)]) Print([Str([97]), Int(2)]) \
         Print([Int(-3), Int(-3)]) Print([Int(0)])"
    );
}

#[test]
fn calls_and_returns() {
    let mut b = Build::new();
    // function(a, b, ...) return ..., b, a end
    b.function(
        6,
        2,
        true,
        &[],
        &[
            abc(Op::Move, 2, 1, 0),
            abc(Op::Move, 3, 0, 0),
            abc(Op::Vararg, 4, MULTI, 0),
            abc(Op::Return, 2, MULTI, 0),
        ],
    );
    let code = [
        ad(Op::Closure, 1, 1),
        ad(Op::LoadI, 2, 1),
        ad(Op::LoadI, 3, 2),
        ad(Op::LoadI, 4, 3),
        ad(Op::LoadI, 5, 4),
        abc(Op::Call, 1, 4, MULTI),
        print(0, MULTI),
        ad(Op::Closure, 1, 1),
        abc(Op::Call, 1, 0, 3),
        print(0, 3),
    ];
    assert_eq!(
        shows(&mut b, &code),
        "Print([Int(2), Int(1), Int(3), Int(4)]) Print([Nil, Nil, Nil])"
    );
    assert_eq!(
        main_shows(&[abc(Op::LoadNil, 1, 1, 0), abc(Op::Call, 1, 0, 1)]),
        "CallType 0 at 1"
    );
    let mut b = Build::new();
    let len = b.constant(ktap_bytecode::code::Const::builtin(Builtin::Len as u8));
    let text = b.str("four");
    let code = [
        ad(Op::LoadK, 1, len as i32),
        ad(Op::LoadK, 2, text as i32),
        abc(Op::Call, 1, 1, 2),
        print(0, 2),
    ];
    assert_eq!(shows(&mut b, &code), "Print([Int(4), Nil])");
    let mut b = Build::new();
    let len = b.constant(ktap_bytecode::code::Const::builtin(Builtin::Len as u8));
    assert_eq!(
        shows(&mut b, &[ad(Op::LoadK, 1, len as i32), abc(Op::Call, 1, 0, 1)]),
        "MissingArgument 1 at 1"
    );
}

#[test]
fn recursion_ends_and_tail_calls_do_not_grow() {
    // g0 = function(n) if (n == 0) return 7; return g0(n - 1)
    let mut b = Build::new();
    let (zero, one) = (b.int(0), b.int(1));
    let deep = b.int(1_000_000);
    let body = |call: Op, c: u8| {
        [
            abc(Op::EqK, 1, 0, zero),
            ad(Op::JmpF, 1, 2),
            ad(Op::LoadI, 1, 7),
            abc(Op::Return, 1, 1, 0),
            ad(Op::GGet, 1, 0),
            abc(Op::SubK, 2, 0, one),
            abc(call, 1, 1, c),
            abc(Op::Return, 1, 1, 0),
        ]
    };
    b.function(3, 1, false, &[], &body(Op::TailCall, 0));
    b.function(3, 1, false, &[], &body(Op::Call, 1));
    let code = [
        ad(Op::Closure, 1, 1),
        ad(Op::GSet, 1, 0),
        ad(Op::LoadK, 2, deep as i32),
        abc(Op::Call, 1, 1, 1),
        print(0, 1),
        ad(Op::Closure, 1, 2),
        ad(Op::GSet, 1, 0),
        ad(Op::LoadI, 2, 50),
        abc(Op::Call, 1, 1, 1),
        print(0, 1),
        ad(Op::Closure, 1, 2),
        ad(Op::LoadI, 2, 1000),
        abc(Op::Call, 1, 1, 1),
    ];
    let mut untouched = Build { image: b.image.clone() };
    assert!(shows(&mut b, &code).starts_with("StackOverflow 0"));
    assert_eq!(shows(&mut untouched, &code[..10]), "Print([Int(7)]) Print([Int(7)])");
}

#[test]
fn members_and_fields() {
    let mut b = Build::new();
    let name = b.str("prio");
    let method = b.str("field");
    b.field(FieldKind::Name, 0, Some(name));
    b.field(FieldKind::Arg, 0, None);
    b.field(FieldKind::Name, 0, Some(name));
    let field = b.field(FieldKind::Member, 2, Some(method));
    b.function(
        8,
        1,
        false,
        &[],
        &[
            abc(Op::Member, 2, 0, 0),
            ad(Op::EvField, 3, 1),
            ad(Op::EvField, 4, 2),
            abc(Op::Member, 5, 0, field),
            ad(Op::LoadI, 6, 1),
            abc(Op::Call, 5, 1, 1),
            print(1, 4),
            print(0, 1),
            end(),
        ],
    );
    let probe = b.probe();
    let mut attach = vec![ad(Op::Closure, 1, 1), ad(Op::Attach, 1, probe)];
    attach.extend([
        abc(Op::NewTable, 1, 0, 0),
        abc(Op::TSetK, 1, name, 1),
        abc(Op::Member, 2, 1, 0),
        print(1, 1),
    ]);
    assert!(shows(&mut b, &attach).starts_with("TableBegin(Dump, 0, 1) TableRow(Str([112, 114, 105, 111]), Table("));
    let host = Fake::in_an_event();
    common::with_vm(&b, common::small(), 1, |vm| {
        vm.run_main(&Fake::new(), 0).expect("main");
        vm.run_attached(&host, 0, 0).expect("handler");
        // Without an event there is no field.
        let fault = vm.run_attached(&Fake::new(), 0, 0).expect_err("no event");
        assert_eq!(fault.trap, Trap::IndexType);
    });
    assert_eq!(
        host.shown(),
        [
            format!("Print([Str({:?}), Int(-7), Bool(true), Int(100)])", b"field zero"),
            "Print([Nil])".to_string(),
        ]
    );
}

#[test]
fn attaches_only_from_main() {
    let mut b = Build::new();
    let probe = b.probe();
    b.function(
        2,
        0,
        false,
        &[],
        &[ad(Op::Closure, 0, 1), ad(Op::Attach, 0, probe), end()],
    );
    let code = [ad(Op::Closure, 1, 1), ad(Op::Attach, 1, probe)];
    assert_eq!(shows(&mut b, &code), "");
    common::with_vm(&b, common::small(), 1, |vm| {
        let host = Fake::new();
        vm.run_main(&host, 0).expect("main");
        assert_eq!(*host.attached.borrow(), [(0, 0)]);
        assert_eq!(
            vm.run_attached(&host, 0, 0).expect_err("in a handler").trap,
            Trap::AttachInHandler
        );
        vm.end_phase();
        assert_eq!(
            vm.run_attached(&host, 0, 0).expect_err("in the end").trap,
            Trap::AttachInEnd
        );
        assert_eq!(vm.run_attached(&host, 0, 9), Ok(ktap_vm::Outcome::Done));
    });
    let mut b = Build::new();
    let probe = b.probe();
    assert_eq!(
        shows(&mut b, &[ad(Op::LoadI, 1, 1), ad(Op::Attach, 1, probe)]),
        "BadHandler 0 at 1"
    );
}

#[test]
fn counts() {
    let mut b = Build::new();
    let key = b.str("k");
    let code = [
        abc(Op::NewCounts, 1, 0, 0),
        ad(Op::LoadI, 2, 3),
        abc(Op::TInc, 1, 2, 200),
        abc(Op::TInc, 1, 2, 55),
        abc(Op::TIncK, 1, key, 7),
        abc(Op::TGet, 3, 1, 2),
        abc(Op::TGetK, 4, 1, key),
        ad(Op::GInc, 9, 3),
        ad(Op::GInc, 255, 3),
        ad(Op::GGet, 5, 3),
        print(2, 3),
    ];
    assert_eq!(shows(&mut b, &code), "Print([Int(255), Int(7), Int(264)])");
    let code = [abc(Op::NewCounts, 1, 0, 0), abc(Op::TInc, 1, 2, 1)];
    assert_eq!(main_shows(&code), "NilKey 0 at 1");
    let code = [abc(Op::LoadBool, 1, 1, 0), ad(Op::GSet, 1, 0), ad(Op::GInc, 1, 0)];
    assert_eq!(main_shows(&code), "AddType 0 at 2");
}

/// Every op occurs in this file: a new op comes with its row.
#[test]
fn every_op_has_its_row() {
    let source = include_str!("ops.rs");
    for op in Op::ALL {
        assert!(source.contains(&format!("Op::{op:?}")), "{op:?}");
    }
}
