//! The programs of a board's root file system: busybox and dropbear, with the libraries that dropbear loads.
//!
//! In: this PC's own programs, or for another architecture Debian's packages. Out: [`Userland`], files by their place on the board.
//! Invariant: nothing is installed for another architecture; its packages are only unpacked, once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive::Archive;
use crate::cache::{self, Cache};
use crate::command::{capture, find_program};
use crate::error::{MissingPackage, XtaskError};

/// Where the packages for other architectures come from.
const SUITES: &[&str] = &["bookworm", "bookworm-security"];

/// Programs and libraries of a board: place on the board, without the leading slash, and where the file is on this PC.
pub struct Userland {
    /// busybox, linked statically.
    pub busybox: PathBuf,
    /// dropbear.
    pub dropbear: PathBuf,
    /// What the dynamic loader loads for dropbear, and the loader.
    pub libraries: Vec<(String, PathBuf)>,
}

/// Finds the programs for an architecture, in the words of `uname -m`.
///
/// # Errors
/// They are missing, or the mirror has none.
pub fn find(cache: &Cache, arch: &str) -> Result<Userland, XtaskError> {
    if arch == std::env::consts::ARCH {
        return own();
    }
    let root = sysroot(cache, arch)?;
    let dropbear = root.join("usr/sbin/dropbear");
    Ok(Userland {
        busybox: first(&root, &["bin/busybox", "usr/bin/busybox"])?,
        libraries: closure(&root, &dropbear)?,
        dropbear,
    })
}

fn own() -> Result<Userland, XtaskError> {
    let busybox = program("busybox-static", "busybox")?;
    if needs_loader(&cache::read(&busybox)?) {
        return Err(missing("busybox-static", "a busybox that is linked statically"));
    }
    let dropbear = program("dropbear-bin", "dropbear")?;
    Ok(Userland {
        busybox,
        libraries: loaded(&dropbear)?,
        dropbear,
    })
}

/// Finds everything that the dynamic loader would load for a program of this PC: place on the board and file.
///
/// # Errors
/// The program is not linked dynamically.
pub fn loaded(program: &Path) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let listing = capture(Command::new("ldd").arg(program))?;
    let place = |library: String| (library.trim_start_matches('/').to_owned(), PathBuf::from(library));
    let libraries = libraries(&String::from_utf8_lossy(&listing));
    Ok(libraries.into_iter().map(place).collect())
}

/// Unpacks the packages of another architecture.
fn sysroot(cache: &Cache, arch: &str) -> Result<PathBuf, XtaskError> {
    let target = cache.path("userland").join(arch);
    if !target.exists() {
        let debian = match arch {
            "aarch64" => "arm64",
            "x86_64" => "amd64",
            _ => return Err(XtaskError::Usage(format!("no userland is known for {arch}"))),
        };
        let packages = ["busybox-static", "dropbear-bin"].map(|name| format!("{name}:{debian}"));
        let work = cache.begin(&target)?;
        let archive = Archive::open(cache, SUITES, debian)?;
        archive.unpack_closure(&packages.each_ref().map(String::as_str), &work)?;
        cache.finish(&work, &target)?;
    }
    Ok(target)
}

/// Finds everything that a program of another root loads: place on the board and file, by the names that its ELF file and those of its libraries give.
///
/// # Errors
/// Something that it names is not in the root.
pub fn closure(root: &Path, program: &Path) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    let mut open = vec![program.to_owned()];
    while let Some(file) = open.pop() {
        let dynamic = capture(Command::new("readelf").args(["-W", "-d", "-l"]).arg(&file))?;
        for name in needed(&String::from_utf8_lossy(&dynamic)) {
            let place = match name.strip_prefix('/') {
                Some(place) => place.to_owned(),
                None => search(root, &name)?,
            };
            if !found.iter().any(|(known, _)| *known == place) {
                let library = root.join(&place);
                open.push(library.clone());
                found.push((place, library));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads libraries and loader out of what readelf prints.
fn needed(listing: &str) -> Vec<String> {
    let between = |line: &str, from: &str| {
        let rest = line.split_once(from)?.1;
        Some(rest.split(']').next()?.trim().to_owned())
    };
    let name =
        |line: &str| between(line, "Shared library: [").or_else(|| between(line, "[Requesting program interpreter: "));
    listing.lines().filter_map(name).collect()
}

fn search(root: &Path, name: &str) -> Result<String, XtaskError> {
    for directory in ["lib", "usr/lib"] {
        let listing = fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
        let inner = listing.map(|entry| format!("{directory}/{}", entry.file_name().to_string_lossy()));
        for place in inner.chain([directory.to_owned()]) {
            let file = format!("{place}/{name}");
            if root.join(&file).is_file() {
                return Ok(file);
            }
        }
    }
    Err(XtaskError::BadFile {
        place: root.display().to_string(),
        problem: format!("has no {name}; remove it to fetch it again"),
    })
}

fn first(root: &Path, places: &[&str]) -> Result<PathBuf, XtaskError> {
    let found = places.iter().map(|place| root.join(place)).find(|file| file.is_file());
    found.ok_or_else(|| XtaskError::BadFile {
        place: root.display().to_string(),
        problem: format!("has no {}; remove it to fetch it again", places.join(" and no ")),
    })
}

fn program(debian: &'static str, name: &'static str) -> Result<PathBuf, XtaskError> {
    find_program(name).ok_or_else(|| missing(debian, name))
}

fn missing(debian: &'static str, looked_for: &'static str) -> XtaskError {
    XtaskError::Missing(vec![MissingPackage { debian, looked_for }])
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
    fn readelf_lines_give_libraries_and_the_loader() {
        let listing = "      [Requesting program interpreter: /lib/ld-linux-aarch64.so.1]\n 0x0000000000000001 (NEEDED)             Shared library: [libz.so.1]\n 0x000000000000000e (SONAME)             Library soname: [libx.so.1]\n";
        assert_eq!(needed(listing), ["/lib/ld-linux-aarch64.so.1", "libz.so.1"]);
    }

    #[test]
    fn a_static_program_names_no_loader() {
        assert!(needs_loader(b"\x7fELF....../lib64/ld-linux-x86-64.so.2\0"));
        assert!(!needs_loader(b"\x7fELF"));
    }
}
