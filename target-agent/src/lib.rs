//! ktap-agent: what runs on a board: it takes a program over a link, runs it on the kernel's events and sends back records.
//!
//! In: messages of the host, events of the kernel. Out: messages. Invariant: no byte from the link can crash it, and when it ends,
//! however it ends, nothing stays attached.
//!
//! The library needs `core`, `alloc` and Linux; the binary brings `_start`, an allocator and the mem* functions, so that it is one
//! static file without a libc. How it is built is told in this crate's README.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod agent;
pub mod command;
mod crc;
pub mod engine;
pub mod entry;
pub mod exclusion;
pub mod heap;
pub mod inventory;
pub mod port;
pub mod program;
pub mod refusal;
pub mod sys;
pub mod wire;
