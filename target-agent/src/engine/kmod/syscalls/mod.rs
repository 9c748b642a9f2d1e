//! Numbers of system calls by the names that the kernel's `syscalls` events have.
//!
//! In: a name behind `sys_enter_` or `sys_exit_`. Out: its number on this architecture. Invariant: a name that is not in the table has no number
//! here, and its event is attached by its own id instead.

/// A name a line, in order of numbers from 0 on; `=N` says that the next is N. The names are those of the kernel's definitions, which differ from the
/// table's in a few, `newuname` for `uname`.
#[cfg(target_arch = "x86_64")]
const NAMES: &str = include_str!("x86_64.txt");
#[cfg(target_arch = "aarch64")]
const NAMES: &str = include_str!("aarch64.txt");
#[cfg(target_arch = "riscv64")]
const NAMES: &str = include_str!("riscv64.txt");
#[cfg(target_arch = "arm")]
const NAMES: &str = include_str!("arm.txt");

/// Returns the number of a system call.
pub fn number(name: &str) -> Option<i32> {
    let mut number = 0;
    for line in NAMES.lines() {
        match line.strip_prefix('=') {
            Some(next) => number = next.parse().ok()?,
            None if line == name => return Some(number),
            None => number += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::number;
    use syscalls::Sysno;

    /// Where the kernel's definition has another name than its table.
    const OTHERS: &[&str] = &[
        "stat",
        "fstat",
        "lstat",
        "uname",
        "sendfile",
        "umount2",
        "_sysctl",
        "fadvise64",
        "personality",
        "_llseek",
        "_newselect",
        "ugetrlimit",
    ];

    #[test]
    fn as_in_the_kernels_table() {
        let mut found = 0;
        for call in Sysno::iter().filter(|call| !OTHERS.contains(&call.name()) && (*call as usize) < 1000) {
            assert_eq!(number(call.name()), Some(call.id()), "{}", call.name());
            found += 1;
        }
        assert!(found > 300, "{found}");
        assert_eq!(number("newuname"), Some(Sysno::uname as i32));
        assert_eq!(number("none"), None);
    }

    /// On a machine with these events: each has a number.
    #[test]
    fn every_event_of_this_kernel() {
        let Ok(tracefs) = crate::inventory::tracefs::Tracefs::find() else {
            return;
        };
        let events = crate::inventory::events::all(&tracefs).unwrap_or_default();
        let entries = events.iter().filter(|name| name.system == "syscalls");
        let missing: Vec<_> = entries
            .filter_map(|name| name.event.strip_prefix("sys_enter_"))
            .filter(|name| number(name).is_none())
            .collect();
        // A kernel may be newer than the table, by a few.
        assert!(missing.len() < 12, "{missing:?}");
    }
}
