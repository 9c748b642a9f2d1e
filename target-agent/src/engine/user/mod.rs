//! Engine `user`: the VM in this process, fed by the kernel's perf rings.
//!
//! In: attachments of main. Out: handler runs in the order of the events' times, across CPUs. Invariant: everything attached
//! is a descriptor owned here, so the kernel detaches it when the agent ends, however it ends.

pub mod attach;
pub mod engine;
pub mod host;
pub mod lost;
pub mod merge;
pub mod needs;
pub mod plan;
pub mod ring;
pub mod run;
pub mod sample;
pub mod sorted;
pub mod tasks;
pub mod timers;
