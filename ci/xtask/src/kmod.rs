//! Builds the Rust half of the kernel module, one object an architecture, which serves every kernel of that architecture.
//!
//! In: the crate `ktap-kmod`. Out: `target/kmod/ARCH/ktapvm_rust.bin`, which ktap-host carries inside itself. Invariant: no library is linked into
//! it, so what the object needs is undefined in it, and must be on the list of what kernel and glue give.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{self, Cache};
use crate::command::{capture, find_program};
use crate::error::XtaskError;
use crate::kmod_object;
use crate::step::{Outcome, Step};
use crate::toolchain::{self, KERNEL_AARCH64, KERNEL_X86_64, Target, Toolchain};

/// The kernel's own choices, for every architecture.
const FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=n",
    "-Cforce-frame-pointers=y",
    "-Cembed-bitcode=n",
    "-Csymbol-mangling-version=v0",
    // A module keeps a section of its own for each function otherwise.
    "-Zfunction-sections=no",
];

/// Those of x86_64: no red zone, no jump tables, and thunks for every return and indirect call, as objtool asks.
const X86_64_FLAGS: &[&str] = &[
    "-Ccode-model=kernel",
    "-Cno-redzone=y",
    // Without it calls of memcpy and its kin go through a table that the kernel's module loader does not know.
    "-Zplt=yes",
    "-Cjump-tables=n",
    "-Zretpoline-external-thunk",
    "-Zfunction-return=thunk-extern",
    "-Zcf-protection=branch",
];

/// Those of aarch64: signed return addresses, and the register of the shadow call stack left alone.
const AARCH64_FLAGS: &[&str] = &["-Zbranch-protection=pac-ret", "-Zfixed-x18"];

/// The names under which a compiler checks that core was built with these flags too. A prebuilt core was not: what of it is inlined here gets
/// them all the same, and the rest is never linked.
const X86_64_CHECKED: &str = "-Cunsafe-allow-abi-mismatch=retpoline,retpoline-external-thunk";
const AARCH64_CHECKED: &str = "-Cunsafe-allow-abi-mismatch=fixed-x18";

/// Compilers from 1.96 on check this one too; older ones do not know its name.
const AARCH64_CHECKED_LATER: &str = ",branch-protection";

/// The crates that end up in the object.
const CRATES: &[&str] = &["ktap-bytecode", "ktap-device", "ktap-vm", "ktap-kmod"];

/// Makes code of every function where it is called from, so that the last crate has all of them and can inline any.
const INLINE: &str = "-Zcross-crate-inline-threshold=always";

/// The steps of the task: an object an architecture.
pub const STEPS: &[Step] = &[
    Step {
        name: "kernel module's Rust for x86_64",
        run: x86_64,
    },
    Step {
        name: "kernel module's Rust for aarch64",
        run: aarch64,
    },
];

/// Builds the object for x86_64.
fn x86_64(cache: &Cache) -> Result<Outcome, XtaskError> {
    build(cache, &KERNEL_X86_64)
}

/// Builds the object for aarch64.
fn aarch64(cache: &Cache) -> Result<Outcome, XtaskError> {
    build(cache, &KERNEL_AARCH64)
}

/// Returns where an object is put.
pub fn path(cache: &Cache, arch: &str) -> PathBuf {
    cache.checkout("target/kmod").join(arch).join("ktapvm_rust.bin")
}

fn build(cache: &Cache, target: &Target) -> Result<Outcome, XtaskError> {
    let toolchain = Toolchain::find(target).ok_or_else(|| XtaskError::BadFile {
        place: format!("the kernel module's Rust for {}", target.arch),
        problem: "nothing here can build it; `cargo xtask setup` brings what can".into(),
    })?;
    let directory = cache.target().join("kmod-build");
    let mut cargo = cargo(toolchain, target);
    let said = capture(
        cargo
            .current_dir(cache.checkout(""))
            .args(["--profile", "kmod", "--package", "ktap-kmod", "--lib"])
            .args(["--message-format", "json-render-diagnostics", "--target-dir"])
            .arg(&directory),
    )?;
    let libraries = libraries(&String::from_utf8_lossy(&said));
    let work = cache.begin(&directory.join(target.arch))?;
    let object = link(&libraries, &work, target)?;
    let bytes = cache::read(&object)?;
    let place = format!("the kernel module's Rust for {}", target.arch);
    kmod_object::check(&bytes, &place)?;
    check_instructions(&object, target, &place)?;
    cache::remove(&work)?;
    cache::write_changed(&path(cache, target.arch), &bytes, 0o644)
}

/// Begins the cargo command, with the kernel's flags.
fn cargo(toolchain: Toolchain, target: &Target) -> Command {
    let (of_arch, checked) = if target.arch == "x86_64" {
        (X86_64_FLAGS, X86_64_CHECKED.to_owned())
    } else if toolchain::rustc_minor() >= Some(96) {
        (AARCH64_FLAGS, format!("{AARCH64_CHECKED}{AARCH64_CHECKED_LATER}"))
    } else {
        (AARCH64_FLAGS, AARCH64_CHECKED.to_owned())
    };
    let mut flags = [FLAGS, of_arch].concat();
    if toolchain == Toolchain::Rustup {
        flags.push(&checked);
    }
    let mut cargo = toolchain::cargo();
    // The flags are not stable ones; the objects depend on nothing else that is not.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTFLAGS", flags.join(" "));
    cargo.args(["build", "--target", target.rustup, "-Zprofile-rustflags"]);
    if toolchain == Toolchain::Debian {
        cargo.env("RUSTC", toolchain::DEBIAN_RUSTC);
        cargo.arg("-Zbuild-std=core");
    }
    for name in CRATES {
        cargo.args([
            "--config",
            &format!("profile.kmod.package.{name}.rustflags=[\"{INLINE}\"]"),
        ]);
    }
    cargo
}

