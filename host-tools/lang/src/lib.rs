//! ktap-lang: the language, pure: source text to a program, with diagnostics.
//!
//! In: [`source::Source`]. Out: [`program::Program`] and diagnostics. Invariant: no IO, and no input makes it panic.

#![forbid(unsafe_code)]

pub mod ast;
pub mod compile;
pub mod diagnostic;
pub mod dump;
pub mod interval;
pub mod lex;
mod lower;
pub mod parse;
pub mod probe;
pub mod program;
pub mod resolve;
pub mod source;
pub mod suggest;
pub mod token;
