//! The verbs, one file each.

pub mod board;
pub mod check;
pub mod completions;
pub mod doc;
pub mod dump;
pub mod info;
pub mod kmod;
pub mod list;
pub mod push;