/// Puts the objects inside `libraries` together into one, with nothing else.
fn link(libraries: &[PathBuf], work: &Path, target: &Target) -> Result<PathBuf, XtaskError> {
    let mut objects = Vec::new();
    for library in libraries {
        let listing = capture(Command::new("ar").arg("t").arg(library))?;
        let listing = String::from_utf8_lossy(&listing).into_owned();
        let members: Vec<&str> = listing.lines().filter(|name| name.ends_with(".o")).collect();
        capture(
            Command::new("ar")
                .current_dir(work)
                .arg("x")
                .arg(library)
                .args(&members),
        )?;
        for member in members {
            // objtool takes an object of several sources for a whole module.
            if kmod_object::gives_anything(&cache::read(&work.join(member))?) {
                objects.push(member.to_owned());
            }
        }
    }
    let emulation = if target.arch == "x86_64" {
        "elf_x86_64"
    } else {
        "aarch64linux"
    };
    let linker = toolchain::rust_lld().unwrap_or_else(|| "rust-lld".into());
    let object = work.join("ktapvm_rust.bin");
    capture(
        Command::new(linker)
            .current_dir(work)
            .args(["-flavor", "gnu", "-m", emulation, "-r", "-o"])
            .arg(&object)
            .args(&objects),
    )?;
    Ok(object)
}

/// Reads out of cargo's messages which libraries of our crates it made; those of core are none of them.
fn libraries(messages: &str) -> Vec<PathBuf> {
    let is_ours = |line: &&str| {
        CRATES
            .iter()
            .any(|name| line.contains(&format!("\"name\":\"{}\"", name.replace('-', "_"))))
    };
    messages
        .lines()
        .filter(|line| line.contains("\"reason\":\"compiler-artifact\""))
        .filter(is_ours)
        .flat_map(|line| line.split('"'))
        .filter(|word| word.ends_with(".rlib"))
        .map(PathBuf::from)
        .collect()
}

/// Looks for instructions on registers that the kernel does not save.
fn check_instructions(object: &Path, target: &Target, place: &str) -> Result<(), XtaskError> {
    let program = if target.arch == std::env::consts::ARCH {
        "objdump".to_owned()
    } else {
        format!("{}-linux-gnu-objdump", target.arch)
    };
    let Some(objdump) = find_program(&program) else {
        return Ok(());
    };
    let listing = capture(Command::new(objdump).args(["-d", "--no-show-raw-insn"]).arg(object))?;
    let listing = String::from_utf8_lossy(&listing).into_owned();
    let mut function = "";
    for line in listing.lines() {
        if let Some(name) = line.strip_suffix(">:") {
            function = name.split_once('<').map_or(name, |(_, name)| name);
        }
        if uses_floats(line, target.arch) {
            return Err(XtaskError::BadFile {
                place: place.to_owned(),
                problem: format!("{function} uses registers that a kernel does not save: {}", line.trim()),
            });
        }
    }
    Ok(())
}

fn uses_floats(line: &str, arch: &str) -> bool {
    // `  10:<tab>instruction<tab>operands`
    let Some((_, instruction)) = line.split_once('\t') else {
        return false;
    };
    if arch == "x86_64" {
        return ["%xmm", "%ymm", "%zmm", "%mm", "%st"]
            .iter()
            .any(|register| instruction.contains(register));
    }
    let Some((_, operands)) = instruction.split_once('\t') else {
        return false;
    };
    // The address of a branch, which its symbol's name follows, may look like one.
    let operands = match operands.split_once(" <") {
        Some((before, _)) => before.rsplit_once([',', ' ']).map_or("", |(others, _)| others),
        None => operands,
    };
    operands
        .split([',', ' ', '{', '}', '[', ']', '.'])
        .any(|word| match word.as_bytes() {
            [b'v' | b'q' | b'd' | b's' | b'h', number @ ..] => {
                !number.is_empty() && number.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_ours_alone() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"core"},"filenames":["/t/libcore.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ktap_vm"},"filenames":["/t/libktap_vm.rlib","/t/x.rmeta"]}"#,
            "\n",
        );
        assert_eq!(libraries(messages), [PathBuf::from("/t/libktap_vm.rlib")]);
    }

    #[test]
    fn float_registers_are_told_from_others() {
        assert!(uses_floats("  10:\tmovaps\t%xmm0,(%rsp)", "x86_64"));
        assert!(!uses_floats("  10:\tmov\t%rax,(%rsp)", "x86_64"));
        assert!(uses_floats("  10:\tstp\tq0, q1, [sp]", "aarch64"));
        assert!(uses_floats("  10:\tmovi\tv0.2d, #0x0", "aarch64"));
        assert!(!uses_floats("  10:\tstp\tx0, x1, [sp]", "aarch64"));
        assert!(!uses_floats("  10:\tb.ne\td0 <kp_event+0xd0>", "aarch64"));
        assert!(!uses_floats("  10:\ttbz\tw1, #3, d0 <d0>", "aarch64"));
    }
}
