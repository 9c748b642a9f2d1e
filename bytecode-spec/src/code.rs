//! The program as the verifier and a VM see it: flat slices, borrowed from an image or from memory of the kernel.
//!
//! In: slices. Out: [`CodeRef`]. Invariant: every type here is plain `repr(C)` data with a fixed size, so that the same
//! bytes serve the agent and the kernel module.

use crate::op::Word;

/// A constant's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ConstKind {
    /// `value` is the number.
    Int = 0,
    /// `value` is offset (low 32 bits) and length (high 32 bits) in the byte pool.
    Str = 1,
    /// `value` is the id of a format whose text the host holds.
    Format = 2,
    /// `value` is a builtin's number: a builtin as a value.
    Builtin = 3,
}

/// A constant. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Const {
    /// A [`ConstKind`] as number; checked by the verifier.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// By kind.
    pub value: i64,
}

impl Const {
    /// Makes a number constant.
    pub const fn int(value: i64) -> Const {
        Const {
            kind: ConstKind::Int as u32,
            reserved: 0,
            value,
        }
    }

    /// Makes a string constant over `len` bytes at `offset` of the byte pool.
    pub const fn str(offset: u32, len: u32) -> Const {
        Const {
            kind: ConstKind::Str as u32,
            reserved: 0,
            value: (offset as i64) | ((len as i64) << 32),
        }
    }

    /// Makes a format constant.
    pub const fn format(id: u16) -> Const {
        Const {
            kind: ConstKind::Format as u32,
            reserved: 0,
            value: id as i64,
        }
    }

    /// Makes a builtin constant.
    pub const fn builtin(number: u8) -> Const {
        Const {
            kind: ConstKind::Builtin as u32,
            reserved: 0,
            value: number as i64,
        }
    }
}

/// A function's place and frame. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Function {
    /// First word in the code.
    pub start: u32,
    /// Words.
    pub len: u32,
    /// First capture in the capture list.
    pub first_capture: u16,
    /// Captures: the cells a closure of this function holds.
    pub captures: u16,
    /// Registers; arguments are the first `params` of them.
    pub regs: u8,
    /// Declared parameters.
    pub params: u8,
    /// 1 if it takes varargs.
    pub vararg: u8,
    /// Zero.
    pub reserved: u8,
}

/// Where a closure takes a cell from when it is made. 2 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Capture {
    /// 0: the register of the maker that holds a cell. 1: an upvalue of the maker.
    pub from_upvalue: u8,
    /// Its index.
    pub index: u8,
}

/// What a field reference asks of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FieldKind {
    /// A field by name (or an entry of a table).
    Name = 0,
    /// The n-th own field, from 0: `arg0`, `e.field(1)`.
    Arg = 1,
    /// A member all events have, see [`crate::event::EventMember`]; the name still serves for tables.
    Member = 2,
}

/// A field reference. 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Field {
    /// A [`FieldKind`] as number.
    pub kind: u8,
    /// Zero.
    pub reserved: u8,
    /// The argument's or the member's number.
    pub number: u16,
    /// The name, a string constant; [`Field::NO_NAME`] for arguments.
    pub name: u32,
}

impl Field {
    /// "No name", for fields referred to by number.
    pub const NO_NAME: u32 = u32::MAX;
}

/// A format's place in the list of argument classes. 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Format {
    /// First byte of its classes in the byte pool: `d` takes a number, `s` a string or whatever has a text, `p` an address.
    pub classes: u32,
    /// Classes, one byte each: the arguments the conversions take.
    pub len: u32,
}

/// A whole program, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct CodeRef<'a> {
    /// All functions; the first is main.
    pub functions: &'a [Function],
    /// All code, function after function.
    pub code: &'a [Word],
    /// All constants.
    pub consts: &'a [Const],
    /// The byte pool of string constants and format classes.
    pub bytes: &'a [u8],
    /// All captures.
    pub captures: &'a [Capture],
    /// All field references.
    pub fields: &'a [Field],
    /// All formats, by id.
    pub formats: &'a [Format],
    /// Global slots.
    pub globals: u16,
    /// Probe sites.
    pub probes: u16,
}

impl<'a> CodeRef<'a> {
    /// Returns the bytes of a string constant, or nothing if it is none or lies outside the pool.
    pub fn str_const(&self, index: usize) -> Option<&'a [u8]> {
        let constant = self.consts.get(index)?;
        if constant.kind != ConstKind::Str as u32 {
            return None;
        }
        let start = constant.value as u32 as usize;
        let len = (constant.value as u64 >> 32) as usize;
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// Returns the argument classes of a format.
    pub fn format_classes(&self, id: usize) -> Option<&'a [u8]> {
        let format = self.formats.get(id)?;
        let start = format.classes as usize;
        self.bytes.get(start..start.checked_add(format.len as usize)?)
    }
}
