//! Names and users of tasks, which samples do not carry.
//!
//! In: the rings' records of tasks, and /proc. Out: name by thread, user by process. Invariant: a task that ended stays known
//! for a while, for its last events come after its end.

use alloc::collections::VecDeque;
use alloc::format;

use ktap_bytecode::limits::COMM_LEN;

use super::needs::Needs;
use super::sample::RingRecord;
use super::sorted::SortedMap;
use crate::sys::{dir, file};

/// Ended tasks that stay known.
const GRACE: usize = 4096;

type Comm = [u8; COMM_LEN];

/// What is known of tasks.
#[derive(Debug, Default)]
pub struct Tasks {
    needs: Needs,
    names: SortedMap<Comm>,
    users: SortedMap<u32>,
    ended: VecDeque<u32>,
}

impl Tasks {
    /// Learns of the tasks there are, as far as the program can ask for it.
    pub fn survey(needs: Needs) -> Tasks {
        let mut tasks = Tasks {
            needs,
            ..Tasks::default()
        };
        if !needs.execname && !needs.uid {
            return tasks;
        }
        for pid in dir::numbers("/proc").unwrap_or_default() {
            if needs.uid {
                tasks.uid(pid);
            }
            if needs.execname {
                for tid in dir::numbers(&format!("/proc/{pid}/task")).unwrap_or_default() {
                    let mut name = [0; COMM_LEN];
                    tasks.name(tid, 0, &mut name);
                }
            }
        }
        tasks
    }

    /// Takes in what a ring says.
    pub fn note(&mut self, record: &RingRecord<'_>) {
        match *record {
            RingRecord::Comm { pid, tid, name, exec } => {
                if self.needs.execname {
                    self.names.insert(tid, comm(name));
                }
                if exec && self.needs.uid {
                    // A program may be another user's; should it be gone already, what was known is the best guess.
                    let fresh = read_uid(pid).or(self.users.get(pid));
                    fresh.into_iter().for_each(|uid| self.users.insert(pid, uid));
                }
            }
            RingRecord::Fork {
                pid,
                tid,
                parent_pid,
                parent_tid,
            } => {
                if let Some(name) = self.names.get(parent_tid) {
                    self.names.insert(tid, name);
                }
                if let Some(uid) = self.users.get(parent_pid) {
                    self.users.insert(pid, uid);
                }
            }
            RingRecord::Exit { tid } => {
                self.ended.push_back(tid);
                if self.ended.len() > GRACE
                    && let Some(tid) = self.ended.pop_front()
                {
                    self.names.remove(tid);
                    self.users.remove(tid);
                }
            }
            _ => {}
        }
    }

    /// Returns a thread's name, without NUL; empty if nobody knows any more.
    pub fn name<'b>(&mut self, tid: u32, cpu: u32, buf: &'b mut Comm) -> &'b [u8] {
        *buf = match (tid, self.names.get(tid)) {
            // Every CPU has an idle task of number 0, which /proc does not show.
            (0, _) => comm(format!("swapper/{cpu}").as_bytes()),
            (_, Some(name)) => name,
            (_, None) => {
                let text = file::read_file(&format!("/proc/{tid}/comm"), 64).unwrap_or_default();
                let name = comm(text.strip_suffix(b"\n").unwrap_or(&text));
                if name[0] != 0 {
                    self.names.insert(tid, name);
                }
                name
            }
        };
        let len = buf.iter().position(|b| *b == 0).unwrap_or(COMM_LEN);
        &buf[..len]
    }

    /// Returns a process's real user, that of nobody if it is gone unseen.
    pub fn uid(&mut self, pid: u32) -> u32 {
        const NOBODY: u32 = 65534;
        if pid == 0 {
            return 0;
        }
        if let Some(uid) = self.users.get(pid) {
            return uid;
        }
        let found = read_uid(pid);
        found.into_iter().for_each(|uid| self.users.insert(pid, uid));
        found.unwrap_or(NOBODY)
    }
}

fn comm(name: &[u8]) -> Comm {
    let mut out = [0; COMM_LEN];
    for (to, from) in out[..COMM_LEN - 1].iter_mut().zip(name) {
        *to = *from;
    }
    out
}

fn read_uid(pid: u32) -> Option<u32> {
    let text = file::read_file(&format!("/proc/{pid}/status"), 4096).ok()?;
    let text = core::str::from_utf8(&text).ok()?;
    // `Uid:` real effective saved file-system.
    text.lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_births_and_execs() {
        let needs = Needs {
            execname: true,
            ..Needs::default()
        };
        let mut tasks = Tasks {
            needs,
            ..Tasks::default()
        };
        let far = 0x7fff_0000;
        tasks.note(&RingRecord::Comm {
            pid: far,
            tid: far,
            name: b"shell",
            exec: true,
        });
        tasks.note(&RingRecord::Fork {
            pid: far + 1,
            tid: far + 1,
            parent_pid: far,
            parent_tid: far,
        });
        let mut buf = [0; COMM_LEN];
        assert_eq!(tasks.name(far + 1, 0, &mut buf), b"shell");
        tasks.note(&RingRecord::Comm {
            pid: far + 1,
            tid: far + 1,
            name: b"a-name-of-sixteen-bytes",
            exec: true,
        });
        tasks.note(&RingRecord::Exit { tid: far + 1 });
        assert_eq!(tasks.name(far + 1, 0, &mut buf), b"a-name-of-sixte");
        assert_eq!(tasks.name(0, 2, &mut buf), b"swapper/2");
        assert_eq!(tasks.name(far + 9, 0, &mut buf), b"");
    }
}
