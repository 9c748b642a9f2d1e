//! What a handler costs: instructions per event of the machine alone, counted by callgrind.
//!
//! In: nothing, names of rows, or `--run ROW COUNT` (`--idle`: all but the handlers). Out: a table. Invariant: the host is as cheap as can be and never inlined, as C is in the kernel, so that the
//! figures are those of the machine with nothing around it.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Cjump-tables=n -Ccodegen-units=1 -Zcross-crate-inline-threshold=always" \
//!     cargo run --release -p ktap-vm --example cost --target-dir target/cost
//! ```
//! The flags are those of the kernel that matter here. Needs valgrind.

#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::process::Command;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Const, Field, FieldKind, Format, Function};
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::{COMM_LEN, Limits};
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_bytecode::record::RecordHeader;
use ktap_bytecode::trap::Trap;
use ktap_bytecode::verify::verify;
use ktap_vm::Vm;
use ktap_vm::host::{FieldValue, Host, RecordLost};

/// A row of the table: a name, the instructions to reach, and the handlers that run one after the other at each event, with their registers.
struct Row {
    name: &'static str,
    target: u32,
    handlers: &'static [(u8, &'static [Word])],
}

const fn abc(op: Op, a: u8, b: u8, c: u8) -> Word {
    Word::abc(op, a, b, c)
}

const fn ad(op: Op, a: u8, d: u16) -> Word {
    Word::ad(op, a, d)
}

const fn call(a: u8, count: u8, builtin: Builtin) -> Word {
    Word::abc(Op::CallBuiltin, a, count, builtin as u8)
}

const END: Word = abc(Op::Return0, 0, 0, 0);

// Constants: 0 the number 99999, 1 a format of two numbers, 2 a format of a number and a string, 3 a text.
// Globals: 0 a number, 1 and 2 plain tables, 3 a table of counts. Fields: 0 and 1 the first two arguments.
const ROWS: &[Row] = &[
    Row {
        name: "empty",
        target: 35,
        handlers: &[(1, &[END])],
    },
    Row {
        name: "count",
        target: 125,
        handlers: &[(1, &[ad(Op::LoadI, 0, 1), ad(Op::GAdd, 0, 0), END])],
    },
    Row {
        name: "count, ginc",
        target: 125,
        handlers: &[(1, &[ad(Op::GInc, 1, 0), END])],
    },
    Row {
        name: "execname, plain table",
        target: 380,
        handlers: &[(
            3,
            &[
                ad(Op::GGet, 0, 1),
                call(1, 0, Builtin::Execname),
                ad(Op::LoadI, 2, 1),
                abc(Op::TAdd, 0, 1, 2),
                END,
            ],
        )],
    },
    Row {
        name: "execname, counts",
        target: 380,
        handlers: &[(
            3,
            &[
                ad(Op::GGet, 0, 3),
                call(1, 0, Builtin::Execname),
                abc(Op::TInc, 0, 1, 1),
                END,
            ],
        )],
    },
    Row {
        name: "log2 histogram, plain table",
        target: 280,
        handlers: &[(
            4,
            &[
                ad(Op::GGet, 0, 1),
                ad(Op::EvField, 2, 0),
                call(1, 1, Builtin::Log2),
                ad(Op::LoadI, 2, 1),
                abc(Op::TAdd, 0, 1, 2),
                END,
            ],
        )],
    },
    Row {
        name: "log2 histogram, counts",
        target: 280,
        handlers: &[(
            4,
            &[
                ad(Op::GGet, 0, 3),
                ad(Op::EvField, 2, 0),
                call(1, 1, Builtin::Log2),
                abc(Op::TInc, 0, 1, 1),
                END,
            ],
        )],
    },
    Row {
        name: "aggregate, counts",
        target: 280,
        handlers: &[(
            4,
            &[
                ad(Op::GGet, 0, 3),
                ad(Op::LoadI, 1, 7),
                ad(Op::EvField, 2, 0),
                abc(Op::TAgg, 0, 1, 2),
                END,
            ],
        )],
    },
    Row {
        name: "filter that rejects",
        target: 89,
        handlers: &[(
            2,
            &[
                call(1, 0, Builtin::Pid),
                abc(Op::EqK, 0, 1, 0),
                ad(Op::JmpT, 0, 1),
                END,
                ad(Op::LoadI, 0, 1),
                ad(Op::GAdd, 0, 0),
                END,
            ],
        )],
    },
    Row {
        name: "enter and exit latency",
        target: 718,
        handlers: &[
            (
                3,
                &[
                    ad(Op::GGet, 0, 2),
                    call(1, 0, Builtin::Tid),
                    call(2, 0, Builtin::Nsecs),
                    abc(Op::TSet, 0, 1, 2),
                    END,
                ],
            ),
            (
                5,
                &[
                    ad(Op::GGet, 0, 2),
                    call(1, 0, Builtin::Tid),
                    abc(Op::TGet, 2, 0, 1),
                    ad(Op::JmpF, 2, 9),
                    ad(Op::GGet, 0, 3),
                    call(1, 0, Builtin::Nsecs),
                    abc(Op::Sub, 2, 1, 2),
                    call(1, 1, Builtin::Log2),
                    abc(Op::TInc, 0, 1, 1),
                    ad(Op::GGet, 0, 2),
                    call(1, 0, Builtin::Tid),
                    abc(Op::LoadNil, 2, 1, 0),
                    abc(Op::TSet, 0, 1, 2),
                    END,
                ],
            ),
        ],
    },
    Row {
        name: "record of the event",
        target: 220,
        handlers: &[(2, &[call(1, 0, Builtin::Argstr), call(0, 1, Builtin::Print), END])],
    },
    Row {
        name: "printf of two numbers",
        target: 220,
        handlers: &[(
            4,
            &[
                ad(Op::LoadK, 1, 1),
                ad(Op::EvField, 2, 0),
                ad(Op::EvField, 3, 1),
                call(0, 3, Builtin::Printf),
                END,
            ],
        )],
    },
    Row {
        name: "printf of number and execname",
        target: 220,
        handlers: &[(
            4,
            &[
                ad(Op::LoadK, 1, 2),
                ad(Op::EvField, 2, 0),
                call(3, 0, Builtin::Execname),
                call(0, 3, Builtin::Printf),
                END,
            ],
        )],
    },
];

