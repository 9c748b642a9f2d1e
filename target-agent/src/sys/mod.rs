//! The kernel's interface, one file per family of system calls, without a libc.
//!
//! In: typed arguments. Out: `Result` with the kernel's errno. Invariant: this is the only module tree that issues system
//! calls; every structure the kernel reads or writes is declared here as `repr(C)`.

pub mod closer;
pub mod dir;
pub mod file;
pub mod memory;
pub mod perf;
pub mod poll;
pub mod process;
pub mod signal;
pub mod terminal;
pub mod time;
pub mod uname;

pub use syscalls::Errno;

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;
