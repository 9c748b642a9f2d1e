//! Memory the board has to give.
//!
//! In: /proc/meminfo. Out: bytes. Invariant: a board that does not say is taken for a small one.

use crate::sys::file::read_file;

/// Returns the bytes of memory the kernel thinks are available, 32 MiB if it does not say.
pub fn available() -> u64 {
    let text = read_file("/proc/meminfo", 8192).unwrap_or_default();
    let text = core::str::from_utf8(&text).unwrap_or_default();
    let find = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().split(' ').next()?.parse::<u64>().ok()
    };
    // MemAvailable came with Linux 3.14.
    find("MemAvailable:").or_else(|| find("MemFree:")).unwrap_or(32 << 10) << 10
}
