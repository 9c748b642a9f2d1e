//! Debian suites other than this system's own, read with apt and private lists: nothing of the system's apt is changed.
//!
//! In: the mirrors that the system's own sources name, a list of suites. Out: packages, unpacked into a directory, never installed.
//! Invariant: only mirrors that the system uses already are asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;

/// What Debian's suites are signed with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Some suites with their own lists.
pub struct Archive {
    root: PathBuf,
    suites: &'static [&'static str],
    architectures: [&'static str; 2],
}

impl Archive {
    /// Prepares the lists of `suites` for this PC's architecture and `arch`, in Debian's words.
    ///
    /// # Errors
    /// No mirror of Debian is known to this system; a list cannot be read.
    pub fn open(cache: &Cache, suites: &'static [&'static str], arch: &'static str) -> Result<Self, XtaskError> {
        apt::can_download()?;
        let root = cache.path("apt").join(suites.join("+")).join(arch);
        let archive = Self {
            root,
            suites,
            architectures: [host_architecture(), arch],
        };
        for directory in ["lists/partial", "cache/archives/partial"] {
            let directory = archive.root.join(directory);
            fs::create_dir_all(&directory).map_err(XtaskError::file("make", &directory))?;
        }
        cache::write_changed(&archive.root.join("status"), b"", 0o644)?;
        cache::write_changed(&archive.root.join("sources.list"), archive.sources()?.as_bytes(), 0o644)?;
        // Always: a package that an old list names may be gone from the mirror.
        capture(archive.tool("apt-get").arg("update"))?;
        Ok(archive)
    }

    /// Returns the names of packages that `package` depends on, the first of each choice.
    pub fn depends(&self, package: &str) -> Result<Vec<String>, XtaskError> {
        let listing = capture(self.tool("apt-cache").args(["show", "--no-all-versions", package]))?;
        let listing = String::from_utf8_lossy(&listing).into_owned();
        Ok(names(&listing))
    }

    /// Unpacks `packages` (`NAME` or `NAME:ARCH`) into `target`.
    pub fn unpack(&self, packages: &[String], target: &Path) -> Result<(), XtaskError> {
        let store = target.join("packages");
        fs::create_dir_all(&store).map_err(XtaskError::file("make", &store))?;
        capture(self.tool("apt-get").current_dir(&store).arg("download").args(packages))?;
        unpack_all(&store, target)?;
        cache::remove(&store)
    }

    /// Unpacks `packages` and all that they depend on into `target`, which then is a root to run them in.
    pub fn unpack_closure(&self, packages: &[&str], target: &Path) -> Result<(), XtaskError> {
        capture(
            self.tool("apt-get")
                .args(["install", "-y", "--download-only", "--no-install-recommends"])
                .args(packages),
        )?;
        let store = self.root.join("cache/archives");
        unpack_all(&store, target)?;
        cache::remove(&store)
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = apt::quiet(program);
        let mut option = |name: &str, value: &str| {
            command.args(["-o", &format!("{name}={value}")]);
        };
        let path = |name: &str| self.root.join(name).display().to_string();
        option("Dir::Etc::sourcelist", &path("sources.list"));
        option("Dir::Etc::sourceparts", "/dev/null");
        option("Dir::Etc::preferences", "/dev/null");
        option("Dir::Etc::preferencesparts", "/dev/null");
        option("Dir::State", &self.root.display().to_string());
        option("Dir::State::status", &path("status"));
        option("Dir::Cache", &path("cache"));
        // Each run would else read all lists from their texts.
        option("Dir::Cache::pkgcache", "pkgcache.bin");
        for architecture in self.architectures {
            option("APT::Architectures::", architecture);
        }
        option("Acquire::Languages", "none");
        option("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false");
        // Frozen mirrors have suites whose dates have passed; the signature still counts.
        option("Acquire::Check-Valid-Until", "false");
        command
    }

    fn sources(&self) -> Result<String, XtaskError> {
        let mirrors = Mirrors::of_system()?;
        let signed = if Path::new(KEYRING).exists() {
            format!("[signed-by={KEYRING}] ")
        } else {
            String::new()
        };
        let line = |suite: &&str| {
            let mirror = if suite.ends_with("-security") {
                &mirrors.security
            } else {
                &mirrors.main
            };
            format!("deb {signed}{mirror} {suite} main\n")
        };
        Ok(self.suites.iter().map(line).collect())
    }
}

/// Where this system takes Debian's packages from.
struct Mirrors {
    main: String,
    security: String,
}

impl Mirrors {
    fn of_system() -> Result<Self, XtaskError> {
        let listing =
            capture(apt::quiet("apt-get").args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]))?;
        Self::among(&String::from_utf8_lossy(&listing)).ok_or(XtaskError::NoMirror)
    }

    fn among(listing: &str) -> Option<Self> {
        let ends = |end: &str| {
            let mut addresses = listing.lines().map(|line| line.trim().trim_end_matches('/'));
            addresses.find(|address| address.ends_with(end)).map(str::to_owned)
        };
        let main =
            ends("/debian").or_else(|| Some(ends("/debian-security")?.trim_end_matches("-security").to_owned()))?;
        let security = ends("/debian-security").unwrap_or_else(|| format!("{main}-security"));
        Some(Self { main, security })
    }
}

/// Returns this PC's architecture in Debian's words.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn unpack_all(store: &Path, target: &Path) -> Result<(), XtaskError> {
    let listing = fs::read_dir(store).map_err(XtaskError::file("read", store))?;
    let mut files: Vec<PathBuf> = listing.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
    // base-files has the links of a merged /usr, which all others unpack through.
    files.sort_by_key(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (!name.starts_with("base-files_"), name)
    });
    for file in files {
        capture(Command::new("dpkg-deb").arg("-x").arg(&file).arg(target))?;
    }
    Ok(())
}

/// Reads the names out of `Depends: a (= 1), b | c`.
fn names(listing: &str) -> Vec<String> {
    let Some(depends) = listing.lines().find_map(|line| line.strip_prefix("Depends: ")) else {
        return Vec::new();
    };
    let name = |choice: &str| choice.trim().split([' ', '|', ':']).next().map(str::to_owned);
    depends.split(',').filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_from_the_systems_sources() {
        let mirrors =
            Mirrors::among("https://x.example/tools/\nhttp://m.example/debian-security/\nhttp://m.example/debian/\n");
        let mirrors = mirrors.map(|mirrors| (mirrors.main, mirrors.security));
        assert_eq!(
            mirrors,
            Some((
                "http://m.example/debian".into(),
                "http://m.example/debian-security".into()
            ))
        );
        assert!(Mirrors::among("https://x.example/ubuntu/\n").is_none());
    }

    #[test]
    fn dependencies_lose_versions_and_choices() {
        let listing = "Package: x\nDepends: linux-a (= 6.1), gcc-12, kmod | busybox:any\nSize: 1\n";
        assert_eq!(names(listing), ["linux-a", "gcc-12", "kmod"]);
        assert!(names("Package: x\n").is_empty());
    }
}
