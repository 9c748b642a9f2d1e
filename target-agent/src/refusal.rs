//! Refusals: errors as data for the host.
//!
//! In: what was done and what went wrong. Out: [`Refusal`]. Invariant: names are cut to what the contract allows.

use alloc::string::String;

use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::sys::Errno;

/// Longest name in a refusal, bytes.
const MAX_NAME: usize = 256;

/// Makes a refusal that no system call caused.
pub fn refuse(stage: Stage, code: RefusalCode, detail: i64, name: &str) -> Refusal {
    Refusal {
        stage,
        code,
        errno: 0,
        detail,
        name: cut(name),
    }
}

/// Makes a refusal out of an errno; permission problems are named as such, everything else is `code`.
pub fn refuse_errno(stage: Stage, code: RefusalCode, errno: Errno, name: &str) -> Refusal {
    let code = match errno {
        Errno::EPERM | Errno::EACCES => RefusalCode::NoPermission,
        Errno::ENOMEM => RefusalCode::NoMemory,
        _ => code,
    };
    Refusal {
        stage,
        code,
        errno: errno.into_raw(),
        detail: 0,
        name: cut(name),
    }
}

fn cut(name: &str) -> String {
    name.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= MAX_NAME)
        .map(|(_, c)| c)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let long = "ä".repeat(200);
        assert_eq!(refuse(Stage::Run, RefusalCode::System, 0, &long).name.len(), 256);
        let refusal = refuse_errno(Stage::Attach, RefusalCode::NoPerf, Errno::EACCES, "x");
        assert_eq!((refusal.code, refusal.errno), (RefusalCode::NoPermission, 13));
    }
}
