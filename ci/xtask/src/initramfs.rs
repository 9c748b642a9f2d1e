//! The root file system of a QEMU board: busybox, dropbear, the network's modules, and the agent when it is built.
//!
//! In: the host's programs, the board's keys, `ci/qemu/image/`. Out: `${cache}/NAME/initramfs.cpio`. Invariant: the same inputs
//! give the same bytes, so an image that did not change keeps its time and a running board stays valid.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::{self, Cache};
use crate::command::{capture, find_program};
use crate::cpio::Archive;
use crate::error::{MissingPackage, XtaskError};
use crate::step::Outcome;
use crate::{agent, kernel, modules, programs};

/// Drivers that the cloud kernel keeps as modules: the virtual network card and the bus it sits on.
const MODULES: &[&str] = &["virtio_pci", "virtio_net"];

const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "etc/dropbear",
    "lib",
    "lib/modules",
    "proc",
    "sys",
    "run",
    "sbin",
    "usr",
    "usr/bin",
    "usr/sbin",
];

/// Makes the initramfs of `x86-edge`. It is composed each time and written only if it changed.
pub fn image(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut archive = Archive::new();
    for directory in DIRECTORIES {
        archive.directory(directory, 0o755);
    }
    archive.directory("tmp", 0o1777);
    // dropbear takes no key from a home that others can write.
    archive.directory("root", 0o700);
    archive.directory("root/.ssh", 0o700);
    // The kernel opens the console before anything has mounted /dev.
    archive.character_device("dev/console", 0o600, 5, 1);

    let busybox = program("busybox-static", "busybox")?;
    let busybox_bytes = cache::read(&busybox)?;
    if needs_loader(&busybox_bytes) {
        return Err(missing("busybox-static", "a busybox that is linked statically"));
    }
    archive.file("bin/busybox", 0o755, &busybox_bytes);
    archive.symlink("init", "bin/busybox");
    archive.symlink("bin/sh", "busybox");

    let dropbear = program("dropbear-bin", "dropbear")?;
    archive.file("usr/sbin/dropbear", 0o755, &cache::read(&dropbear)?);
    add_libraries(&mut archive, &dropbear)?;

    for (index, module) in modules::collect(&kernel::modules(cache)?, MODULES)?.iter().enumerate() {
        archive.file(
            &format!("lib/modules/{index:02}-{}.ko", module.name),
            0o644,
            &module.bytes,
        );
    }
    for (file, permissions) in [
        ("rc", 0o755),
        ("inittab", 0o644),
        ("passwd", 0o644),
        ("serve", 0o755),
        ("shells", 0o644),
    ] {
        archive.file(
            &format!("etc/{file}"),
            permissions,
            &cache::read(&cache.checkout("ci/qemu/image").join(file))?,
        );
    }
    archive.file(
        "etc/dropbear/host_key",
        0o600,
        &cache::read(&cache.board("x86-edge", "host_key"))?,
    );
    archive.file(
        "root/.ssh/authorized_keys",
        0o600,
        &cache::read(&cache.board("x86-edge", "id_ed25519.pub"))?,
    );
    for (name, bytes) in programs::built(cache)? {
        archive.file(&format!("usr/bin/{name}"), 0o755, &bytes);
    }
    let agent = agent::path(cache, "x86_64");
    if agent.exists() {
        archive.file("usr/bin/ktap-agent", 0o755, &cache::read(&agent)?);
    }
    cache::write_changed(&cache.board("x86-edge", "initramfs.cpio"), &archive.finish(), 0o644)
}

fn program(debian: &'static str, name: &'static str) -> Result<PathBuf, XtaskError> {
    find_program(name).ok_or_else(|| missing(debian, name))
}

fn missing(debian: &'static str, looked_for: &'static str) -> XtaskError {
    XtaskError::Missing(vec![MissingPackage { debian, looked_for }])
}

/// Adds what the dynamic loader would load for `program`, at the paths where it would look.
fn add_libraries(archive: &mut Archive, program: &Path) -> Result<(), XtaskError> {
    let listing = capture(Command::new("ldd").arg(program))?;
    let mut made = Vec::new();
    for library in libraries(&String::from_utf8_lossy(&listing)) {
        let name = library.trim_start_matches('/');
        for (end, _) in name.match_indices('/') {
            let parent = &name[..end];
            if !DIRECTORIES.contains(&parent) && !made.iter().any(|known| known == parent) {
                archive.directory(parent, 0o755);
                made.push(parent.to_owned());
            }
        }
        archive.file(name, 0o755, &cache::read(Path::new(&library))?);
    }
    Ok(())
}

/// Reads the paths out of what ldd prints: `name => /path (address)` or `/path (address)`.
fn libraries(listing: &str) -> Vec<String> {
    let path = |line: &str| {
        let shown = line.rsplit("=>").next()?.trim();
        let path = shown.split(" (").next()?;
        path.starts_with('/').then(|| path.to_owned())
    };
    listing.lines().filter_map(path).collect()
}

/// Tells whether an ELF program names a dynamic loader, which stands in its first page.
fn needs_loader(program: &[u8]) -> bool {
    program[..program.len().min(4096)]
        .windows(7)
        .any(|bytes| bytes == b"ld-linu" || bytes == b"ld-musl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_lines_give_paths() {
        let listing = "\tlinux-vdso.so.1 (0x00007f)\n\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries(listing),
            ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"]
        );
    }

    #[test]
    fn a_static_program_names_no_loader() {
        assert!(needs_loader(b"\x7fELF....../lib64/ld-linux-x86-64.so.2\0"));
        assert!(!needs_loader(b"\x7fELF"));
    }
}
