//! What scripts do: compiled, and run on the virtual machine.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fmt::Write as _;

use ktap_bytecode::code::{Field, FieldKind};
use ktap_bytecode::limits::{COMM_LEN, Limits};
use ktap_bytecode::record::{MAX_HEADER, Record, RecordBody, RecordHeader, RecordValue, encode_header};
use ktap_bytecode::trap::Trap;
use ktap_bytecode::verify::verify;
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::source::Source;
use ktap_vm::Vm;
use ktap_vm::host::{FieldValue, Host, RecordLost};

/// A host whose event is `sched:test` with own fields 100, 101, ... of any name.
struct Fake {
    event: bool,
    printed: RefCell<String>,
}

impl Host for Fake {
    fn time_ns(&self) -> u64 {
        7
    }
    fn wall_ns(&self) -> u64 {
        8
    }
    fn pid(&self) -> u32 {
        41
    }
    fn tid(&self) -> u32 {
        42
    }
    fn uid(&self) -> u32 {
        0
    }
    fn cpu(&self) -> u32 {
        3
    }
    fn num_cpus(&self) -> u32 {
        4
    }
    fn execname<'b>(&self, buf: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        buf[..2].copy_from_slice(b"sh");
        &buf[..2]
    }
    fn arch(&self) -> &[u8] {
        b"x86_64"
    }
    fn kernel_release(&self) -> &[u8] {
        b"6.1.0"
    }
    fn in_event(&self) -> bool {
        self.event
    }
    fn event_name(&self) -> &[u8] {
        b"sched_test"
    }
    fn event_field(&self, _: u16, field: Field) -> FieldValue<'_> {
        match field.kind {
            kind if kind == FieldKind::Arg as u8 => FieldValue::Int(100 + i64::from(field.number)),
            kind if kind == FieldKind::Member as u8 && field.number == 0 => FieldValue::Str(self.event_name()),
            kind if kind == FieldKind::Member as u8 => FieldValue::Int(i64::from(field.number)),
            _ => FieldValue::Str(b"named"),
        }
    }
    fn event_field_number(&self, number: i64) -> FieldValue<'_> {
        FieldValue::Int(100 + number)
    }
    fn event_raw(&self) -> Option<(u16, &[u8])> {
        None
    }
    fn set_retval(&self, _: i64) -> Result<(), Trap> {
        Err(Trap::Unsafe)
    }
    fn stack(&self, _: bool, _: usize, _: &mut [u64]) -> usize {
        0
    }
    fn read_str<'b>(&self, _: bool, _: u64, _: &'b mut [u8]) -> &'b [u8] {
        b""
    }
    fn task_field(&self, _: i64, _: i64) -> Result<i64, Trap> {
        Err(Trap::Unsupported)
    }
    fn in_interrupt(&self) -> i64 {
        0
    }
    fn in_iowait(&self) -> i64 {
        0
    }
    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost> {
        let mut head = [0; MAX_HEADER];
        let len = encode_header(header, &mut head);
        let bytes = [&head[..len], body].concat();
        let (record, _) = Record::take(&bytes).unwrap();
        let mut printed = self.printed.borrow_mut();
        match record.body {
            RecordBody::Print(values) | RecordBody::Printf(values) => {
                let words: Vec<String> = values.iter().map(word).collect();
                writeln!(printed, "{}", words.join(" ")).unwrap();
            }
            body => writeln!(printed, "{body:?}").unwrap(),
        }
        Ok(())
    }
    fn attach(&self, _: u16, _: u16) -> Result<(), Trap> {
        Ok(())
    }
    fn lock_enter(&self) -> u64 {
        0
    }
    fn lock_exit(&self, _: u64) {}
    fn in_nmi(&self) -> bool {
        false
    }
}

