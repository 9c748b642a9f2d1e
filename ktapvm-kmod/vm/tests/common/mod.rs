//! What all tests of the machine share: a builder of programs and a host that remembers.
//!
//! In: ops by hand. Out: outcomes, faults, records. Invariant: every program goes through image and verifier.
#![allow(dead_code)]

use std::cell::RefCell;
use std::sync::{Arc, Barrier};

use ktap_bytecode::code::{Capture, Const, Field, FieldKind, Format, Function};
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::{COMM_LEN, Limits};
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::{Probe, ProbePoint};
use ktap_bytecode::record::{MAX_HEADER, RecordHeader, encode_header};
use ktap_bytecode::trap::{Fault, Trap};
use ktap_bytecode::verify::verify;
use ktap_vm::host::{FieldValue, Host, RecordLost};
use ktap_vm::{Outcome, Vm};

/// A program in the making.
pub struct Build {
    pub image: Image,
}

/// An instruction of three operands.
pub fn abc(op: Op, a: u8, b: u8, c: u8) -> Word {
    Word::abc(op, a, b, c)
}

/// An instruction of one and a wide operand.
pub fn ad(op: Op, a: u8, d: i32) -> Word {
    Word::ad(op, a, d as u16)
}

impl Build {
    pub fn new() -> Build {
        Build {
            image: Image {
                major: ktap_bytecode::version::MAJOR,
                minor: ktap_bytecode::version::MINOR,
                build_id: vec![],
                globals: 4,
                functions: vec![],
                code: vec![],
                consts: vec![],
                bytes: vec![],
                captures: vec![],
                fields: vec![],
                formats: vec![],
                probes: vec![],
            },
        }
    }

    /// Adds a function and returns its index; the first is main.
    pub fn function(&mut self, regs: u8, params: u8, vararg: bool, captures: &[(u8, u8)], code: &[Word]) -> u16 {
        let first_capture = self.image.captures.len() as u16;
        self.image
            .captures
            .extend(captures.iter().map(|(from_upvalue, index)| Capture {
                from_upvalue: *from_upvalue,
                index: *index,
            }));
        self.image.functions.push(Function {
            start: self.image.code.len() as u32,
            len: code.len() as u32,
            first_capture,
            captures: captures.len() as u16,
            regs,
            params,
            vararg: vararg as u8,
            reserved: 0,
        });
        self.image.code.extend_from_slice(code);
        self.image.functions.len() as u16 - 1
    }

    pub fn constant(&mut self, constant: Const) -> u8 {
        self.image.consts.push(constant);
        self.image.consts.len() as u8 - 1
    }

    pub fn int(&mut self, value: i64) -> u8 {
        self.constant(Const::int(value))
    }

    pub fn str(&mut self, text: &str) -> u8 {
        let at = self.image.bytes.len() as u32;
        self.image.bytes.extend_from_slice(text.as_bytes());
        self.constant(Const::str(at, text.len() as u32))
    }

    pub fn format(&mut self, classes: &str) -> u8 {
        let at = self.image.bytes.len() as u32;
        self.image.bytes.extend_from_slice(classes.as_bytes());
        self.image.formats.push(Format {
            classes: at,
            len: classes.len() as u32,
        });
        self.constant(Const::format(self.image.formats.len() as u16 - 1))
    }

    pub fn field(&mut self, kind: FieldKind, number: u16, name: Option<u8>) -> u8 {
        let name = name.map_or(Field::NO_NAME, u32::from);
        self.image.fields.push(Field {
            kind: kind as u8,
            reserved: 0,
            number,
            name,
        });
        self.image.fields.len() as u8 - 1
    }

    pub fn probe(&mut self) -> i32 {
        self.image.probes.push(Probe {
            points: vec![ProbePoint::End],
        });
        self.image.probes.len() as i32 - 1
    }
}

/// A host that remembers records and attachments.
pub struct Fake {
    pub event: bool,
    pub records: RefCell<Vec<Vec<u8>>>,
    pub attached: RefCell<Vec<(u16, u16)>>,
    pub raw: Vec<u8>,
    pub nmi: bool,
    /// Waited at twice in `emit`.
    pub gate: Option<Arc<Barrier>>,
}

impl Fake {
    pub fn new() -> Fake {
        Fake {
            event: false,
            records: RefCell::default(),
            attached: RefCell::default(),
            raw: b"raw event bytes".to_vec(),
            nmi: false,
            gate: None,
        }
    }

    pub fn in_an_event() -> Fake {
        Fake {
            event: true,
            ..Fake::new()
        }
    }

