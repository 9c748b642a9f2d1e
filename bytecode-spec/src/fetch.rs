//! Fetch-args: what a kprobe or uprobe takes along, in the kernel's grammar, read by the host.
//!
//! In: nothing. Out: [`FetchArg`], and its text in the kernel's grammar. Invariant: names of registers and symbols are looked up on the board, never guessed here.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::bounded;

/// Most fetch-args of one probe point (the kernel's MAX_TRACE_ARGS).
pub const MAX_FETCH_ARGS: usize = 128;
/// Most dereferences of one fetch-arg.
pub const MAX_DEREFS: usize = 16;
/// Most elements of an array (the kernel's MAX_ARRAY_LEN).
pub const MAX_ARRAY: u8 = 64;

/// One argument: `[NAME=]+8(%di):string`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchArg {
    /// Its name, `arg1` .. if none was given.
    pub name: String,
    /// Where it begins.
    pub base: FetchBase,
    /// Dereferences, innermost first.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_DEREFS>")]
    pub derefs: Vec<FetchDeref>,
    /// What is made of it.
    pub kind: FetchType,
    /// Elements, 0 if it is no array.
    pub count: u8,
}

/// Where a fetch-arg begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchBase {
    /// `%di`: a register, by the name the kernel gives it, without `%`.
    Register(String),
    /// `$stackN`: the N-th word of the stack.
    StackSlot(u16),
    /// `$stack`: the stack's address.
    Stack,
    /// `$retval`.
    Retval,
    /// `$argN`, from 1.
    Argument(u8),
    /// `\42`.
    Immediate(i64),
    /// `\"text"`.
    Text(String),
    /// `$comm`.
    Comm,
    /// `@0xffffffff81000000`: the address's contents.
    Address(u64),
    /// `@SYM+8`: the contents at the symbol.
    Symbol {
        /// The symbol.
        name: String,
        /// Bytes from it.
        offset: i64,
    },
    /// `@+0x100`: the contents at this offset of the probed file, uprobes only.
    FileOffset(u64),
}

/// A dereference: the value so far plus `offset` is the address of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchDeref {
    /// Bytes.
    pub offset: i64,
    /// `+u8(..)`: in user memory.
    pub user: bool,
}

/// What is made of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchType {
    /// `u8` .. `u64`, by bytes.
    Unsigned(u8),
    /// `s8` .. `s64`.
    Signed(u8),
    /// `x8` .. `x64`: unsigned, shown in hexadecimal.
    Hex(u8),
    /// `char`: one byte, shown as a character.
    Char,
    /// `symbol`: an address, shown as symbol+offset.
    Symbol,
    /// `string`: in kernel memory (uprobes: user memory).
    String,
    /// `ustring`: in user memory.
    UserString,
    /// `b<width>@<shift>/<container>`: a bit field, all in bits.
    Bits {
        /// Bits.
        width: u8,
        /// The first, from the least significant.
        shift: u8,
        /// Bits of the number it lies in.
        container: u8,
    },
}

impl fmt::Display for FetchArg {
    /// Writes it as the kernel reads it, always with its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        for deref in self.derefs.iter().rev() {
            let sign = if deref.offset < 0 { '-' } else { '+' };
            let user = if deref.user { "u" } else { "" };
            write!(f, "{sign}{user}{}(", deref.offset.unsigned_abs())?;
        }
        write!(f, "{}", self.base)?;
        for _ in &self.derefs {
            f.write_str(")")?;
        }
        write!(f, ":{}", self.kind)?;
        match self.count {
            0 => Ok(()),
            count => write!(f, "[{count}]"),
        }
    }
}

impl fmt::Display for FetchBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchBase::Register(name) => write!(f, "%{name}"),
            FetchBase::StackSlot(slot) => write!(f, "$stack{slot}"),
            FetchBase::Stack => f.write_str("$stack"),
            FetchBase::Retval => f.write_str("$retval"),
            FetchBase::Argument(number) => write!(f, "$arg{number}"),
            FetchBase::Immediate(value) => write!(f, "\\{value}"),
            FetchBase::Text(text) => write!(f, "\\\"{text}\""),
            FetchBase::Comm => f.write_str("$comm"),
            FetchBase::Address(address) => write!(f, "@{address:#x}"),
            FetchBase::Symbol { name, offset: 0 } => write!(f, "@{name}"),
            FetchBase::Symbol { name, offset } => write!(f, "@{name}{offset:+}"),
            FetchBase::FileOffset(offset) => write!(f, "@+{offset:#x}"),
        }
    }
}

impl fmt::Display for FetchType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchType::Unsigned(bytes) => write!(f, "u{}", u32::from(*bytes) * 8),
            FetchType::Signed(bytes) => write!(f, "s{}", u32::from(*bytes) * 8),
            FetchType::Hex(bytes) => write!(f, "x{}", u32::from(*bytes) * 8),
            FetchType::Char => f.write_str("char"),
            FetchType::Symbol => f.write_str("symbol"),
            FetchType::String => f.write_str("string"),
            FetchType::UserString => f.write_str("ustring"),
            FetchType::Bits {
                width,
                shift,
                container,
            } => write!(f, "b{width}@{shift}/{container}"),
        }
    }
}