fn word(value: &RecordValue<'_>) -> String {
    match value {
        RecordValue::Nil => "nil".to_string(),
        RecordValue::Bool(value) => value.to_string(),
        RecordValue::Int(value) => value.to_string(),
        RecordValue::Str(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Runs main, then each attached handler once in the order of attachment; returns what was printed, and a trap's name.
fn run(text: &str) -> String {
    let options = CompileOptions {
        args: vec!["10".to_string(), "two".to_string()],
        script_name: "me.kp".to_string(),
        allow_unsafe: true,
    };
    let (program, diagnostics) = compile(&Source::new("me.kp", text), &options);
    let program = program.unwrap_or_else(|| panic!("{diagnostics:#?}\n{text}"));
    let verified = verify(program.image.code_ref()).unwrap();
    let limits = Limits::default();
    let mut region = vec![0u64; Vm::region_size(&limits, &program.image.code_ref(), 1)];
    let vm = Vm::new(verified, &mut region, limits, 1).unwrap();
    let mut host = Fake {
        event: false,
        printed: RefCell::default(),
    };
    let mut result = vm.run_main(&host, 0);
    host.event = true;
    for attached in 0..vm.attached_count() {
        result = result.and_then(|_| vm.run_attached(&host, 0, attached));
    }
    let mut printed = host.printed.into_inner();
    if let Err(fault) = result {
        writeln!(printed, "trap {:?}", fault.trap).unwrap();
    }
    printed
}

/// Scripts with what they print, lines joined by `; `.
#[rustfmt::skip]
const CASES: &[(&str, &str)] = &[
    ("var a = {1}  var i = 1  i, a[i] = 2, 9  print(i, a[1], a[2])", "2 9 nil"),
    ("var x, y = 5, 6  var function g() { x = y  y = nil  return x }  print(g(), y, x)", "6 nil 6"),
    ("x = 1  function f() { x *= 3  x -= 1 }  f()  f()  print(x)", "5"),
    ("for (i = 1, 2) { var c = i  var function inc() { c += 1 }  inc()  c -= i  print(c) }", "1; 1"),
    ("var function even(n) { if (n == 0) { return true }  return !even(n - 1) }  print(even(10), even(7))", "true false"),
    ("var t = {a = {b = {}}}  function t.a.b.f(x) { return x, 2 }  print(t.a.b.f(1))  t.a.b.c = t.a.b.f(8)  print(t.a.b.c)", "1 2; 8"),
    ("var a = cpu()  a = a == 3 && a != 4  print(a, a == true, a != nil)", "true true true"),
    ("var s = 'k'  var t = {k = 1}  t[s] = t[s] + 1  t[s .. 1] += 1  print(t.k, t.k1)  delete(t)  print(len(t))", "2 1; 0"),
    ("trace a:b { exit()  print('never') }  trace_end { print('end') }", "end"),
    ("print(1 + 2 * 3, 7 / 2, -7 / 2, -7 % 3, 1 << 4 | 1)", "7 3 -3 -1 17"),
    ("var a, b = 1, 2  a, b = b, a  print(a, b)", "2 1"),
    ("var a = cpu()  a += 2  a -= 1  a *= 3  a /= 2  a %= 4  print(a)", "2"),
    ("var n  n += 1  print(n, nil + 1)", "1 nil"),
    ("var t = {}  t.x += 2  t['x'] -= 5  t[1] = t[1] + 4  count(t, 1)  print(t.x, t[1], len(t))", "-3 5 2"),
    ("var t = {5, 6, k = 7, [9] = 8}  print(t[1], t[2], t.k, t[9], t.no)", "5 6 7 8 nil"),
    ("function f(a, ...) { return ..., a }  print(f(1, 2, 3))  print((f(1, 2)))  var t = {f(1, 2)}  print(len(t))", "2 1; 2; 2"),
    ("function f(...) { return ... }  var a, b, c = f(1, 2)  print(a, b, c, f(), f(4, 5))", "1 2 nil nil 4 5"),
    ("function f(n) { if (n < 2) { return 1 } return n * f(n - 1) }  print(f(10))", "3628800"),
    ("function f(n, s) { if (n == 0) { return s } return f(n - 1, s + n) }  print(f(50000, 0))", "1250025000"),
    ("var o = {n = 1}  function o:add(k) { self.n += k  return self.n }  print(o:add(2), o:add(3))", "3 6"),
    ("var function mk() { var n = 0  return function () { n += 1  return n } }  var a = mk()  var b = mk()  print(a(), a(), b())", "1 2 1"),
    ("var t = {}  for (i = 1, 3) { t[i] = function () { i += 10  return i } }  print(t[1](), t[1](), t[2](), t[3]())", "11 21 12 13"),
    ("for (i = 3, 1, -1) { if (i == 2) { continue } print(i) }", "3; 1"),
    ("for (var i = 0; i < 5; i += 1) { if (i == 1) { continue } if (i == 3) { break } print(i) }", "0; 2"),
    ("var i = 0  while (true) { i += 1  if (i > 2) { break } }  repeat var j = i  i += 1 until (j > 4)  print(i)", "6"),
    ("var t = {x = 1, y = 2}  var s = 0  for (k, v in pairs(t)) { s += v }  print(s)", "3"),
    ("var x = cpu()  print(x == 3 && 'a' || 'b', x != 3 && 'a' || 'b', nil || x, false && x, !x)", "a b 3 false false"),
    ("var x = cpu()  if (!(x < 3 || x > 3) && 4 > x) { print('in') } else { print('out') }", "in"),
    ("var x = cpu()  x = x && nil || x + 1  print(x)  x = {x, x}  print(x[2])", "4; 4"),
    ("print('a' .. 1 .. cpu() .. 'b', 'a' < 'b', 'a' == 'b')", "a13b true false"),
    ("print(arg[0], arg[1] + 1, arg[2], arg[3], len(arg))", "me.kp 11 two nil 3"),
    ("var x = cpu()  print(x / (x - 3))", "trap DivideByZero"),
    ("print(1 / 0)", "trap DivideByZero"),
    ("var p = print  p(pid, tid(), execname, len)", "41 42 sh Builtin(4)"),
    ("n = 1  var s = 's'  trace a:b { n += 1  s = s .. n  print(n, s, arg0, arg3, probename) }", "2 s2 100 103 sched_test"),
    ("trace 'a:b' function (e) { print(e.name, e.field(1), e.field(cpu - 1), e.sc_nr, e.dfd) }", "sched_test 100 101 4 named"),
    ("function h(e) { print(e.name, e.dfd, e.field(2)) }  kdebug.probe('tp:', h)", "sched_test named 101"),
    ("var t = {}  timer.s(1, function () { t.a = 1 })  kdebug.probe_end(function () { print('end') })  print(t.a)  var q = 5  print(q)", "end; 1; 5"),
    ("var s  trace a:b { var t = {}  t.k <<< 3  t.k <<< 5  print(count(t.k), sum(t.k), avg(t.k), min(t.k), max(t.k)) }", "2 8 4 3 5"),
];

#[test]
fn scripts_do_what_the_language_says() {
    let mut failures = String::new();
    for (text, expected) in CASES {
        let printed = run(text).trim_end().replace('\n', "; ");
        if printed != *expected {
            writeln!(failures, "{text}\n  gives  {printed}\n  not    {expected}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
