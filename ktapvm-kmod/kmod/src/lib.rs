//! ktap-kmod: the kernel module's Rust half, which checks, runs and decides; the C half attaches and knows the kernel.
//!
//! In: requests and events, through [`border`]. Out: replies, records, attachments. Invariant: whatever comes from user space, nothing here panics
//! or touches memory it was not given; what is kept of a request was checked and is not in reach of user space any more.

#![no_std]

mod attach;
mod block;
pub mod border;
mod buffer;
mod event;
mod fetch;
mod filter;
mod handler;
mod host;
mod load;
mod over;
mod probe;
mod request;
mod session;
mod source;
mod stats;
