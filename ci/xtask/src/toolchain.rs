//! The compiler for the boards' architectures.
//!
//! In: what rustup and Debian have here. Out: a [`Toolchain`] that can build for [`TARGETS`]. Invariant: rustup's own target is
//! taken where it can be had; Debian's compiler, with the library sources beside it, where not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::apt;
use crate::cache::Cache;
use crate::command::{capture, find_program, run_for};
use crate::error::XtaskError;
use crate::step::Outcome;

/// How long rustup may try; on a network that drops its packets it would try for minutes.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// Debian's compiler, which rustup's cargo can drive.
pub const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The sources of core and alloc that belong to it.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core/src/lib.rs";

/// A kind of system that agents or kernel modules are built for.
pub struct Target {
    /// Its name in `uname -m`.
    pub arch: &'static str,
    /// Its target triple with rustup's prebuilt core.
    pub rustup: &'static str,
    /// Its target triple when core is built from source.
    pub source: &'static str,
}

/// The x86_64 agent, which the PC's own target can build.
pub const X86_64: Target = Target {
    arch: "x86_64",
    rustup: "x86_64-unknown-linux-gnu",
    source: "x86_64-unknown-linux-musl",
};

/// The aarch64 agent.
pub const AARCH64: Target = Target {
    arch: "aarch64",
    rustup: "aarch64-unknown-linux-musl",
    source: "aarch64-unknown-linux-musl",
};

/// The x86_64 kernel.
pub const KERNEL_X86_64: Target = Target {
    arch: "x86_64",
    rustup: "x86_64-unknown-none",
    source: "x86_64-unknown-none",
};

/// The aarch64 kernel.
pub const KERNEL_AARCH64: Target = Target {
    arch: "aarch64",
    rustup: "aarch64-unknown-none-softfloat",
    source: "aarch64-unknown-none-softfloat",
};

/// Everything that is built for: agents and kernel modules.
pub const TARGETS: &[&Target] = &[&X86_64, &AARCH64, &KERNEL_X86_64, &KERNEL_AARCH64];

/// What builds for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// rustup's compiler and its prebuilt core.
    Rustup,
    /// Debian's compiler, which builds core from Debian's sources.
    Debian,
}

impl Toolchain {
    /// Returns what can build for `target` here; `KTAP_TARGET_TOOLCHAIN` set to `rustup` or `debian` decides.
    pub fn find(target: &Target) -> Option<Self> {
        let forced = std::env::var("KTAP_TARGET_TOOLCHAIN").unwrap_or_default();
        let rustup =
            sysroot().is_some_and(|sysroot| sysroot.join("lib/rustlib").join(target.rustup).join("lib").exists());
        let debian = Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_SOURCES).exists();
        match forced.as_str() {
            "rustup" => rustup.then_some(Self::Rustup),
            "debian" => debian.then_some(Self::Debian),
            _ if rustup => Some(Self::Rustup),
            _ => debian.then_some(Self::Debian),
        }
    }

    /// Begins a cargo command that builds for `target`.
    pub fn cargo(self, target: &Target) -> Command {
        let mut cargo = cargo();
        let linker = rust_lld().unwrap_or_else(|| "rust-lld".into());
        let mut flags = format!(
            "-Clinker={} -Clinker-flavor=ld.lld -Crelocation-model=static -Clink-arg=--gc-sections -Ctarget-cpu=generic",
            linker.display()
        );
        let triple = match self {
            Self::Rustup => target.rustup,
            Self::Debian => target.source,
        };
        if triple.ends_with("musl") {
            flags.push_str(" -Clink-self-contained=no");
        }
        if target.arch == "aarch64" {
            // The prebuilt outlined atomics ask libc for the CPU's abilities.
            flags.push_str(" -Ctarget-feature=-outline-atomics");
        }
        if self == Self::Debian {
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            cargo.args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"]);
        }
        cargo.env("RUSTFLAGS", flags).args(["build", "--target", triple]);
        cargo
    }
}

/// Makes sure that agents and kernel modules can be built for every architecture.
pub fn prepare(_cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for target in TARGETS {
        if Toolchain::find(target).is_some() {
            continue;
        }
        outcome = Outcome::Done;
        if !rustup_adds(target) {
            apt::target_toolchain()?;
        }
    }
    Ok(outcome)
}

/// Begins a cargo command, with the cargo that runs this program.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn rustup_adds(target: &Target) -> bool {
    if find_program("rustup").is_none()
        || std::env::var_os("KTAP_TARGET_TOOLCHAIN").is_some_and(|name| name == "debian")
    {
        return false;
    }
    let added = run_for(
        Command::new("rustup").args(["target", "add", target.rustup]),
        RUSTUP_LIMIT,
    );
    added.is_ok_and(|finished| finished.code == Some(0))
}

/// The linker that comes inside rustup's toolchain.
pub fn rust_lld() -> Option<PathBuf> {
    let programs = sysroot()?.join("lib/rustlib");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let linker = programs.join(host).join("bin/rust-lld");
    linker.exists().then_some(linker)
}

/// The `N` of the version `1.N` of the compiler that rustup gives.
pub fn rustc_minor() -> Option<u32> {
    let shown = capture(Command::new("rustc").arg("--version")).ok()?;
    let shown = String::from_utf8(shown).ok()?;
    shown.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

fn sysroot() -> Option<PathBuf> {
    let shown = capture(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    Some(PathBuf::from(String::from_utf8(shown).ok()?.trim()))
}
