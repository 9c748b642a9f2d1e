//! Fetch-args: what a kprobe or uprobe takes along, in the kernel's grammar, read by the host.
//!
//! In: nothing. Out: [`FetchArg`]. Invariant: names of registers and symbols are looked up on the board, never guessed here.

use alloc::string::String;
use alloc::vec::Vec;
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
