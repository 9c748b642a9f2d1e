//! The kernel's text of a record against ours, for tests against running kernels.
//!
//! In: a raw record, the line of `trace_pipe` behind its time stamp. Out: [`Agreement`]. Invariant: only what kernels of different
//! age print differently by design is forgiven: `0x` before the numbers of system calls.

use super::event::EventFormat;
use super::syscall;
use crate::symbol::Symbolize;

/// How two texts compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They are the same.
    Same,
    /// The print format needs what only the running kernel knows, so ours is the list of fields.
    Unknowable,
    /// They differ; this is ours.
    Different(String),
}

impl EventFormat {
    /// Compares the text of `raw` with the kernel's `line`, made with the option `nohash-ptr`.
    pub fn compare_line(&self, raw: &[u8], line: &str, symbols: &dyn Symbolize) -> Agreement {
        let ours = String::from_utf8_lossy(&self.line(raw, symbols)).into_owned();
        let (a, b) = (ours.trim(), line.trim());
        let syscall = syscall::line(self, raw).is_some();
        if a == b || syscall && a.replace("0x", "") == b.replace("0x", "") {
            Agreement::Same
        } else if !syscall && self.formatted(raw, symbols).is_none() {
            Agreement::Unknowable
        } else {
            Agreement::Different(ours)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::symbol::NoSymbols;

    fn event(name: &str, field: &str, print_fmt: &str) -> EventFormat {
        let text = format!(
            "name: {name}\nID: 1\nformat:\n\tfield:u64 common;\toffset:0;\tsize:8;\tsigned:0;\n\n\
             \tfield:int {field};\toffset:8;\tsize:8;\tsigned:0;\n\tfield:u64 fd;\toffset:16;\tsize:8;\tsigned:0;\n\n\
             print fmt: {print_fmt}\n"
        );
        EventFormat::parse(&text, Abi::LP64).expect("a format")
    }

    #[test]
    fn agreements() {
        let raw: Vec<u8> = [0u64, 3, 0x41].iter().flat_map(|word| word.to_le_bytes()).collect();
        let close = event("sys_enter_close", "__syscall_nr", "\"fd: 0x%08lx\", REC->fd");
        assert_eq!(
            close.compare_line(&raw, "sys_close(fd: 0x41)\n", &NoSymbols),
            Agreement::Same
        );
        assert_eq!(
            close.compare_line(&raw, "sys_close(fd: 41)", &NoSymbols),
            Agreement::Same
        );
        let ours = Agreement::Different("sys_close(fd: 0x41)".to_owned());
        assert_eq!(close.compare_line(&raw, "sys_close(fd: 42)", &NoSymbols), ours);
        let page = event("page", "nr", "\"page=%p\", vmemmap_base + REC->nr");
        assert_eq!(
            page.compare_line(&raw, "page: page=1", &NoSymbols),
            Agreement::Unknowable
        );
        assert_eq!(page.line(&raw, &NoSymbols), b"page: nr=0x3 (3) fd=0x41 (65)");
    }
}
