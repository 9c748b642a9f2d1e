//! The kernels that boards and tests run: Debian's, taken from the archive and unpacked, never installed.
//!
//! In: [`KERNELS`]. Out: `${cache}/kernels/NAME/` with the image, its modules and what modules are built against.
//! Invariant: once there, a kernel stays the same until its directory is removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, host_architecture};
use crate::cache::{self, Cache};
use crate::error::XtaskError;
use crate::step::Outcome;
use crate::terminal;
use crate::{kernel_debug, kernel_tools};

/// A kernel of the table.
pub struct Row {
    /// What boards and tests call it: series and architecture.
    pub name: &'static str,
    /// The suites that have it.
    suites: &'static [&'static str],
    /// Its architecture, in Debian's words.
    arch: &'static str,
    /// Debian's flavour: `linux-image-FLAVOUR` always depends on the newest.
    flavour: &'static str,
}

const fn row(name: &'static str, suites: &'static [&'static str], arch: &'static str, flavour: &'static str) -> Row {
    Row {
        name,
        suites,
        arch,
        flavour,
    }
}

/// Every kernel. All but sid's have tools that run on Debian 12 and take its gcc 12.
pub const KERNELS: &[Row] = &[
    row("5.10-amd64", &["bullseye", "bullseye-security"], "amd64", "cloud-amd64"),
    // The security archive has lists for arm64, but no longer the packages.
    row("5.10-arm64", &["bullseye"], "arm64", "cloud-arm64"),
    row("6.1-amd64", &["bookworm", "bookworm-security"], "amd64", "cloud-amd64"),
    row("6.1-arm64", &["bookworm", "bookworm-security"], "arm64", "cloud-arm64"),
    row("6.12-amd64", &["bookworm-backports"], "amd64", "cloud-amd64"),
    row("6.12-arm64", &["bookworm-backports"], "arm64", "cloud-arm64"),
    row("sid-amd64", &["sid"], "amd64", "cloud-amd64"),
    row("sid-arm64", &["sid"], "arm64", "cloud-arm64"),
    row("6.1-rt-amd64", &["bookworm", "bookworm-security"], "amd64", "rt-amd64"),
];

/// A kernel that is here.
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The image.
    pub vmlinuz: PathBuf,
    /// The directory of its modules.
    pub modules: PathBuf,
    /// What its modules are built in: make's `-C`.
    pub build: PathBuf,
}

/// Makes sure of the kernel `name` of [`KERNELS`] and returns where it is.
///
/// # Errors
/// An unknown name; a mirror that cannot be reached or has no such kernel.
pub fn fetch(cache: &Cache, name: &str) -> Result<Kernel, XtaskError> {
    fetch_new(cache, name).map(|(kernel, _)| kernel)
}

/// `cargo xtask kernel [NAME..]`: fetches kernels and prints where they are; without a name, the names.
pub fn show(cache: &Cache, names: &[&str]) -> Result<(), XtaskError> {
    if names.is_empty() {
        for row in KERNELS {
            terminal::result(row.name);
        }
    }
    for name in names {
        let kernel = fetch(cache, name)?;
        terminal::result(&format!(
            "{name}\n  release {}\n  vmlinuz {}\n  modules {}\n  build   {}",
            kernel.release,
            kernel.vmlinuz.display(),
            kernel.modules.display(),
            kernel.build.display()
        ));
    }
    Ok(())
}

/// As [`fetch`]; tells whether the kernel was there already.
pub fn fetch_new(cache: &Cache, name: &str) -> Result<(Kernel, Outcome), XtaskError> {
    let target = cache.path("kernels").join(name);
    if name == kernel_debug::NAME {
        if !target.exists() {
            return Err(XtaskError::Usage(format!(
                "`cargo xtask kernel debug` builds the kernel {name}"
            )));
        }
        let kernel = find(&target)?;
        link_build(&target, &kernel)?;
        return Ok((kernel, Outcome::Cached));
    }
    let row = KERNELS.iter().find(|row| row.name == name).ok_or_else(|| {
        let known: Vec<&str> = KERNELS.iter().map(|row| row.name).collect();
        XtaskError::Usage(format!("there is no kernel `{name}`; there are {}", known.join(", ")))
    })?;
    let outcome = if target.exists() {
        Outcome::Cached
    } else {
        download(cache, row, &target)?;
        Outcome::Done
    };
    let kernel = find(&target)?;
    link_build(&target, &kernel)?;
    if row.suites == ["sid"] {
        // The programs inside its headers and its compiler need a newer system than the one that the table is for.
        kernel_tools::prepare(cache, row.suites, &kernel.build)?;
    }
    Ok((kernel, outcome))
}

