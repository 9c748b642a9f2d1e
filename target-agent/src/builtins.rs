//! The functions that compiled code calls by name where a libc would have them.
//!
//! In: pointers. Out: bytes moved. Invariant: none of them is written in a way the compiler would turn into a call of itself:
//! hence assembly or volatile accesses.

use core::ptr::{read_volatile, write_volatile};

/// Copies `n` bytes between areas that do not overlap.
///
/// # Safety
/// As C's memcpy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: by the caller's word.
    unsafe { forward(to, from, n) };
    to
}

/// Copies `n` bytes between areas that may overlap.
///
/// # Safety
/// As C's memmove.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= n {
        // SAFETY: `to` does not start inside the source, so copying upwards reads every byte before it is overwritten.
        unsafe { forward(to, from, n) };
    } else {
        for i in (0..n).rev() {
            // SAFETY: by the caller's word.
            unsafe { write_volatile(to.add(i), read_volatile(from.add(i))) };
        }
    }
    to
}

/// Fills `n` bytes.
///
/// # Safety
/// As C's memset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: by the caller's word; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") n => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        const WORD: usize = size_of::<usize>();
        let pattern = usize::from_ne_bytes([byte as u8; WORD]);
        let mut i = 0;
        while i < n {
            // SAFETY: by the caller's word; whole words only where they are aligned and inside.
            unsafe {
                if (to as usize + i) % WORD == 0 && n - i >= WORD {
                    write_volatile(to.add(i).cast::<usize>(), pattern);
                    i += WORD;
                } else {
                    write_volatile(to.add(i), byte as u8);
                    i += 1;
                }
            }
        }
    }
    to
}

/// Compares `n` bytes.
///
/// # Safety
/// As C's memcmp.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: by the caller's word.
        let (x, y) = unsafe { (read_volatile(a.add(i)), read_volatile(b.add(i))) };
        if x != y {
            return x as i32 - y as i32;
        }
    }
    0
}

/// Compares `n` bytes for equality.
///
/// # Safety
/// As memcmp.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: by the caller's word.
    unsafe { memcmp(a, b, n) }
}

/// Counts the bytes before a NUL.
///
/// # Safety
/// As C's strlen.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut n = 0;
    // SAFETY: by the caller's word.
    while unsafe { read_volatile(text.add(n)) } != 0 {
        n += 1;
    }
    n
}

/// Copies upwards.
unsafe fn forward(to: *mut u8, from: *const u8, n: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: by the caller's word; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        const WORD: usize = size_of::<usize>();
        let words = (to as usize) % WORD == (from as usize) % WORD;
        let mut i = 0;
        while i < n {
            // SAFETY: by the caller's word; whole words only where both sides are aligned and inside.
            unsafe {
                if words && (to as usize + i) % WORD == 0 && n - i >= WORD {
                    write_volatile(to.add(i).cast::<usize>(), read_volatile(from.add(i).cast::<usize>()));
                    i += WORD;
                } else {
                    write_volatile(to.add(i), read_volatile(from.add(i)));
                    i += 1;
                }
            }
        }
    }
}

/// Unwinding tables of arm name it; nothing ever unwinds here.
#[cfg(target_arch = "arm")]
#[unsafe(no_mangle)]
pub extern "C" fn __aeabi_unwind_cpp_pr0() {}

/// Named by landing pads in the prebuilt `alloc`; nothing ever unwinds here.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Resume() -> ! {
    ktap_agent::sys::process::exit(101)
}

/// Named by the unwind tables of the prebuilt `alloc`; nothing reads them.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}
