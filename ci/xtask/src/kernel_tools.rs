//! The tools of kernels that this system's own cannot build modules for: a root of their suite, entered for each run of make.
//!
//! In: a kernel whose headers' programs and compiler are newer than this system. Out: `${cache}/toolchains/SUITE/bin/`, whose `make` and compilers
//! a board file names by `tools`. Invariant: nothing is installed; the root is unpacked packages, and only make's own mount namespace sees it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::cache::{self, Cache};
use crate::error::XtaskError;

/// What the kernel's makefiles run, besides compilers.
const PROGRAMS: &[&str] = &[
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "gawk",
    "grep",
    "libelf1t64",
    "libssl3t64",
    "make",
    "pahole",
    "sed",
];

/// The architecture that a root is for besides this PC's: its compiler comes as a cross compiler.
const OTHER: &str = "arm64";

/// Makes sure of the tools for a kernel of `suites` whose headers are in `build`.
///
/// # Errors
/// The mirror cannot be reached; the kernel does not say what it was compiled with.
pub fn prepare(cache: &Cache, suites: &'static [&'static str], build: &Path) -> Result<(), XtaskError> {
    let compiler = compiler(build)?;
    let directory = cache.path("toolchains").join(suites.join("+")).join(&compiler);
    if !directory.exists() {
        let work = cache.begin(&directory)?;
        unpack(cache, suites, &compiler, &work)?;
        cache.finish(&work, &directory)?;
    }
    let programs = cache.path("toolchains").join(suites.join("+")).join("bin");
    let cross = format!("aarch64-linux-gnu-{compiler}");
    for program in ["make", &compiler, &cross] {
        let text = enter(cache, &directory, program);
        cache::write_changed(&programs.join(program), text.as_bytes(), 0o755)?;
    }
    Ok(())
}

fn unpack(cache: &Cache, suites: &'static [&'static str], compiler: &str, work: &Path) -> Result<(), XtaskError> {
    let archive = Archive::open(cache, suites, OTHER)?;
    let cross = format!("{compiler}-aarch64-linux-gnu");
    let packages = [PROGRAMS, &[compiler, &cross]].concat();
    archive.unpack_closure(&packages, work)?;
    // Packages leave the choice of an awk to their scripts, which do not run.
    let awk = work.join("usr/bin/awk");
    std::os::unix::fs::symlink("gawk", &awk).map_err(XtaskError::file("make", &awk))
}

/// Reads `gcc-16` out of `CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-16 (Debian ..) .."`.
fn compiler(build: &Path) -> Result<String, XtaskError> {
    let config = build.join(".config");
    let text = fs::read_to_string(&config).map_err(XtaskError::file("read", &config))?;
    let program = text
        .lines()
        .find_map(|line| line.strip_prefix("CONFIG_CC_VERSION_TEXT=\""))
        .and_then(|text| text.split(' ').next());
    let name = program.and_then(|program| Some(&program[program.rfind("gcc-")?..]));
    name.map(str::to_owned).ok_or_else(|| XtaskError::BadFile {
        place: config.display().to_string(),
        problem: "does not say which gcc built the kernel".into(),
    })
}

/// Writes the script that runs `program` inside the root, with the cache at the same place inside as outside.
fn enter(cache: &Cache, root: &Path, program: &str) -> String {
    let inside = |path: PathBuf| path.canonicalize().unwrap_or(path);
    // The kernels may be elsewhere, behind a link.
    let cached = inside(cache.path(""));
    let kernels = inside(cache.path("kernels"));
    format!(
        "#!/bin/sh\n\
         # Runs {program} of another Debian suite on files of the cache.\n\
         [ \"$(id -u)\" = 0 ] && map= || map=--map-root-user\n\
         exec unshare --mount $map sh -c '\n\
         root=$1; shift\n\
         for directory in \"{cached}\" \"{kernels}\"; do\n\
         \tmkdir -p \"$root$directory\" && mount --rbind \"$directory\" \"$root$directory\" || exit 125\n\
         done\n\
         mount --rbind /proc \"$root/proc\" && mount --rbind /dev \"$root/dev\" || exit 125\n\
         exec chroot \"$root\" /usr/bin/env PATH=/usr/bin:/bin /usr/bin/{program} \"$@\"' sh \"{root}\" \"$@\"\n",
        cached = cached.display(),
        kernels = kernels.display(),
        root = root.display()
    )
}
