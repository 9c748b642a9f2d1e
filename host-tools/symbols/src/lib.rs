//! What the kernel's own descriptions say: symbols, event formats, strings behind addresses.
//!
//! In: texts and files of a kernel. Out: [`kallsyms::Kallsyms`], [`format::EventFormat`]. Invariant: nothing in here fails on
//! bytes of a record; what cannot be told is shown as the number it is.

pub mod abi;
pub mod format;
pub mod kallsyms;
pub mod printk_formats;
pub mod symbol;
