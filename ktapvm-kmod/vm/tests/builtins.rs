//! A table of calls, one per builtin, with the value printed or the trap.
mod common;

use common::{Build, Fake, abc, ad, run_on};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::Const;
use ktap_bytecode::op::Op;

/// An argument.
enum Arg {
    Nil,
    True,
    Int(i64),
    Str(&'static str),
    Format(&'static str),
    /// `{ [1] = 10, x = 20 }`
    Table,
    /// `ipof(n)`.
    Ip(i64),
    /// `argstr`.
    Event,
}

use Arg::*;

/// 192.168.0.255 in network order.
const ADDRESS: Arg = Int(u32::from_ne_bytes([192, 168, 0, 255]) as i64);

/// Calls a builtin by number with arguments and prints what it returns; gives all records, or the trap.
fn call_in(host: &Fake, builtin: Builtin, args: &[Arg]) -> String {
    let mut b = Build::new();
    let mut code = vec![];
    for (register, arg) in (3..).zip(args) {
        match arg {
            Nil => code.push(abc(Op::LoadNil, register, 1, 0)),
            True => code.push(abc(Op::LoadBool, register, 1, 0)),
            Int(n) => code.push(ad(Op::LoadK, register, b.int(*n) as i32)),
            Str(text) => code.push(ad(Op::LoadK, register, b.str(text) as i32)),
            Format(classes) => code.push(ad(Op::LoadK, register, b.format(classes) as i32)),
            Table => {
                let (x, ten, twenty, one) = (b.str("x"), b.int(10), b.int(20), b.int(1));
                code.extend([abc(Op::NewTable, register, 1, 1), ad(Op::LoadK, 15, ten as i32)]);
                code.extend([abc(Op::TSetK, register, one, 15), ad(Op::LoadK, 15, twenty as i32)]);
                code.push(abc(Op::TSetK, register, x, 15));
            }
            Ip(n) => {
                code.push(ad(Op::LoadK, 16, b.int(*n) as i32));
                code.extend([
                    abc(Op::CallBuiltin, 15, 1, Builtin::Ipof as u8),
                    abc(Op::Move, register, 15, 0),
                ]);
            }
            Event => {
                code.extend([
                    abc(Op::CallBuiltin, 15, 0, Builtin::Argstr as u8),
                    abc(Op::Move, register, 15, 0),
                ]);
            }
        }
    }
    // As a value, so that wrong numbers of arguments get past the verifier.
    let number = b.constant(Const::builtin(builtin as u8));
    code.extend([ad(Op::LoadK, 2, number as i32), abc(Op::Call, 2, args.len() as u8, 1)]);
    if args.len() == 1 && matches!(args[0], Table) && builtin == Builtin::Delete {
        code.extend([
            abc(Op::Move, 2, 3, 0),
            abc(Op::CallBuiltin, 1, 1, Builtin::Len as u8),
            abc(Op::Move, 2, 1, 0),
        ]);
    }
    code.extend([
        abc(Op::LoadNil, 3, 1, 0),
        abc(Op::CallBuiltin, 1, 2, Builtin::Print as u8),
        abc(Op::Return0, 0, 0, 0),
    ]);
    b.function(20, 0, false, &[], &code);
    match run_on(&b, host) {
        Ok(ktap_vm::Outcome::Done) => host.shown().join(" ").replace(", Nil])", "])"),
        Ok(ktap_vm::Outcome::Exit(status)) => format!("exit {status}"),
        Err(fault) => format!("{:?} {}", fault.trap, fault.detail),
    }
}

fn call(builtin: Builtin, args: &[Arg]) -> String {
    call_in(&Fake::in_an_event(), builtin, args)
}

fn text(text: &str) -> String {
    format!("Print([Str({:?})])", text.as_bytes())
}

fn raw(bytes: &str) -> String {
    format!("Raw({:?}) Print([Nil])", bytes.as_bytes())
}

#[test]
fn every_builtin() {
    let stack = |addresses: &[u64]| addresses.iter().flat_map(|a| a.to_le_bytes()).collect::<Vec<u8>>();
    let event = format!("Event(77, {:?})", b"raw event bytes");
    let rows = "TableRow(Int(1), Int(10)) TableRow(Str([120]), Int(20)) TableEnd Print([Nil])";
    let table: Vec<(Builtin, &[Arg], String)> = vec![
        (
            Builtin::Print,
            &[Int(1), True, Nil, Str("a")],
            "Print([Int(1), Bool(true), Nil, Str([97])]) Print([Nil])".into(),
        ),
        (Builtin::Print, &[], "Print([]) Print([Nil])".into()),
        (Builtin::Print, &[Table], format!("TableBegin(Dump, 0, 2) {rows}")),
        (
            Builtin::Print,
            &[Ip(255), Event],
            format!("Print([Symbol(255), {event}]) Print([Nil])"),
        ),
        (
            Builtin::Printf,
            &[Format("ds"), Int(5), Str("a")],
            "Printf([Format(0), Int(5), Str([97])]) Print([Nil])".into(),
        ),
        (
            Builtin::Printf,
            &[Format("s"), Nil],
            "Printf([Format(0)]) Print([Nil])".into(),
        ),
        (
            Builtin::Printf,
            &[Format("p"), Ip(16)],
            "Printf([Format(0), Symbol(16)]) Print([Nil])".into(),
        ),
        (
            Builtin::Printf,
            &[Str("dynamic"), Int(1)],
            format!("Printf([Str({:?}), Int(1)]) Print([Nil])", b"dynamic"),
        ),
        (Builtin::Printf, &[Format("s"), Int(1)], "WrongArgument 2".into()),
        (Builtin::Printf, &[Format("s"), True], "WrongArgument 2".into()),
        (Builtin::Printf, &[Format("d"), Str("a")], "WrongArgument 2".into()),
        (Builtin::Printf, &[Format("dd"), Int(1)], "MissingArgument 3".into()),
        (Builtin::Printf, &[Int(1)], "WrongArgument 1".into()),
        (
            Builtin::PrintHist,
            &[Table],
            format!("TableBegin(PrintHist, 0, 2) {rows}"),
        ),
        (
            Builtin::Histogram,
            &[Table, Int(5)],
            format!("TableBegin(Histogram, 5, 2) {rows}"),
        ),
        (Builtin::Histogram, &[Int(5)], "WrongArgument 1".into()),
        (Builtin::Len, &[Str("abc")], "Print([Int(3)])".into()),
        (Builtin::Len, &[Table], "Print([Int(2)])".into()),
        (Builtin::Len, &[Int(1)], "LenType 0".into()),
        (Builtin::Len, &[], "MissingArgument 1".into()),
        (Builtin::Delete, &[Table], "Print([Int(0)])".into()),
        (Builtin::Delete, &[Table, Str("x")], "Print([Nil])".into()),
        (Builtin::Exit, &[], "exit 0".into()),
        (Builtin::Exit, &[Int(3)], "exit 3".into()),
        (Builtin::Count, &[Table, Str("x")], "Print([Nil])".into()),
        (Builtin::Count, &[Nil], "Print([Int(0)])".into()),
        (Builtin::Count, &[Int(1)], "WrongArgument 1".into()),
        (Builtin::TableCount, &[Table, Str("x"), Int(3)], "Print([Nil])".into()),
        (Builtin::TableCount, &[Int(1), Int(1)], "WrongArgument 1".into()),
        (Builtin::Sum, &[Nil], "Print([Int(0)])".into()),
        (Builtin::Avg, &[Nil], "Print([Int(0)])".into()),
        (Builtin::Min, &[Nil], "Print([Int(0)])".into()),
        (Builtin::Max, &[Nil], "Print([Int(0)])".into()),
        (Builtin::Stddev, &[Str("x")], "WrongArgument 1".into()),
        (Builtin::Pid, &[], "Print([Int(41)])".into()),
        (Builtin::Tid, &[], "Print([Int(42)])".into()),
        (Builtin::Uid, &[], "Print([Int(1000)])".into()),
        (Builtin::Cpu, &[], "Print([Int(3)])".into()),
        (Builtin::Execname, &[], text("bash")),
        (Builtin::Argstr, &[], format!("Print([{event}])")),
        (Builtin::EventText, &[], format!("Print([{event}])")),
        (Builtin::Probename, &[], text("sched_switch")),
        (Builtin::EventField, &[Int(1)], "Print([Int(100)])".into()),
        (Builtin::EventField, &[Int(0)], "Print([Nil])".into()),
        (Builtin::EventSetRetval, &[Int(0)], "Unsafe 0".into()),
        (Builtin::GettimeofdayNs, &[], "Print([Int(1700000000123456789)])".into()),
        (Builtin::GettimeofdayUs, &[], "Print([Int(1700000000123456)])".into()),
        (Builtin::GettimeofdayMs, &[], "Print([Int(1700000000123)])".into()),
        (Builtin::GettimeofdayS, &[], "Print([Int(1700000000)])".into()),
        (Builtin::Nsecs, &[], "Print([Int(1000000007)])".into()),
        (Builtin::PrintTraceClock, &[], "Clock Print([Nil])".into()),
        (Builtin::NumCpus, &[], "Print([Int(4)])".into()),
        (Builtin::Arch, &[], text("riscv64")),
        (Builtin::KernelV, &[], text("6.1.0")),
        (Builtin::KernelString, &[Int(77)], text("k77")),
        (Builtin::UserString, &[Ip(77)], text("u77")),
        (Builtin::UserString, &[Str("a")], "WrongArgument 1".into()),
        (Builtin::Stringof, &[Int(-9)], text("-9")),
        (Builtin::Stringof, &[Event], format!("Print([{event}])")),
        (Builtin::Stringof, &[Nil], "WrongArgument 1".into()),
        (Builtin::Ipof, &[Int(4096)], "Print([Symbol(4096)])".into()),
        (
            Builtin::Stack,
            &[],
            format!(
                "Print([Stack(false, 0, {:?})])",
                stack(&[0xffff_0001, 0xffff_0002, 0xffff_0003])
            ),
        ),
        (
            Builtin::Stack,
            &[Int(-1), Int(1)],
            format!("Print([Stack(false, 0, {:?})])", stack(&[0xffff_0002, 0xffff_0003])),
        ),
        (
            Builtin::Ustack,
            &[Int(1)],
            format!("Print([Stack(true, 41, {:?})])", stack(&[0xffff_0011])),
        ),
        (Builtin::InInterrupt, &[], "Print([Int(256)])".into()),
        (Builtin::InIowait, &[], "Print([Int(1)])".into()),
        (Builtin::CurrTaskinfo, &[Int(2), Int(8)], "Print([Int(28)])".into()),
        (Builtin::CurrTaskinfo, &[Int(2), Int(3)], "WrongArgument 2".into()),
        (Builtin::AnsiClearScreen, &[], raw("\x1b[1;1H\x1b[J")),
        (Builtin::AnsiSetColor, &[Int(31)], raw("\x1b[31m")),
        (Builtin::AnsiSetColor2, &[Int(31), Int(40)], raw("\x1b[31;40m")),
        (
            Builtin::AnsiSetColor3,
            &[Int(31), Int(40), Int(1)],
            raw("\x1b[31;40;1m"),
        ),
        (Builtin::AnsiSetColor3, &[Int(31), Int(40), Int(0)], raw("\x1b[31;40m")),
        (Builtin::AnsiResetColor, &[], raw("\x1b[0;0m")),
        (Builtin::AnsiNewLine, &[], raw("\n")),
        (
            Builtin::TableNew,
            &[Int(-1), Int(1 << 40)],
            "OutOfMemory 2097152".into(),
        ),
        (Builtin::FormatIpAddr, &[ADDRESS], text("192.168.0.255")),
        (Builtin::NetSockSaddr, &[Int(1)], "Unsupported 0".into()),
        (Builtin::NetSockDaddr, &[Int(1)], "Unsupported 0".into()),
        (Builtin::Log2, &[Int(1023)], "Print([Int(9)])".into()),
        (Builtin::Log2, &[Int(1)], "Print([Int(0)])".into()),
        (Builtin::Log2, &[Int(0)], "Print([Int(-1)])".into()),
    ];
    for (builtin, args, expected) in &table {
        assert_eq!(call(*builtin, args), *expected, "{}", builtin.name());
    }
    for builtin in Builtin::ALL {
        assert!(
            table.iter().any(|(row, ..)| row == builtin),
            "{} has no row",
            builtin.name()
        );
    }
}

#[test]
fn outside_an_event() {
    for builtin in [
        Builtin::Argstr,
        Builtin::Probename,
        Builtin::EventText,
        Builtin::Stack,
        Builtin::Ustack,
    ] {
        assert_eq!(call_in(&Fake::new(), builtin, &[]), "NoEvent 0", "{}", builtin.name());
    }
    assert_eq!(call_in(&Fake::new(), Builtin::EventField, &[Int(1)]), "NoEvent 0");
}

#[test]
fn stacks_and_events_are_keys() {
    let mut b = Build::new();
    let mut code = vec![abc(Op::NewTable, 1, 0, 0), ad(Op::LoadI, 2, 1)];
    for builtin in [
        Builtin::Stack,
        Builtin::Argstr,
        Builtin::Stack,
        Builtin::Argstr,
        Builtin::Execname,
    ] {
        code.extend([abc(Op::CallBuiltin, 3, 0, builtin as u8), abc(Op::TAdd, 1, 3, 2)]);
    }
    code.extend([
        abc(Op::CallBuiltin, 0, 1, Builtin::PrintHist as u8),
        abc(Op::Return0, 0, 0, 0),
    ]);
    b.function(8, 0, false, &[], &code);
    let host = Fake::in_an_event();
    run_on(&b, &host).expect("runs");
    let shown = host.shown();
    assert_eq!(shown.len(), 5);
    assert!(
        shown[1].starts_with("TableRow(Stack(false, 0, [1, 0, 255, 255, 0, ") && shown[1].ends_with("Int(2))"),
        "{}",
        shown[1]
    );
    assert_eq!(
        shown[2],
        format!("TableRow(Event(77, {:?}), Int(2))", b"raw event bytes")
    );
}

#[test]
fn only_numbers_are_charted_and_long_records_are_counted() {
    let mut b = Build::new();
    let k = b.str("k");
    let print_hist = abc(Op::CallBuiltin, 0, 1, Builtin::PrintHist as u8);
    b.function(
        4,
        0,
        false,
        &[],
        &[
            abc(Op::NewTable, 1, 0, 0),
            abc(Op::TSetK, 1, k, 1),
            print_hist,
            abc(Op::Return0, 0, 0, 0),
        ],
    );
    let host = Fake::new();
    assert_eq!(
        run_on(&b, &host).expect_err("a table is no number").trap,
        ktap_bytecode::trap::Trap::HistValue
    );
    assert!(host.shown().is_empty());

    let mut b = Build::new();
    let text = b.str(&"x".repeat(4000));
    let mut code: Vec<_> = (1..6).map(|r| ad(Op::LoadK, r, text as i32)).collect();
    code.extend([
        abc(Op::CallBuiltin, 0, 5, Builtin::Print as u8),
        abc(Op::Return0, 0, 0, 0),
    ]);
    b.function(8, 0, false, &[], &code);
    let host = Fake::new();
    common::with_vm(&b, common::small(), 1, |vm| {
        vm.run_main(&host, 0).expect("goes on");
        assert_eq!(vm.counters().oversize, 1);
    });
}
