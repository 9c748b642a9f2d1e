//! Where programs run. So far one engine: `user`, over perf and tracefs.
//!
//! In: a loaded program. Out: records and an ending. Invariant: dropping an engine detaches everything it attached.

pub mod user;
