//! A kernel's build directory, or its headers: what modules are built against.
//!
//! In: a directory. Out: [`KernelTree`], or what it lacks. Invariant: a tree is of the board's architecture and can build modules.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A directory that modules can be built in.
#[derive(Debug)]
pub struct KernelTree {
    /// make's `-C`.
    pub directory: PathBuf,
    /// `uname -r`.
    pub release: String,
    /// The architecture, in the words of `uname -m`.
    pub arch: String,
    /// The compiler that the kernel was built with, e.g. `gcc-12`.
    pub compiler: Option<String>,
    config: String,
}

impl KernelTree {
    /// Opens the build directory of a kernel of `arch`.
    ///
    /// # Errors
    /// [`Failure::Usage`]: not there, not built, another architecture, no modules.
    pub fn open(directory: &Path, arch: &str) -> Result<Self, Failure> {
        let shown = directory.display();
        let lacks = |text: String, help: &str| Failure::Usage(text, Some(help.to_owned()));
        if !directory.join("Makefile").exists() {
            return Err(lacks(
                format!("{shown} has no Makefile of a kernel"),
                "it must be the directory that the board's kernel was built in, or its headers (on Debian: linux-headers-RELEASE)",
            ));
        }
        let Ok(config) = fs::read_to_string(directory.join(".config")) else {
            return Err(lacks(
                format!("{shown} is not configured: it has no .config"),
                "put the configuration of the board's kernel there, then build it",
            ));
        };
        if setting(&config, "CONFIG_MODULES") != Some("y") {
            return Err(lacks(
                format!("the kernel in {shown} takes no modules"),
                "build it with CONFIG_MODULES=y, or use --engine user",
            ));
        }
        match config_arch(&config) {
            Some(of) if of == arch => {}
            of => {
                return Err(lacks(
                    format!(
                        "the kernel in {shown} is for {}, the board is {arch}",
                        of.unwrap_or("another architecture")
                    ),
                    "check `arch` and [kernel] build in the board file",
                ));
            }
        }
        if !directory.join("Module.symvers").exists() {
            return Err(lacks(
                format!("{shown} has no Module.symvers: the kernel was not built there to its end"),
                "build the kernel and its modules there first",
            ));
        }
        let release = release(directory).ok_or_else(|| {
            lacks(
                format!("{shown} does not say which release its kernel is"),
                "build the kernel there, or at least `make modules_prepare`",
            )
        })?;
        Ok(Self {
            directory: directory.canonicalize().unwrap_or_else(|_| directory.to_owned()),
            release,
            arch: arch.to_owned(),
            compiler: compiler(&config),
            config,
        })
    }

    /// Returns what changes when the kernel is built anew.
    pub fn stamp(&self) -> String {
        let symbols = fs::metadata(self.directory.join("Module.symvers"));
        let stamp = symbols.map(|file| (file.len(), file.modified().ok()));
        format!(
            "{} {} {stamp:?} {}",
            self.directory.display(),
            self.release,
            self.config
        )
    }
}

fn release(directory: &Path) -> Option<String> {
    // Debian's kernel.release says less than `uname -r`; this is what the kernel itself was built with.
    let text = fs::read_to_string(directory.join("include/generated/utsrelease.h")).ok()?;
    let line = text.lines().find(|line| line.contains("UTS_RELEASE"))?;
    Some(line.split('"').nth(1)?.to_owned())
}

fn setting<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    config
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
}

fn config_arch(config: &str) -> Option<&'static str> {
    let is_set = |name: &str| setting(config, name) == Some("y");
    [
        ("CONFIG_X86_64", "x86_64"),
        ("CONFIG_ARM64", "aarch64"),
        ("CONFIG_ARM", "armv7l"),
        ("CONFIG_RISCV", "riscv64"),
    ]
    .into_iter()
    .find(|(name, _)| is_set(name))
    .map(|(_, arch)| arch)
}

/// `CONFIG_CC_VERSION_TEXT="aarch64-linux-gnu-gcc-12 (Debian ..) 12.2.0"` is `gcc-12`.
fn compiler(config: &str) -> Option<String> {
    let program = setting(config, "CONFIG_CC_VERSION_TEXT")?.split(' ').next()?;
    let program = program.rsplit('/').next()?;
    let at = program.rfind("gcc").or_else(|| program.rfind("clang"))?;
    Some(program[at..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "CONFIG_CC_VERSION_TEXT=\"aarch64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0\"\nCONFIG_ARM64=y\nCONFIG_MODULES=y\n";

    #[test]
    fn a_configuration_tells_architecture_and_compiler() {
        assert_eq!(config_arch(CONFIG), Some("aarch64"));
        assert_eq!(compiler(CONFIG).as_deref(), Some("gcc-12"));
        assert_eq!(
            compiler("CONFIG_CC_VERSION_TEXT=\"gcc (GCC) 14\"\n").as_deref(),
            Some("gcc")
        );
        assert_eq!(compiler("CONFIG_CC_VERSION_TEXT=\"Debian clang version 16\"\n"), None);
        assert_eq!(config_arch("# CONFIG_ARM64 is not set\n"), None);
    }

    #[test]
    fn a_directory_that_is_no_kernel_says_what_it_lacks() {
        let directory = std::env::temp_dir().join(format!("ktap-tree-{}", std::process::id()));
        fs::create_dir_all(directory.join("include/generated")).expect("made");
        let said = |arch: &str| {
            let failure = KernelTree::open(&directory, arch).expect_err("refused");
            failure.text().0.expect("a sentence")
        };
        assert!(said("aarch64").contains("no Makefile"));
        fs::write(directory.join("Makefile"), "").expect("written");
        assert!(said("aarch64").contains("not configured"));
        fs::write(directory.join(".config"), CONFIG).expect("written");
        assert!(said("x86_64").contains("is for aarch64, the board is x86_64"));
        assert!(said("aarch64").contains("no Module.symvers"));
        fs::write(directory.join("Module.symvers"), "").expect("written");
        assert!(said("aarch64").contains("which release"));
        let header = directory.join("include/generated/utsrelease.h");
        fs::write(header, "#define UTS_RELEASE \"6.1.0-x\"\n").expect("written");
        assert_eq!(
            KernelTree::open(&directory, "aarch64").expect("opens").release,
            "6.1.0-x"
        );
        fs::remove_dir_all(&directory).expect("removed");
    }
}
