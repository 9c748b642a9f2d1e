//! Event formats: the `format` files of tracefs, and the texts they make of raw records.
//!
//! In: the text of a `format` file, raw records. Out: [`EventFormat`]. Invariant: rendering never fails; a print format that
//! uses what is unknown here falls back to the list of fields, as the kernel's own `fields` option shows it.

mod compare;
mod constants;
mod eval;
mod event;
mod expr;
mod fallback;
mod field;
mod lexer;
mod operand;
mod parser;
mod pointer;
mod print_fmt;
mod printf;
mod probe;
mod syscall;
mod tables;
mod text;

pub use compare::Agreement;
pub use event::{EventFormat, FormatError};
pub use field::{Field, FieldValue, Place};
pub use text::unescape;
