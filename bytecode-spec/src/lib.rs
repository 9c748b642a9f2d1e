//! ktap-bytecode: the contract, part 1: what a program is.
//!
//! Tables of ops, builtins, event members, traps and probe kinds; the image and its parts; the verifier; records. It knows
//! nothing of Linux and nothing of links. With `default-features = false` it needs only `core`: that is what the kernel
//! module builds.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod builtin;
pub mod code;
pub mod event;
#[cfg(feature = "alloc")]
pub mod fetch;
pub mod glob;
pub mod limits;
pub mod op;
pub mod record;
pub mod trap;
pub mod verify;
pub mod version;

#[cfg(feature = "alloc")]
pub mod bounded;
#[cfg(feature = "alloc")]
pub mod byte_string;
#[cfg(feature = "alloc")]
pub mod disasm;
#[cfg(feature = "alloc")]
pub mod image;
#[cfg(feature = "alloc")]
pub mod probe;
