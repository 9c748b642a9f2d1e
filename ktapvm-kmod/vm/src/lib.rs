//! ktap-vm: the virtual machine, the same in agent and kernel module.
//!
//! In: a verified program, a region of memory, a [`host::Host`]. Out: records, attachments, traps. Invariant: whatever program
//! and host do, a run ends, stays inside its region and never panics.

#![no_std]
#![deny(unsafe_code)]

mod arith;
mod attachment;
mod builtin;
mod call;
mod closure;
mod counts;
mod exec;
mod heap;
pub mod host;
mod keyed;
mod layout;
mod lock;
mod names;
mod number;
mod object;
#[allow(unsafe_code)]
mod region;
mod run;
mod safepoint;
mod scratch;
mod seat;
mod shared;
mod short;
mod stat;
mod steady;
mod string;
mod table;
mod value;
#[allow(unsafe_code)]
mod verified;
mod vm;
mod window;

pub use attachment::{Count, Gist};
pub use vm::{Counters, LoadError, Outcome, Vm};
