//! The binary: a static program without a libc.
//!
//! In: what the kernel puts on the stack. Out: the exit status of [`ktap_agent::entry::main`]. Invariant: one thread, so that the heap needs
//! no lock.

#![no_std]
#![no_main]

mod builtins;
mod start;

use ktap_agent::heap::Heap;
use ktap_agent::sys::{file, process};

#[global_allocator]
static HEAP: Heap = Heap::new();

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    /// Writes to descriptor 2 without allocating.
    struct Stderr;
    impl core::fmt::Write for Stderr {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            file::write(2, text.as_bytes()).map(drop).map_err(|_| core::fmt::Error)
        }
    }
    let _ = core::fmt::Write::write_fmt(&mut Stderr, format_args!("ktap-agent: {info}\n"));
    process::exit(101)
}