    /// The bodies of all records, as text.
    pub fn shown(&self) -> Vec<String> {
        let records = self.records.borrow();
        let shown = records.iter().map(|bytes| {
            let (record, rest) = ktap_bytecode::record::Record::take(bytes).expect("a record");
            assert!(rest.is_empty(), "bytes after a record");
            format!("{:?}", record.body)
        });
        shown.collect()
    }
}

impl Host for Fake {
    fn time_ns(&self) -> u64 {
        1_000_000_007
    }
    fn wall_ns(&self) -> u64 {
        1_700_000_000_123_456_789
    }
    fn pid(&self) -> u32 {
        41
    }
    fn tid(&self) -> u32 {
        42
    }
    fn uid(&self) -> u32 {
        1000
    }
    fn cpu(&self) -> u32 {
        3
    }
    fn num_cpus(&self) -> u32 {
        4
    }
    fn execname<'b>(&self, buf: &'b mut [u8; COMM_LEN]) -> &'b [u8] {
        buf[..4].copy_from_slice(b"bash");
        &buf[..4]
    }
    fn arch(&self) -> &[u8] {
        b"riscv64"
    }
    fn kernel_release(&self) -> &[u8] {
        b"6.1.0"
    }
    fn in_event(&self) -> bool {
        self.event
    }
    fn event_name(&self) -> &[u8] {
        b"sched_switch"
    }
    fn event_field(&self, index: u16, field: Field) -> FieldValue<'_> {
        match (index, FieldKind::Arg as u8 == field.kind) {
            (0, _) => FieldValue::Str(b"field zero"),
            (1, _) => FieldValue::Int(-7),
            (2, _) => FieldValue::Bool(true),
            _ => FieldValue::Nil,
        }
    }
    fn event_field_number(&self, number: i64) -> FieldValue<'_> {
        if number == 0 {
            FieldValue::Int(100)
        } else {
            FieldValue::Nil
        }
    }
    fn event_raw(&self) -> Option<(u16, &[u8])> {
        self.event.then_some((77, &self.raw[..]))
    }
    fn set_retval(&self, _: i64) -> Result<(), Trap> {
        Err(Trap::Unsafe)
    }
    fn stack(&self, user: bool, skip: usize, out: &mut [u64]) -> usize {
        let all = [0xffff_0001u64, 0xffff_0002, 0xffff_0003];
        let from = all.iter().skip(skip).map(|a| a + if user { 0x10 } else { 0 });
        out.iter_mut().zip(from).map(|(to, from)| *to = from).count()
    }
    fn read_str<'b>(&self, user: bool, address: u64, buf: &'b mut [u8]) -> &'b [u8] {
        let text = format!("{}{address}", if user { "u" } else { "k" });
        buf[..text.len()].copy_from_slice(text.as_bytes());
        &buf[..text.len()]
    }
    fn task_field(&self, offset: i64, bytes: i64) -> Result<i64, Trap> {
        Ok(offset * 10 + bytes)
    }
    fn in_interrupt(&self) -> i64 {
        0x100
    }
    fn in_iowait(&self) -> i64 {
        1
    }
    fn emit(&self, header: RecordHeader, body: &[u8]) -> Result<(), RecordLost> {
        for _ in 0..2 {
            if let Some(gate) = &self.gate {
                gate.wait();
            }
        }
        let mut head = [0; MAX_HEADER];
        let len = encode_header(header, &mut head);
        self.records.borrow_mut().push([&head[..len], body].concat());
        Ok(())
    }
    fn attach(&self, probe: u16, attached: u16) -> Result<(), Trap> {
        self.attached.borrow_mut().push((probe, attached));
        Ok(())
    }
    fn lock_enter(&self) -> u64 {
        0
    }
    fn lock_exit(&self, _: u64) {}
    fn in_nmi(&self) -> bool {
        self.nmi
    }
}

/// Limits small enough to meet in a test.
pub fn small() -> Limits {
    Limits {
        memory: 2 << 20,
        loops: 100_000,
        fuel: 1_000_000,
        stack_slots: 1024,
        call_depth: 100,
        scratch: 16 << 10,
    }
}

/// Loads a program and hands it to `then`.
pub fn with_vm<T>(build: &Build, limits: Limits, frames: usize, then: impl FnOnce(&Vm<'_>) -> T) -> T {
    let bytes = build.image.to_bytes();
    let image = Image::from_bytes(&bytes).expect("an image");
    let verified = verify(image.code_ref()).expect("verified");
    let mut region = vec![0u64; Vm::region_size(&limits, &image.code_ref(), frames)];
    let vm = Vm::new(verified, &mut region, limits, frames).expect("loaded");
    then(&vm)
}

/// Runs main of a program on a host.
pub fn run_on(build: &Build, host: &Fake) -> Result<Outcome, Fault> {
    with_vm(build, small(), 1, |vm| vm.run_main(host, 0))
}
