//! The kernel's name.
//!
//! In: nothing. Out: [`Uname`]. Invariant: strings end at their NUL.

use alloc::string::String;

use syscalls::{Sysno, syscall};

/// `uname -n`, `-r` and `-m`.
#[derive(Clone, Debug, Default)]
pub struct Uname {
    /// Network name.
    pub node: String,
    /// Release.
    pub release: String,
    /// Machine.
    pub machine: String,
}

/// Asks the kernel for its name.
pub fn uname() -> Uname {
    // struct new_utsname: six fields of 65 bytes.
    let mut raw = [0u8; 6 * 65];
    // SAFETY: the kernel writes exactly one new_utsname.
    let _ = unsafe { syscall!(Sysno::uname, raw.as_mut_ptr()) };
    let field = |i: usize| {
        let bytes: &[u8] = raw[i * 65..(i + 1) * 65].split(|b| *b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    };
    Uname {
        node: field(1),
        release: field(2),
        machine: field(4),
    }
}
