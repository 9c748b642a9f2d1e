//! Requests as an agent makes them, and replies as it reads them.
#![allow(dead_code)]

use ktap_bytecode::image::Image;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::record::{MAX_HEADER, Record, RecordBody, RecordHeader, encode_header};
use ktap_device::attach::{Attach, Deref, Fetch, Kind, Source, SourceKind, Test};
use ktap_device::load::Load;
use ktap_device::request::{Reply, Section};
use ktap_lang::compile::{CompileOptions, compile};

use crate::kernel::Entry;

/// The bytes of a plain structure.
pub fn bytes<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: the device's structures have no padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// The structure at a place of a reply.
pub fn read<T: Copy>(bytes: &[u8], at: usize) -> T {
    assert!(bytes.len() >= at + size_of::<T>(), "a reply of {} bytes", bytes.len());
    // SAFETY: there are enough bytes, and any bytes are a value of the device's structures.
    unsafe { bytes.as_ptr().add(at).cast::<T>().read_unaligned() }
}

/// (code, errno, detail) of a reply.
pub fn reply(output: &[u8]) -> (u32, i32, i64) {
    let reply: Reply = read(output, 0);
    (reply.code, reply.errno, reply.detail)
}

/// Compiles a script.
pub fn image(script: &str) -> Image {
    // Whether it may write is for the module to say here.
    let options = CompileOptions {
        allow_unsafe: true,
        ..CompileOptions::default()
    };
    let source = ktap_lang::source::Source::new("test.kp", script);
    let (program, diagnostics) = compile(&source, &options);
    program.unwrap_or_else(|| panic!("{diagnostics:?}")).image
}

/// Adds a list behind a request.
fn list<T: Copy>(out: &mut Vec<u8>, items: &[T]) -> Section {
    out.resize(out.len().next_multiple_of(8), 0);
    let section = Section {
        offset: out.len() as u32,
        count: items.len() as u32,
    };
    items.iter().for_each(|item| out.extend_from_slice(bytes(item)));
    section
}

fn finish<T: Copy>(mut out: Vec<u8>, head: &T) -> Vec<u8> {
    out[..size_of::<T>()].copy_from_slice(bytes(head));
    out
}

/// Limits small enough for a test.
pub fn limits() -> Limits {
    Limits {
        memory: 1 << 20,
        loops: 1000,
        fuel: 10_000,
        stack_slots: 256,
        call_depth: 16,
        scratch: 8 << 10,
    }
}

/// `Load` of an image.
pub fn load(image: &Image, flags: u32) -> Vec<u8> {
    load_with(image, flags, 0, &limits())
}

/// `Load` of an image with everything said.
pub fn load_with(image: &Image, flags: u32, ring_bytes: u32, limits: &Limits) -> Vec<u8> {
    let code = image.code_ref();
    let consts: Vec<ktap_bytecode::code::Const> = code.consts.to_vec();
    let mut out = vec![0; size_of::<Load>()];
    let mut head = Load {
        flags,
        limits: [
            limits.memory,
            limits.loops,
            limits.fuel,
            limits.stack_slots,
            limits.call_depth,
            limits.scratch,
        ],
        ring_bytes,
        globals: code.globals,
        probes: code.probes,
        functions: list(&mut out, code.functions),
        code: list(&mut out, code.code),
        consts: list(&mut out, &consts),
        bytes: list(&mut out, code.bytes),
        captures: list(&mut out, code.captures),
        fields: list(&mut out, code.fields),
        formats: list(&mut out, code.formats),
        ..Load::default()
    };
    head.len = out.len() as u32;
    finish(out, &head)
}

/// `Attach` in the making.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    pub head: Attach,
    pub name: String,
    pub event: String,
    pub fields: Vec<Source>,
    pub own: Vec<Source>,
    pub filter: Vec<Test>,
    pub fetches: Vec<Fetch>,
    pub derefs: Vec<Deref>,
    pub text: Vec<u8>,
}

impl Probe {
    pub fn new(kind: Kind, name: &str) -> Probe {
        Probe {
            head: Attach {
                kind: kind as u16,
                syscall: -1,
                ..Attach::default()
            },
            name: name.into(),
            event: name.into(),
            ..Probe::default()
        }
    }

    /// Adds bytes to the text; `offset | len << 32`.
    pub fn text(&mut self, bytes: &[u8]) -> u64 {
        let at = self.text.len() as u64;
        self.text.extend_from_slice(bytes);
        at | (bytes.len() as u64) << 32
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; size_of::<Attach>()];
        let mut head = Attach {
            name: list(&mut out, self.name.as_bytes()),
            event: list(&mut out, self.event.as_bytes()),
            fields: list(&mut out, &self.fields),
            own: list(&mut out, &self.own),
            filter: list(&mut out, &self.filter),
            fetches: list(&mut out, &self.fetches),
            derefs: list(&mut out, &self.derefs),
            text: list(&mut out, &self.text),
            ..self.head
        };
        head.len = out.len() as u32;
        finish(out, &head)
    }
}

pub fn source(kind: SourceKind, size: u16, a: u32, b: u64) -> Source {
    Source {
        kind: kind as u16,
        size,
        a,
        b,
    }
}

/// The bodies of entries, as text.
pub fn shown(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| body(entry, |body| format!("{body:?}")))
        .collect()
}

/// Decodes an entry as an agent does: with the header the module leaves off.
pub fn body<T>(entry: &Entry, look: impl FnOnce(&RecordBody<'_>) -> T) -> T {
    let mut head = [0; MAX_HEADER];
    let header = RecordHeader {
        time_ns: entry.time_ns,
        cpu: 0,
        probe: entry.probe,
    };
    let len = encode_header(header, &mut head);
    let record = [&head[..len], &entry.body].concat();
    let (record, rest) = Record::take(&record).expect("a record");
    assert!(rest.is_empty(), "bytes after a record");
    look(&record.body)
}
