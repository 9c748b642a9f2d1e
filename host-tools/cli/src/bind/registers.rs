//! Registers that fetch-args name, held against those of the board's processor.
//!
//! In: fetch-args. Out: the first register that is none there, with what there is. Invariant: on a processor whose registers are not known here
//! nothing is refused: the board has the last word.

use ktap_bytecode::fetch::{FetchArg, FetchBase};

/// x86_64, as the kernel names them.
const X86_64: &[&str] = &[
    "ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ip",
    "flags", "cs", "ss", "orig_ax",
];

/// A register that is not there.
pub struct NoRegister {
    /// The fetch-arg.
    pub arg: String,
    /// What there is.
    pub help: String,
}

/// Checks the registers of a point's fetch-args for a processor, in the words of `uname -m`.
pub fn check(args: &[FetchArg], arch: &str) -> Result<(), NoRegister> {
    for arg in args {
        let FetchBase::Register(name) = &arg.base else { continue };
        let (known, help) = match arch {
            "x86_64" => (X86_64.contains(&name.as_str()), X86_64.join(" ")),
            "aarch64" => (is_arm64(name), "x0 .. x30 sp pc pstate".to_owned()),
            _ => return Ok(()),
        };
        if !known {
            return Err(NoRegister {
                arg: format!("%{name}"),
                help: format!("registers of {arch} are {help}; $arg1 is the first argument on every processor"),
            });
        }
    }
    Ok(())
}

fn is_arm64(name: &str) -> bool {
    let numbered = |digits: &str| digits.parse::<u8>().is_ok_and(|n| n <= 30 && n.to_string() == digits);
    matches!(name, "sp" | "pc" | "pstate") || name.strip_prefix('x').is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_bytecode::fetch::FetchType;

    #[test]
    fn each_processor_has_its_own() {
        let ok = |name: &str, arch| {
            let arg = FetchArg {
                name: "a".into(),
                base: FetchBase::Register(name.into()),
                derefs: Vec::new(),
                kind: FetchType::Hex(8),
                count: 0,
            };
            check(&[arg], arch).is_ok()
        };
        assert!(ok("di", "x86_64") && ok("r15", "x86_64") && ok("x30", "aarch64") && ok("sp", "aarch64"));
        assert!(!ok("rdi", "x86_64") && !ok("x0", "x86_64") && !ok("x31", "aarch64") && !ok("x01", "aarch64"));
        assert!(!ok("w0", "aarch64") && ok("a0", "riscv64"));
    }
}
