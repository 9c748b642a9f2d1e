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
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Without a place: telling it would keep the text of every check and the machinery to print it in the binary, a tenth of its size.
    // The kernel detaches everything when the process ends.
    let _ = file::write(2, b"ktap-agent: internal error\n");
    process::exit(101)
}
