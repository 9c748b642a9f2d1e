//! The guest of the benchmark: its clock counts instructions, so the same work costs the same on every machine.
//!
//! In: rows, tools, modules. Out: what the guest says on its console. Invariant: one CPU, no randomness, no mitigations, no time but that
//! of instructions: two runs differ by nothing that a table shows.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::archive;
use crate::cache::{self, Cache};
use crate::command::{capture, run_for};
use crate::cpio::Archive;
use crate::error::XtaskError;
use crate::kernel::Kernel;
use crate::userland;

/// How long the guest may take: a minute or two on an idle machine.
const LIMIT: Duration = Duration::from_secs(1500);

/// Where the peers come from.
const SUITES: &[&str] = &["bookworm", "bookworm-security"];

/// The peers: package and program.
const PEERS: &[(&str, &str)] = &[("bpftrace", "usr/bin/bpftrace"), ("linux-perf", "usr/bin/perf")];

const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 nokaslr norandmaps tsc=reliable randomize_kstack_offset=off mitigations=off rdinit=/init";

/// A root file system for the guest.
pub struct Image {
    archive: Archive,
    made: Vec<String>,
}

impl Image {
    /// One with busybox and what every row needs.
    pub fn new(cache: &Cache) -> Result<Self, XtaskError> {
        let mut image = Self {
            archive: Archive::new(),
            made: Vec::new(),
        };
        for directory in [
            "proc", "sys", "dev", "tmp", "run", "root", "etc", "bin", "sbin", "usr/sbin", "usr/bin",
        ] {
            image.parents(&format!("{directory}/x"));
        }
        image.archive.character_device("dev/console", 0o600, 5, 1);
        let userland = userland::find(cache, "x86_64")?;
        image.put("bin/busybox", &userland.busybox)?;
        image.archive.symlink("bin/sh", "busybox");
        image.put("init", &cache.checkout("ci/qemu/bench/rc"))?;
        image.bytes("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
        Ok(image)
    }

    /// Adds a file of this PC.
    pub fn put(&mut self, place: &str, file: &Path) -> Result<(), XtaskError> {
        let bytes = cache::read(file)?;
        self.bytes(place, &bytes);
        Ok(())
    }

    /// Adds a file.
    pub fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.parents(place);
        self.archive.file(place, 0o755, bytes);
    }

    /// Adds a program of another root with all that it loads.
    pub fn program(&mut self, root: &Path, place: &str) -> Result<(), XtaskError> {
        self.put(place, &root.join(place))?;
        for (library, file) in userland::closure(root, &root.join(place))? {
            if !self.made.contains(&library) {
                self.put(&library, &file)?;
                self.made.push(library);
            }
        }
        Ok(())
    }

    /// Adds a program of this PC with all that it loads.
    pub fn own_program(&mut self, place: &str, program: &Path) -> Result<(), XtaskError> {
        self.put(place, program)?;
        for (library, file) in userland::loaded(program)? {
            if !self.made.contains(&library) {
                self.put(&library, &file)?;
                self.made.push(library);
            }
        }
        Ok(())
    }

    fn parents(&mut self, place: &str) {
        for (end, _) in place.match_indices('/') {
            let parent = &place[..end];
            if !self.made.iter().any(|known| known == parent) {
                self.archive.directory(parent, 0o755);
                self.made.push(parent.to_owned());
            }
        }
    }

    /// Writes it.
    pub fn write(self, file: &Path) -> Result<(), XtaskError> {
        cache::write_changed(file, &self.archive.finish(), 0o644)?;
        Ok(())
    }
}

/// Makes sure of the peers' packages and adds their programs.
pub fn add_peers(cache: &Cache, image: &mut Image) -> Result<(), XtaskError> {
    let root = cache.path("bench/peers");
    if !root.exists() {
        let work = cache.begin(&root)?;
        let packages: Vec<&str> = PEERS.iter().map(|(package, _)| *package).collect();
        archive::Archive::open(cache, SUITES, "amd64")?.unpack_closure(&packages, &work)?;
        cache.finish(&work, &root)?;
    }
    for (_, program) in PEERS {
        image.program(&root, program)?;
    }
    Ok(())
}

/// Builds the C module of `ci/qemu/bench/floor` for the kernel.
pub fn floor(cache: &Cache, kernel: &Kernel) -> Result<PathBuf, XtaskError> {
    let work = cache.path("bench/floor");
    std::fs::create_dir_all(&work).map_err(XtaskError::file("make", &work))?;
    for name in ["Kbuild", "floor.c"] {
        let bytes = cache::read(&cache.checkout("ci/qemu/bench/floor").join(name))?;
        cache::write_changed(&work.join(name), &bytes, 0o644)?;
    }
    capture(
        Command::new("make")
            .arg("-C")
            .arg(&kernel.build)
            .arg(format!("M={}", work.display()))
            .args(["KCFLAGS=-g0", "CONFIG_DEBUG_INFO_BTF_MODULES=", "CC=gcc", "modules"]),
    )?;
    Ok(work.join("floor.ko"))
}

/// Compiles a program of `ci/qemu/bench`.
pub fn program(cache: &Cache, name: &str) -> Result<PathBuf, XtaskError> {
    let directory = cache.path("bench");
    std::fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
    let program = directory.join(name);
    capture(
        Command::new("gcc")
            .args(["-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(cache.checkout("ci/qemu/bench").join(format!("{name}.c"))),
    )?;
    Ok(program)
}

/// Boots the guest and returns what it said, which can be read in `console` meanwhile.
pub fn boot(kernel: &Kernel, initramfs: &Path, console: &Path) -> Result<String, XtaskError> {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-machine", "q35", "-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", "2048",
    ])
    .args(["-icount", "shift=0,sleep=off", "-seed", "1"])
    .args(["-rtc", "base=2024-01-01,clock=vm"])
    .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial"])
    .arg(format!("file:{}", console.display()))
    .arg("-kernel")
    .arg(&kernel.vmlinuz)
    .arg("-initrd")
    .arg(initramfs)
    .args(["-append", KERNEL_WORDS]);
    let finished = run_for(&mut qemu, LIMIT)?;
    let said = String::from_utf8_lossy(&cache::read(console)?).replace('\r', "");
    if said.contains("BENCH-END") {
        return Ok(said);
    }
    let mut problem = String::from_utf8_lossy(&finished.stderr).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    problem.push_str(&lines[lines.len().saturating_sub(30)..].join("\n"));
    Err(XtaskError::BadFile {
        place: "the benchmark's guest".into(),
        problem: format!("did not end well; the end of its console:\n{problem}"),
    })
}
