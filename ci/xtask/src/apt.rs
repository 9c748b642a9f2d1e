//! The Debian packages that demo and tests need.
//!
//! In: a table of packages with the file that proves each. Out: all there, installed if need be. Invariant: what counts is the
//! file, not the package: a system that has everything by other means passes, root or not.

use std::path::Path;
use std::process::Command;

use crate::cache::Cache;
use crate::command::{capture, find_program};
use crate::error::{MissingPackage, XtaskError};
use crate::step::Outcome;

/// What proves that a package is there.
enum Proof {
    /// A program somewhere in PATH.
    Program(&'static str),
    /// One of these files.
    File(&'static [&'static str]),
    /// A library known to pkg-config.
    Library(&'static str),
}

/// A package and its proof.
struct Package {
    debian: &'static str,
    looked_for: &'static str,
    proof: Proof,
}

const fn program(debian: &'static str, name: &'static str) -> Package {
    Package {
        debian,
        looked_for: name,
        proof: Proof::Program(name),
    }
}

const fn file(debian: &'static str, looked_for: &'static str, files: &'static [&'static str]) -> Package {
    Package {
        debian,
        looked_for,
        proof: Proof::File(files),
    }
}

const PACKAGES: &[Package] = &[
    program("gcc", "gcc"),
    program("gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc"),
    file(
        "libc6-dev-arm64-cross",
        "libc.a for arm64",
        &["/usr/aarch64-linux-gnu/lib/libc.a"],
    ),
    // The compilers of Debian's kernels, whose options other versions may not know.
    program("gcc-12", "gcc-12"),
    program("gcc-12-aarch64-linux-gnu", "aarch64-linux-gnu-gcc-12"),
    file(
        "libelf1",
        "libelf, for the programs that build kernel modules",
        &[
            "/usr/lib/x86_64-linux-gnu/libelf.so.1",
            "/usr/lib/aarch64-linux-gnu/libelf.so.1",
            "/usr/lib64/libelf.so.1",
            "/usr/lib/libelf.so.1",
        ],
    ),
    program("make", "make"),
    program("pkg-config", "pkg-config"),
    file(
        "libc6-dev",
        "libc.a",
        &[
            "/usr/lib/x86_64-linux-gnu/libc.a",
            "/usr/lib64/libc.a",
            "/usr/lib/libc.a",
        ],
    ),
    Package {
        debian: "libssl-dev",
        looked_for: "the OpenSSL headers",
        proof: Proof::Library("openssl"),
    },
    program("qemu-system-x86", "qemu-system-x86_64"),
    program("qemu-system-arm", "qemu-system-aarch64"),
    file(
        "seabios",
        "a PC BIOS for QEMU",
        &["/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin"],
    ),
    file(
        "qemu-system-data",
        "linuxboot_dma.bin of QEMU",
        &[
            "/usr/share/qemu/linuxboot_dma.bin",
            "/usr/share/seabios/optionrom/linuxboot_dma.bin",
        ],
    ),
    program("busybox-static", "busybox"),
    program("dropbear-bin", "dropbear"),
    program("dropbear-bin", "dropbearkey"),
    program("openssh-client", "ssh"),
    program("openssh-client", "ssh-keygen"),
    // Its tests of the ssh link run it on the loopback interface.
    program("openssh-server", "sshd"),
];

/// Debian's compiler and library sources, for systems whose rustup has neither the board's target nor the sources.
const TARGET_TOOLCHAIN: &[Package] = &[
    file("rustc-web", "/usr/bin/rustc", &["/usr/bin/rustc"]),
    file(
        "rust-web-src",
        "the sources of Rust's core library",
        &["/usr/lib/rustlib/src/rust/library/core/src/lib.rs"],
    ),
];

/// What compiles a whole kernel, besides what modules need.
const KERNEL_COMPILING: &[Package] = &[
    program("flex", "flex"),
    program("bison", "bison"),
    program("bc", "bc"),
    file("libelf-dev", "the headers of libelf", &["/usr/include/libelf.h"]),
];

/// The programs that take packages from the archives.
const KERNEL_TOOLS: &[Package] = &[
    program("apt", "apt-get"),
    program("apt", "apt-cache"),
    program("dpkg", "dpkg-deb"),
];

/// Makes sure of everything that comes as a Debian package.
pub fn packages(_cache: &Cache) -> Result<Outcome, XtaskError> {
    install(PACKAGES)
}

/// Makes sure of Debian's Rust compiler and sources.
pub fn target_toolchain() -> Result<Outcome, XtaskError> {
    install(TARGET_TOOLCHAIN)
}

/// Makes sure of what compiles a whole kernel.
pub fn kernel_compiling() -> Result<(), XtaskError> {
    install(KERNEL_COMPILING)?;
    Ok(())
}

/// Makes sure that packages can be taken from the archives without installing them.
pub fn can_download() -> Result<(), XtaskError> {
    let missing = missing(KERNEL_TOOLS);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(XtaskError::Missing(describe(&missing)))
    }
}

/// Begins an `apt-get` command that asks nothing.
fn apt_get() -> Command {
    quiet("apt-get")
}

/// Begins a command of apt's that asks nothing.
pub fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    // As root, apt would otherwise drop to a user that cannot write into the cache.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-o", "APT::Sandbox::User=root"]);
    command
}

fn install(packages: &[Package]) -> Result<Outcome, XtaskError> {
    let wanted = missing(packages);
    if wanted.is_empty() {
        return Ok(Outcome::Cached);
    }
    if find_program("apt-get").is_none() || !is_root() {
        return Err(XtaskError::Missing(describe(&wanted)));
    }
    let mut names: Vec<&str> = wanted.iter().map(|package| package.debian).collect();
    names.dedup();
    // Always: lists that were never read or are old name packages that are gone, or a compiler that is too old for us.
    capture(apt_get().arg("update"))?;
    capture(
        apt_get()
            .args(["install", "-y", "--no-install-recommends"])
            .args(&names),
    )?;
    let still = missing(packages);
    if still.is_empty() {
        Ok(Outcome::Done)
    } else {
        Err(XtaskError::Missing(describe(&still)))
    }
}

fn missing(packages: &[Package]) -> Vec<&Package> {
    packages.iter().filter(|package| !proven(&package.proof)).collect()
}

fn proven(proof: &Proof) -> bool {
    match proof {
        Proof::Program(name) => find_program(name).is_some(),
        Proof::File(files) => files.iter().any(|file| Path::new(file).exists()),
        Proof::Library(name) => Command::new("pkg-config")
            .args(["--exists", name])
            .status()
            .is_ok_and(|status| status.success()),
    }
}

fn describe(packages: &[&Package]) -> Vec<MissingPackage> {
    packages
        .iter()
        .map(|package| MissingPackage {
            debian: package.debian,
            looked_for: package.looked_for,
        })
        .collect()
}

fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim_ascii() == b"0")
}
