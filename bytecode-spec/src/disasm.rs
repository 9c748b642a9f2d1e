//! The disassembler: an image as text, for `-d` and for golden files.
//!
//! In: an [`Image`], verified or not. Out: text, one line per word. Invariant: any image has a text; what lies outside its lists
//! shows as `?`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use crate::builtin::Builtin;
use crate::code::{ConstKind, FieldKind, Function};
use crate::event::EventMember;
use crate::fetch::FetchArg;
use crate::image::Image;
use crate::limits::MAX_CAPTURES;
use crate::op::{Op, Operand, Shape, Wide, Word};
use crate::probe::{FilePlace, ProbePoint};

/// Returns the image as text: its header and lists, then each function, one line per word: `0003  tadd  r0 r1 r2`.
pub fn disasm(image: &Image) -> String {
    let mut out = String::new();
    header(image, &mut out);
    lists(image, &mut out);
    let mut end = 0;
    for (index, frame) in image.functions.iter().enumerate() {
        // Functions over one another would make a text far longer than the image.
        let behind = frame.start >= end;
        end = frame.start.saturating_add(frame.len);
        function(image, index, frame, behind, &mut out);
    }
    out
}

/// Writing to a string has no failure, so its result is dropped in this one place.
fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

fn header(image: &Image, out: &mut String) {
    let build_id: String = image.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let kernel = if build_id.is_empty() { "any kernel" } else { &build_id };
    line(
        out,
        format_args!(
            "image {}.{} for {kernel}, globals {}",
            image.major, image.minor, image.globals
        ),
    );
}

fn lists(image: &Image, out: &mut String) {
    for index in 0..image.consts.len() {
        line(out, format_args!("const k{index} = {}", constant(image, index)));
    }
    for (index, field) in image.fields.iter().enumerate() {
        line(out, format_args!("field f{index} = {}", field_text(image, index)));
        if field.reserved != 0 {
            line(out, format_args!("  reserved {}", field.reserved));
        }
    }
    for index in 0..image.formats.len() {
        let classes = image.code_ref().format_classes(index).map_or("?".to_string(), escaped);
        line(out, format_args!("format {index} takes \"{classes}\""));
    }
    for (index, probe) in image.probes.iter().enumerate() {
        let points: Vec<String> = probe.points.iter().map(point).collect();
        line(out, format_args!("probe p{index} = {}", points.join(", ")));
    }
}

fn function(image: &Image, index: usize, function: &Function, behind: bool, out: &mut String) {
    let name = if index == 0 {
        "main".to_string()
    } else {
        format!("fn{index}")
    };
    let vararg = if function.vararg != 0 { ", varargs" } else { "" };
    line(
        out,
        format_args!(
            "{name}: params {}{vararg}, registers {}",
            function.params, function.regs
        ),
    );
    if function.captures != 0 {
        line(out, format_args!("  captures {}", captures(image, function)));
    }
    if !behind {
        return line(out, format_args!("  ? over another function"));
    }
    let words = image
        .code
        .iter()
        .enumerate()
        .skip(function.start as usize)
        .take(function.len as usize);
    for (pc, word) in words {
        line(out, format_args!("{pc:04}  {}", instruction(image, pc as u32, *word)));
    }
    if function.start as u64 + function.len as u64 > image.code.len() as u64 {
        line(out, format_args!("  ? beyond the code"));
    }
}

fn captures(image: &Image, function: &Function) -> String {
    let first = function.first_capture as usize;
    let sources = (first..first + function.captures as usize)
        .take(MAX_CAPTURES)
        .map(|i| match image.captures.get(i) {
            Some(capture) if capture.from_upvalue == 0 => format!("r{}", capture.index),
            Some(capture) => format!("u{}", capture.index),
            None => "?".to_string(),
        });
    sources.collect::<Vec<_>>().join(" ")
}

/// One word: mnemonic and operands, and behind `;` what they lead to.
fn instruction(image: &Image, pc: u32, word: Word) -> String {
    let Some(op) = word.op() else {
        return format!(".word {:#010x}", word.0);
    };
    let mut text = Instruction {
        image,
        op,
        operands: Vec::new(),
        notes: Vec::new(),
    };
    match op.shape() {
        Shape::Abc(a, b, c) => {
            text.narrow(a, word.a());
            text.narrow(b, word.b());
            text.narrow(c, word.c());
        }
        Shape::Ad(a, d) => {
            text.narrow(a, word.a());
            text.wide(d, word, pc);
        }
    }
    let plain = format!("{:<9} {}", op.mnemonic(), text.operands.join(" "));
    if text.notes.is_empty() {
        return plain.trim_end().to_string();
    }
    format!("{plain:<28}; {}", text.notes.join(", "))
}

/// The parts of a line.
struct Instruction<'a> {
    image: &'a Image,
    op: Op,
    operands: Vec<String>,
    notes: Vec<String>,
}

