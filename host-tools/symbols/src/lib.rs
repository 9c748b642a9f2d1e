//! What the board's own descriptions say: symbols, event formats, strings behind addresses, places in programs.
//!
//! In: texts and files of a kernel, programs of a board. Out: [`kallsyms::Kallsyms`], [`format::EventFormat`], [`elf::Elf`]. Invariant: nothing in here fails on
//! bytes of a record; what cannot be told is shown as the number it is.

pub mod abi;
pub mod elf;
pub mod format;
pub mod kallsyms;
pub mod printk_formats;
pub mod symbol;
