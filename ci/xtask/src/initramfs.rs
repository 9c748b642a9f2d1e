//! The root file system of a QEMU board: busybox, dropbear, the network's modules, and the agent when it is built.
//!
//! In: the board's userland and keys, `ci/qemu/image/`. Out: `${cache}/NAME/initramfs.cpio`. Invariant: the same inputs give the same
//! bytes, so an image that did not change keeps its time and a running board stays valid.

use crate::board::{self, Board};
use crate::cache::{self, Cache};
use crate::cpio::Archive;
use crate::error::XtaskError;
use crate::step::Outcome;
use crate::userland::{self, Userland};
use crate::{agent, modules, programs};

/// Drivers that the cloud kernels keep as modules: the virtual network card and the bus it sits on.
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

/// Files of `ci/qemu/image/`, all of which go to `/etc`. In them, `@NAME@` is the board's name, `@CONSOLE@` and `@DATA@` its two ttys.
const FILES: &[(&str, u32)] = &[
    ("rc", 0o755),
    ("inittab", 0o644),
    ("passwd", 0o644),
    ("serve", 0o755),
    ("shells", 0o644),
];

/// Makes the images of all boards of `boards/`. They are composed each time and written only if they changed.
pub fn images(cache: &Cache) -> Result<Outcome, XtaskError> {
    let mut outcome = Outcome::Cached;
    for board in Board::all(cache, board::BOARDS)? {
        if image(cache, &board)? == Outcome::Done {
            outcome = Outcome::Done;
        }
    }
    Ok(outcome)
}

/// Makes the image of a board.
pub fn image(cache: &Cache, board: &Board) -> Result<Outcome, XtaskError> {
    let mut archive = Archive::new();
    let mut made = base(&mut archive);
    let userland = userland::find(cache, &board.arch)?;
    archive.file("bin/busybox", 0o755, &cache::read(&userland.busybox)?);
    archive.symlink("init", "bin/busybox");
    archive.symlink("bin/sh", "busybox");
    archive.file("usr/sbin/dropbear", 0o755, &cache::read(&userland.dropbear)?);
    add_libraries(&mut archive, &userland, &mut made)?;

    let (kernel, _) = board.fetch_kernel(cache)?;
    for (index, module) in modules::collect(&kernel.modules, MODULES)?.iter().enumerate() {
        archive.file(
            &format!("lib/modules/{index:02}-{}.ko", module.name),
            0o644,
            &module.bytes,
        );
    }
    for (file, permissions) in FILES {
        let text = cache::read(&cache.checkout("ci/qemu/image").join(file))?;
        let text = filled_in(&String::from_utf8_lossy(&text), board);
        archive.file(&format!("etc/{file}"), *permissions, text.as_bytes());
    }
    archive.file(
        "etc/dropbear/host_key",
        0o600,
        &cache::read(&board.path(cache, "host_key"))?,
    );
    archive.file(
        "root/.ssh/authorized_keys",
        0o600,
        &cache::read(&board.path(cache, "id_ed25519.pub"))?,
    );
    for (name, bytes) in programs::built(cache, &board.arch)? {
        archive.file(&format!("usr/bin/{name}"), 0o755, &bytes);
    }
    let agent = agent::path(cache, &board.arch);
    if agent.exists() {
        archive.file("usr/bin/ktap-agent", 0o755, &cache::read(&agent)?);
    }
    cache::write_changed(&board.path(cache, "initramfs.cpio"), &archive.finish(), 0o644)
}

/// Adds what every root file system begins with, and returns the directories made.
fn base(archive: &mut Archive) -> Vec<String> {
    for directory in DIRECTORIES {
        archive.directory(directory, 0o755);
    }
    archive.directory("tmp", 0o1777);
    // dropbear takes no key from a home that others can write.
    archive.directory("root", 0o700);
    archive.directory("root/.ssh", 0o700);
    // The kernel opens the console before anything has mounted /dev.
    archive.character_device("dev/console", 0o600, 5, 1);
    DIRECTORIES.iter().map(|name| (*name).to_owned()).collect()
}

/// Adds libraries at the paths where the dynamic loader looks, with the directories above them.
fn add_libraries(archive: &mut Archive, userland: &Userland, made: &mut Vec<String>) -> Result<(), XtaskError> {
    for (place, file) in &userland.libraries {
        for (end, _) in place.match_indices('/') {
            let parent = &place[..end];
            if !made.iter().any(|known| known == parent) {
                archive.directory(parent, 0o755);
                made.push(parent.to_owned());
            }
        }
        archive.file(place, 0o755, &cache::read(file)?);
    }
    Ok(())
}

/// Puts the board's name and ttys into a file of the image.
fn filled_in(text: &str, board: &Board) -> String {
    // As QEMU's machines have them: the second UART of arm64's sits on the PCI bus.
    let (console, data) = match board.arch.as_str() {
        "aarch64" => ("ttyAMA0", "ttyS0"),
        _ => ("ttyS0", "ttyS1"),
    };
    text.replace("@NAME@", &board.name)
        .replace("@CONSOLE@", console)
        .replace("@DATA@", data)
}