/// Builds the program of a row: main makes the tables and attaches the handlers.
fn image(row: &Row) -> Image {
    let probes = vec![
        Probe {
            points: vec![ProbePoint::End]
        };
        row.handlers.len()
    ];
    let mut image = Image {
        major: ktap_bytecode::version::MAJOR,
        minor: ktap_bytecode::version::MINOR,
        build_id: vec![],
        globals: 4,
        functions: vec![],
        code: vec![],
        consts: vec![Const::int(99_999), Const::format(0), Const::format(1), Const::str(4, 4)],
        bytes: b"ddds...text".to_vec(),
        captures: vec![],
        fields: [0, 1]
            .map(|number| Field {
                kind: FieldKind::Arg as u8,
                reserved: 0,
                number,
                name: Field::NO_NAME,
            })
            .to_vec(),
        formats: [0, 2].map(|classes| Format { classes, len: 2 }).to_vec(),
        probes,
    };
    let mut main = vec![
        ad(Op::LoadI, 0, 0),
        ad(Op::GSet, 0, 0),
        abc(Op::NewTable, 0, 0, 0),
        ad(Op::GSet, 0, 1),
        abc(Op::NewTable, 0, 0, 0),
        ad(Op::GSet, 0, 2),
        abc(Op::NewCounts, 0, 0, 0),
        ad(Op::GSet, 0, 3),
    ];
    for i in 0..row.handlers.len() as u16 {
        main.extend([ad(Op::Closure, 0, i + 1), ad(Op::Attach, 0, i)]);
    }
    main.push(END);
    function(&mut image, 1, &main);
    for (regs, code) in row.handlers {
        function(&mut image, *regs, code);
    }
    image
}

fn function(image: &mut Image, regs: u8, code: &[Word]) {
    image.functions.push(Function {
        start: image.code.len() as u32,
        len: code.len() as u32,
        first_capture: 0,
        captures: 0,
        regs,
        params: 0,
        vararg: 0,
        reserved: 0,
    });
    image.code.extend_from_slice(code);
}

/// A host of nothing but numbers.
struct Plain {
    event: bool,
    clock: Cell<u64>,
}

