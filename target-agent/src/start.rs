//! The first instructions of the binary, per architecture.
//!
//! In: the stack as the kernel leaves it: argc, argv, NULL, envp, NULL (System V ABI of each architecture). Out: a call of
//! `start`. Invariant: the stack is aligned as calls need it.

use core::arch::naked_asm;

use ktap_agent::command::Environment;
use ktap_agent::{entry, sys};

/// The entry point the kernel jumps to.
///
/// # Safety
/// Only the kernel calls it.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {start}", "ud2", start = sym start)
}

/// The entry point the kernel jumps to.
///
/// # Safety
/// Only the kernel calls it.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x29, xzr", "mov x30, xzr", "mov x0, sp", "bl {start}", "brk #0", start = sym start)
}

/// The entry point the kernel jumps to.
///
/// # Safety
/// Only the kernel calls it.
#[cfg(target_arch = "arm")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov fp, #0", "mov lr, #0", "mov r0, sp", "bic sp, sp, #7", "bl {start}", "udf #0", start = sym start)
}

/// The entry point the kernel jumps to.
///
/// # Safety
/// Only the kernel calls it.
#[cfg(target_arch = "riscv64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mv s0, zero", "mv ra, zero", "mv a0, sp", "andi sp, sp, -16", "call {start}", "unimp", start = sym start)
}

unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel put argc there, then argv and envp, each ended by NULL; they stay as long as the process.
    let (count, argv) = unsafe { (*stack, stack.add(1).cast::<*const u8>()) };
    // SAFETY: as above.
    let environment = unsafe { Environment::new(argv.add(count + 1)) };
    let arguments = (1..count).map(|i| {
        // SAFETY: as above; every argument ends with NUL.
        let text = unsafe { core::ffi::CStr::from_ptr((*argv.add(i)).cast()) };
        // An argument that is no text is none we know.
        text.to_str().unwrap_or("\u{fffd}")
    });
    sys::process::exit(entry::main(arguments, environment))
}
