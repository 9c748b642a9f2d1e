//! A listing of a program for golden files.

use std::fmt::Write as _;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{ConstKind, FieldKind};
use ktap_bytecode::image::Image;
use ktap_bytecode::op::{Op, Operand, Shape, Wide, Word};
use ktap_lang::program::Program;

/// Returns all functions, probes, formats and relocations as text.
pub fn list(program: &Program) -> String {
    let image = &program.image;
    let mut text = format!("image: {} bytes, {} globals\n", image.to_bytes().len(), image.globals);
    for (index, function) in image.functions.iter().enumerate() {
        let name = &program.debug.functions[index];
        writeln!(
            text,
            "\nfunction {index} ({name}): {} regs, {} params",
            function.regs, function.params
        )
        .unwrap();
        let captures = image
            .captures
            .iter()
            .skip(function.first_capture as usize)
            .take(function.captures as usize);
        for (n, capture) in captures.enumerate() {
            let from = if capture.from_upvalue == 0 { "r" } else { "u" };
            writeln!(text, "  capture u{n} = {from}{}", capture.index).unwrap();
        }
        for at in 0..function.len {
            let word = image.code[(function.start + at) as usize];
            writeln!(text, "  {at:3}  {}", instruction(image, at, word)).unwrap();
        }
    }
    for (index, probe) in image.probes.iter().enumerate() {
        writeln!(
            text,
            "\nprobe {index} `{}`: {:?}",
            program.debug.probes[index].0, probe.points
        )
        .unwrap();
    }
    for (index, format) in program.debug.formats.iter().enumerate() {
        let classes = image.code_ref().format_classes(index).unwrap_or_default();
        writeln!(
            text,
            "\nformat {index}: {:?} {:?}",
            format.escape_ascii().to_string(),
            classes.escape_ascii().to_string()
        )
        .unwrap();
    }
    for relocation in &program.relocations {
        writeln!(text, "\nrelocation k{}: {:?}", relocation.constant, relocation.kind).unwrap();
    }
    text
}

fn instruction(image: &Image, at: u32, word: Word) -> String {
    let Some(op) = word.op() else {
        return format!("? {:08x}", word.0);
    };
    let mut text = format!("{:9}", op.mnemonic());
    match op.shape() {
        Shape::Abc(a, b, c) => {
            let operands = [(a, word.a()), (b, word.b()), (c, word.c())];
            let shown: Vec<String> = operands
                .iter()
                .filter_map(|(kind, value)| operand(image, *kind, *value))
                .collect();
            text.push_str(&shown.join(" "));
        }
        Shape::Ad(a, d) => {
            let a = operand(image, a, word.a()).map(|a| a + " ").unwrap_or_default();
            text.push_str(&a);
            text.push_str(&match d {
                Wide::Const => constant(image, word.d() as usize),
                Wide::Int => word.sd().to_string(),
                Wide::Global => format!("g{}", word.d()),
                Wide::Function => format!("f{}", word.d()),
                Wide::Probe => format!("p{}", word.d()),
                Wide::Field => field(image, word.d() as usize),
                Wide::Jump => format!("->{}", i64::from(at) + 1 + i64::from(word.sd())),
            });
        }
    }
    debug_assert!(op != Op::Nop);
    text.trim_end().to_string()
}

fn operand(image: &Image, kind: Operand, value: u8) -> Option<String> {
    Some(match kind {
        Operand::None => return None,
        Operand::Read | Operand::Write | Operand::Update => format!("r{value}"),
        Operand::Count => {
            if value == 255 {
                "top".to_string()
            } else {
                format!("#{value}")
            }
        }
        Operand::Imm => value.to_string(),
        Operand::Const8 => constant(image, value as usize),
        Operand::Field8 => field(image, value as usize),
        Operand::Builtin => Builtin::from_number(value).map_or("?", |b| b.name()).to_string(),
        Operand::Upvalue => format!("u{value}"),
    })
}

fn constant(image: &Image, index: usize) -> String {
    let constant = image.consts[index];
    match constant.kind {
        k if k == ConstKind::Str as u32 => format!(
            "{:?}",
            image.code_ref().str_const(index).unwrap().escape_ascii().to_string()
        ),
        k if k == ConstKind::Format as u32 => format!("format:{}", constant.value),
        k if k == ConstKind::Builtin as u32 => format!("builtin:{}", constant.value),
        _ => format!("{}", constant.value),
    }
}

fn field(image: &Image, index: usize) -> String {
    let field = image.fields[index];
    match field.kind {
        k if k == FieldKind::Arg as u8 => format!("arg{}", field.number),
        k if k == FieldKind::Member as u8 => format!(".{}!", name(image, field.name)),
        _ => format!(".{}", name(image, field.name)),
    }
}

fn name(image: &Image, index: u32) -> String {
    image
        .code_ref()
        .str_const(index as usize)
        .unwrap()
        .escape_ascii()
        .to_string()
}