/// Makes a place without the release in it, for board files.
fn link_build(target: &Path, kernel: &Kernel) -> Result<(), XtaskError> {
    let link = target.join("build");
    let to = kernel.build.strip_prefix(target).unwrap_or(&kernel.build);
    if fs::read_link(&link).ok().as_deref() != Some(to) {
        cache::remove(&link)?;
        std::os::unix::fs::symlink(to, &link).map_err(XtaskError::file("make", &link))?;
    }
    Ok(())
}

fn download(cache: &Cache, row: &Row, target: &Path) -> Result<(), XtaskError> {
    let archive = Archive::open(cache, row.suites, row.arch)?;
    let of_arch = |name: &str| format!("{name}:{}", row.arch);
    let meta = of_arch(&format!("linux-image-{}", row.flavour));
    let concrete = archive.depends(&meta)?;
    let image = concrete
        .into_iter()
        .find(|name| name.starts_with("linux-image-"))
        .ok_or(XtaskError::NoKernel(row.name))?;
    let headers = image.replacen("linux-image-", "linux-headers-", 1);

    let mut packages = vec![of_arch(&image), of_arch(&headers)];
    // Newer images are shared out over several packages.
    let parts = archive.depends(&of_arch(&image))?;
    let is_part = |name: &&String| name.starts_with("linux-binary-") || name.starts_with("linux-modules-");
    packages.extend(parts.iter().filter(is_part).map(|name| of_arch(name)));
    for name in archive.depends(&of_arch(&headers))? {
        if name.starts_with("linux-headers-") {
            packages.push(format!("{name}:all"));
        } else if name.starts_with("linux-kbuild-") {
            // Programs that run here, whatever the kernel's architecture is.
            packages.push(format!("{name}:{}", host_architecture()));
        }
    }
    let work = cache.begin(target)?;
    archive.unpack(&packages, &work)?;
    move_makefiles(&work, target)?;
    cache.finish(&work, target)
}

/// Points the makefiles of the headers, which name each other by their places when installed, to where they will be.
fn move_makefiles(work: &Path, target: &Path) -> Result<(), XtaskError> {
    let sources = work.join("usr/src");
    let listing = fs::read_dir(&sources).map_err(XtaskError::file("read", &sources))?;
    for entry in listing.flatten() {
        let makefile = entry.path().join("Makefile");
        let Ok(text) = fs::read_to_string(&makefile) else {
            continue;
        };
        let moved: Vec<String> = text.lines().map(|line| moved_line(line, target)).collect();
        cache::write_changed(&makefile, (moved.join("\n") + "\n").as_bytes(), 0o644)?;
    }
    Ok(())
}

fn moved_line(line: &str, target: &Path) -> String {
    for names_place in ["include ", "KBUILD_OUTPUT="] {
        if let Some(place) = line.strip_prefix(names_place)
            && place.starts_with("/usr/src/")
        {
            return format!("{names_place}{}{place}", target.display());
        }
    }
    line.to_owned()
}

fn find(root: &Path) -> Result<Kernel, XtaskError> {
    // Newer packages are laid out for a merged /usr.
    let parents = ["lib/modules", "usr/lib/modules"].map(|place| root.join(place));
    let module_tree = parents.iter().filter_map(|parent| fs::read_dir(parent).ok());
    let modules = module_tree
        .flat_map(|listing| listing.flatten())
        .map(|entry| entry.path())
        .find(|place| place.join("kernel").exists())
        .ok_or_else(|| nothing(root, "modules"))?;
    let release = modules
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| nothing(root, "modules"))?
        .to_owned();
    let images = [root.join("boot"), modules.clone()];
    let named = [format!("vmlinuz-{release}"), "vmlinuz".to_owned()];
    let vmlinuz = images
        .iter()
        .flat_map(|place| named.iter().map(|name| place.join(name)))
        .find(|file| file.is_file())
        .ok_or_else(|| nothing(root, "vmlinuz"))?;
    let build = root.join("usr/src").join(format!("linux-headers-{release}"));
    if !build.join("Makefile").exists() {
        return Err(nothing(root, "headers"));
    }
    Ok(Kernel {
        release,
        vmlinuz,
        modules,
        build,
    })
}

fn nothing(root: &Path, what: &str) -> XtaskError {
    XtaskError::BadFile {
        place: root.display().to_string(),
        problem: format!("has no {what} of a kernel; remove it to fetch it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_includes_of_installed_headers_move() {
        let target = Path::new("/c/kernels/x");
        assert_eq!(
            moved_line("include /usr/src/linux-headers-6.1-common/Makefile", target),
            "include /c/kernels/x/usr/src/linux-headers-6.1-common/Makefile"
        );
        assert_eq!(
            moved_line("KBUILD_OUTPUT=/usr/src/linux-headers-7.2", target),
            "KBUILD_OUTPUT=/c/kernels/x/usr/src/linux-headers-7.2"
        );
        assert_eq!(
            moved_line("include scripts/Makefile", target),
            "include scripts/Makefile"
        );
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = KERNELS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KERNELS.len());
    }
}
