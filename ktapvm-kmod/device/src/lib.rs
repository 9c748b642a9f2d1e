//! ktap-device: what the agent and the kernel module say to each other through `/dev/ktap`.
//!
//! In: nothing. Out: plain `repr(C)` structures, the same bytes on both sides. Invariant: every structure has a fixed size, no
//! padding and no pointer; places inside a request are offsets from its start, which the module checks before it follows them.
//!
//! One open file is one session. A request is `ioctl(fd, Request number, &Request)`; its input is copied into the kernel whole, then
//! checked, and what it keeps (program, field sources, fetch arguments, filters) is used from that copy. Every output begins with a
//! [`Reply`]. Records are taken with `read`, see [`entry`]; `poll` says when there are some or when the program is over.

#![no_std]

#[macro_use]
mod numbered;

pub mod attach;
pub mod entry;
pub mod load;
pub mod request;
pub mod stats;