impl Instruction<'_> {
    fn narrow(&mut self, kind: Operand, value: u8) {
        let text = match kind {
            Operand::None if value == 0 => return,
            Operand::None => format!("!{value}"),
            Operand::Read | Operand::Write | Operand::Update => format!("r{value}"),
            Operand::Count if value == Word::MULTI && multi(self.op) => "top".to_string(),
            Operand::Count | Operand::Imm => value.to_string(),
            Operand::Const8 => self.noted(format!("k{value}"), constant(self.image, value as usize)),
            Operand::Field8 => self.noted(format!("f{value}"), field_text(self.image, value as usize)),
            Operand::Builtin => builtin(value),
            Operand::Upvalue => format!("u{value}"),
        };
        self.operands.push(text);
    }

    fn wide(&mut self, kind: Wide, word: Word, pc: u32) {
        let d = word.d();
        let text = match kind {
            Wide::Const => self.noted(format!("k{d}"), constant(self.image, d as usize)),
            Wide::Int => word.sd().to_string(),
            Wide::Global => format!("g{d}"),
            Wide::Function => format!("fn{d}"),
            Wide::Probe => format!("p{d}"),
            Wide::Field => self.noted(format!("f{d}"), field_text(self.image, d as usize)),
            Wide::Jump => format!("-> {:04}", pc as i64 + 1 + word.sd() as i64),
        };
        self.operands.push(text);
    }

    fn noted(&mut self, operand: String, note: String) -> String {
        self.notes.push(note);
        operand
    }
}

/// Whether 255 means "up to top" for this op's count.
fn multi(op: Op) -> bool {
    !matches!(op, Op::LoadNil | Op::Concat)
}

fn constant(image: &Image, index: usize) -> String {
    let Some(constant) = image.consts.get(index) else {
        return "?".to_string();
    };
    match constant.kind {
        k if k == ConstKind::Int as u32 => constant.value.to_string(),
        k if k == ConstKind::Str as u32 => string(image, index),
        k if k == ConstKind::Format as u32 => format!("format {}", constant.value),
        k if k == ConstKind::Builtin as u32 => u8::try_from(constant.value).map_or("?".to_string(), builtin),
        kind => format!("? kind {kind}"),
    }
}

fn string(image: &Image, index: usize) -> String {
    image
        .code_ref()
        .str_const(index)
        .map_or("?".to_string(), |bytes| format!("\"{}\"", escaped(bytes)))
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn builtin(number: u8) -> String {
    Builtin::from_number(number).map_or_else(|| format!("builtin {number}?"), |builtin| builtin.name().to_string())
}

fn field_text(image: &Image, index: usize) -> String {
    let Some(field) = image.fields.get(index) else {
        return "?".to_string();
    };
    match field.kind {
        k if k == FieldKind::Name as u8 => format!("name {}", string(image, field.name as usize)),
        k if k == FieldKind::Arg as u8 => format!("argument {}", field.number),
        k if k == FieldKind::Member as u8 => {
            let member = u8::try_from(field.number).ok().and_then(EventMember::from_number);
            format!("member {}", member.map_or("?", EventMember::name))
        }
        kind => format!("? kind {kind}"),
    }
}

/// Fetch-args, a blank before each.
fn taken_along(args: &[FetchArg]) -> String {
    args.iter().map(|arg| format!(" {arg}")).collect()
}

/// A probe point in the spelling of a script.
fn point(point: &ProbePoint) -> String {
    let filtered = |text: String, filter: &Option<String>| match filter {
        Some(filter) => format!("{text} /{filter}/"),
        None => text,
    };
    let place = |name: &str, offset: u64, ret: bool, args: &[FetchArg]| {
        let offset = if offset == 0 {
            String::new()
        } else {
            format!("+{offset:#x}")
        };
        let ret = if ret { "%return" } else { "" };
        let args = taken_along(args);
        format!("{name}{offset}{ret}{args}")
    };
    let bound = |text: String, place: &Option<FilePlace>| match place {
        Some(FilePlace { offset, ref_ctr: 0 }) => format!("{text} at {offset:#x}"),
        Some(FilePlace { offset, ref_ctr }) => format!("{text} at {offset:#x} counted at {ref_ctr:#x}"),
        None => text,
    };
    match point {
        ProbePoint::Tracepoint { system, event, filter } => filtered(format!("{system}:{event}"), filter),
        ProbePoint::Kprobe {
            function,
            module,
            offset,
            ret,
            args,
            filter,
        } => {
            let module = module.as_ref().map_or(String::new(), |module| format!("{module}:"));
            filtered(
                format!("probe:{module}{}", place(function, *offset, *ret, args)),
                filter,
            )
        }
        ProbePoint::Uprobe {
            path,
            symbol,
            offset,
            ret,
            args,
            filter,
            bound: at,
        } => {
            let text = format!("probe:{path}:{}", place(symbol, *offset, *ret, args));
            bound(filtered(text, filter), at)
        }
        ProbePoint::Sdt {
            path,
            mark,
            args,
            filter,
            bound: at,
        } => {
            let text = format!("sdt:{path}:{mark}{}", taken_along(args));
            bound(filtered(text, filter), at)
        }
        ProbePoint::Function { glob } => format!("ftrace:function /ip=={glob}/"),
        ProbePoint::PerfEvent { name, period } => format!("{name} every {period}"),
        ProbePoint::Memory { address, len, access } => {
            let flag = |bit: u8, letter: &'static str| if access >> bit & 1 == 1 { letter } else { "" };
            format!("mem:{address}/{len}:{}{}{}", flag(0, "r"), flag(1, "w"), flag(2, "x"))
        }
        ProbePoint::Tick { period_ns } => format!("tick-{period_ns}ns"),
        ProbePoint::Profile { period_ns } => format!("profile-{period_ns}ns"),
        ProbePoint::End => "trace_end".to_string(),
    }
}
