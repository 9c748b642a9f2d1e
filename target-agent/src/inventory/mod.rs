//! What this board is and can do: its kernel, its events, its abilities.
//!
//! In: /proc, /sys and trial system calls. Out: facts for the engine and answers for the host. Invariant: finding out
//! changes nothing on the board, but for mounting tracefs where none is.

pub mod abilities;
pub mod answer;
pub mod build_id;
pub mod cpus;
pub mod events;
pub mod format;
pub mod formats;
pub mod memory;
pub mod symbols;
pub mod tracefs;
