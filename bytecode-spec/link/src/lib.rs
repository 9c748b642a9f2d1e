//! ktap-link: the contract, part 2: how bytes travel between host and board.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod message;
pub mod session;
