//! Records to what a person or a program reads.
//!
//! In: decoded records, the texts of formats, a [`Resolver`]. Out: text or JSON lines. Invariant: no record makes it panic, and
//! what it cannot name it shows as a number.

pub mod hist;
pub mod json;
pub mod needs;
mod owned;
pub mod print;
pub mod printf;
mod renderer;
mod resolver;
mod stamp;
mod table;
mod value;

pub use needs::Needs;
pub use renderer::{Config, Output, RenderError, Renderer};
pub use resolver::{NoResolver, Resolver, UserSymbol};
