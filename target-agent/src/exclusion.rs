//! Whose events are left out: the agent's own and those of the processes that carry the link.
//!
//! In: /proc. Out: process ids and a kernel filter. Invariant: without this a trace of writes would trace its own writes for ever.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sys::{file, process};

/// Most ancestors looked at; a chain of processes is a few long.
const MAX_ANCESTORS: usize = 32;

/// Processes whose events are not reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusion {
    pids: Vec<u32>,
    kernel_knows: bool,
}

impl Exclusion {
    /// The agent and, unless `include_self`, all its ancestors but init and but `wanted`, which the user asked for by name.
    pub fn find(include_self: bool, wanted: Option<u32>) -> Exclusion {
        let own = process::pid();
        let mut pids = Vec::new();
        if !include_self {
            let mut pid = own;
            while pid > 1 && pids.len() < MAX_ANCESTORS {
                pids.push(pid);
                pid = parent(pid).unwrap_or(0);
            }
            pids.retain(|pid| Some(*pid) != wanted);
        }
        Exclusion {
            pids,
            kernel_knows: in_first_namespace(),
        }
    }

    /// Returns the processes, the agent first.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Returns true if events of this process are left out.
    pub fn covers(&self, pid: u32) -> bool {
        self.pids.contains(&pid)
    }

    /// Returns the kernel filter that leaves these processes out and keeps to `filter`; nothing if all is wanted.
    pub fn kernel_filter(&self, filter: Option<&str>) -> Option<String> {
        let filter = filter.map(str::trim).filter(|filter| !filter.is_empty());
        // In another pid namespace the kernel's numbers are not ours: there the agent alone checks.
        let pids: &[u32] = if self.kernel_knows { &self.pids } else { &[] };
        let others: Vec<String> = pids.iter().map(|pid| format!("common_pid != {pid}")).collect();
        match (others.is_empty(), filter) {
            (true, None) => None,
            (true, Some(filter)) => Some(filter.into()),
            (false, None) => Some(others.join(" && ")),
            (false, Some(filter)) => Some(format!("({filter}) && {}", others.join(" && "))),
        }
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = file::read_file(&format!("/proc/{pid}/stat"), 1024).ok()?;
    let stat = core::str::from_utf8(&stat).ok()?;
    // `pid (name) state ppid ...`; a name may hold anything, so count from its closing bracket.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn in_first_namespace() -> bool {
    // PROC_PID_INIT_INO of include/linux/proc_ns.h.
    file::read_link("/proc/self/ns/pid").is_ok_and(|name| name == "pid:[4026531836]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let all = Exclusion {
            pids: vec![],
            kernel_knows: true,
        };
        assert_eq!(all.kernel_filter(None), None);
        assert_eq!(all.kernel_filter(Some(" dfd == 1 ")), Some("dfd == 1".into()));
        let some = Exclusion {
            pids: vec![7, 8],
            kernel_knows: true,
        };
        assert_eq!(
            some.kernel_filter(Some(" ")),
            Some("common_pid != 7 && common_pid != 8".into())
        );
        let both = some.kernel_filter(Some("a == 1 || b == 2"));
        assert_eq!(
            both,
            Some("(a == 1 || b == 2) && common_pid != 7 && common_pid != 8".into())
        );
        let elsewhere = Exclusion {
            kernel_knows: false,
            ..some
        };
        assert_eq!(elsewhere.kernel_filter(None), None);
        assert!(elsewhere.covers(7) && !elsewhere.covers(9));
    }

    #[test]
    fn own_process_is_found() {
        let found = Exclusion::find(false, None);
        assert!(found.covers(std::process::id()) && !found.covers(1));
        assert!(!Exclusion::find(false, Some(std::process::id())).covers(std::process::id()));
        assert!(!Exclusion::find(true, None).covers(std::process::id()));
    }
}
