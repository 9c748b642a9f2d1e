//! Engine `kmod`: the VM in the kernel, through `/dev/ktap`.
//!
//! In: a program, names of what to probe. Out: requests to the module, and the records it gives. Invariant: everything attached hangs on the
//! one open device, so the kernel detaches it when the agent ends, however it ends.

pub mod attach;
pub mod device;
pub mod engine;
pub mod fetch;
pub mod filter;
pub mod insert;
pub mod kinds;
pub mod load;
#[cfg(test)]
mod mock;
pub mod pack;
pub mod perf_names;
pub mod point;
pub mod sources;
pub mod state;
pub mod syscalls;
pub mod uses;