impl Host for Plain {
    #[inline(never)]
    fn time_ns(&self) -> u64 {
        let now = self.clock.get() + 700;
        self.clock.set(now);
        now
    }
    fn wall_ns(&self) -> u64 {
        0
    }
    #[inline(never)]
    fn pid(&self) -> u32 {
        41
    }
    #[inline(never)]
    fn tid(&self) -> u32 {
        4242
    }
    fn uid(&self) -> u32 {
        0
    }
    #[inline(never)]
    fn cpu(&self) -> u32 {
        0
    }
    fn num_cpus(&self) -> u32 {
        1
    }
    #[inline(never)]
    fn execname<'b>(&self, buf: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        *buf = *b"systemd-journal\0";
        &buf[..15]
    }
    fn arch(&self) -> &[u8] {
        b""
    }
    fn kernel_release(&self) -> &[u8] {
        b""
    }
    fn in_event(&self) -> bool {
        self.event
    }
    fn event_name(&self) -> &[u8] {
        b""
    }
    #[inline(never)]
    fn event_field(&self, index: u16, _: Field) -> FieldValue<'_> {
        FieldValue::Int((self.clock.get() & 0xfff0) as i64 + index as i64)
    }
    fn event_field_number(&self, _: i64) -> FieldValue<'_> {
        FieldValue::Nil
    }
    #[inline(never)]
    fn event_raw(&self) -> Option<(u16, &[u8])> {
        Some((21, &[7; 64]))
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
    #[inline(never)]
    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost> {
        std::hint::black_box((header, body));
        Ok(())
    }
    fn attach(&self, _: u16, _: u16) -> Result<(), Trap> {
        Ok(())
    }
    #[inline(never)]
    fn lock_enter(&self) -> u64 {
        std::hint::black_box(0)
    }
    #[inline(never)]
    fn lock_exit(&self, state: u64) {
        std::hint::black_box(state);
    }
    fn in_nmi(&self) -> bool {
        false
    }
}

/// Runs the handlers of a row `count` times.
fn run(row: &Row, count: usize, idle: bool) {
    let image = image(row);
    let verified = verify(image.code_ref()).expect("verified");
    let limits = Limits::default();
    let mut region = vec![0u64; Vm::region_size(&limits, &image.code_ref(), 5)];
    let vm = Vm::new(verified, &mut region, limits, 5).expect("loaded");
    let main = Plain {
        event: false,
        clock: Cell::new(0),
    };
    vm.run_main(&main, 4).expect("main");
    let host = Plain { event: true, ..main };
    let handlers = row.handlers.len();
    for _ in 0..count {
        host.clock.set(host.clock.get() + 700);
        for attached in 0..handlers {
            if idle {
                nothing(&vm, &host, attached as u16);
            } else {
                event(&vm, &host, attached as u16);
            }
        }
    }
}

/// What is around an event.
#[inline(never)]
fn nothing(vm: &Vm<'_>, host: &Plain, attached: u16) {
    std::hint::black_box((vm as *const Vm<'_>, host as *const Plain, attached));
}

/// As the kernel enters the machine.
#[inline(never)]
fn event(vm: &Vm<'_>, host: &Plain, attached: u16) {
    if vm.run_attached(host, 0, attached).is_err() {
        panic!("a handler failed");
    }
}

/// Instructions of a run under callgrind.
fn counted(row: &Row, count: usize, flag: &str) -> u64 {
    let program = std::env::current_exe().expect("a path of our own");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([flag, row.name, &count.to_string()])
        .output()
        .expect("valgrind is there");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text
        .split("Collected :")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    match collected.and_then(|number| number.parse().ok()) {
        Some(number) if output.status.success() => number,
        _ => panic!("{}: {text}", row.name),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, name, count] = &args[..]
        && (flag == "--run" || flag == "--idle")
    {
        let row = ROWS.iter().find(|row| row.name == name).expect("a row");
        return run(row, count.parse().expect("a number"), flag == "--idle");
    }
    let wanted = |row: &&Row| args.len() < 2 || args.iter().any(|arg| arg == row.name);
    println!("{:32} {:>8} {:>8}", "instructions per event", "measured", "target");
    for row in ROWS.iter().filter(wanted) {
        let (few, many) = (2_000, 12_000);
        let each = |flag| (counted(row, many, flag) - counted(row, few, flag)) / (many - few) as u64;
        let each = each("--run") - each("--idle");
        println!("{:32} {each:>8} {:>8}", row.name, row.target);
    }
}
