//! ktap-link: the contract, part 2: how bytes travel between host and board.
//!
//! From the outside in: [`session`] moves whole messages over a bad line, [`chunk`] cuts them into the payloads of
//! [`frame`]s, [`deframer`] finds frames again between console text. [`message`] says what the messages mean, `codec` makes
//! bytes of them, [`packed`] compresses the long parts.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod chunk;
mod cobs;
mod codec;
pub mod deframer;
pub mod frame;
pub mod message;
mod pace;
pub mod packed;
mod receiver;
mod sender;
pub mod session;

pub use codec::MessageError;
