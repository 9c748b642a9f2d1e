//! The C compiler for a kernel.
//!
//! In: what the kernel was built with, what PATH has. Out: [`Compiler`]. Invariant: the very version that built the kernel is taken when it is
//! here, for its plain name may be another one.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use super::tree::KernelTree;
use crate::failure::Failure;

/// A C compiler that makes code for a board.
#[derive(Debug)]
pub struct Compiler {
    /// Its program.
    pub program: String,
    /// What it says of its version.
    pub version: String,
    /// make's `ARCH`.
    pub make_arch: &'static str,
    /// What PATH is for make and compiler.
    path: OsString,
    /// make's `CROSS_COMPILE`, empty if the board's architecture is this PC's.
    pub prefix: String,
}

impl Compiler {
    /// Finds the compiler for `tree`: `asked`, or the one that the kernel was built with, or the plain one; in the directory `tools` before PATH.
    ///
    /// # Errors
    /// [`Failure::Usage`]: none is here.
    pub fn find(asked: Option<&str>, tree: &KernelTree, tools: Option<&Path>) -> Result<Self, Failure> {
        // What the kernel calls it, and how its compilers' names begin.
        let (make_arch, triple) = match tree.arch.as_str() {
            "x86_64" => ("x86_64", "x86_64-linux-gnu-"),
            "aarch64" => ("arm64", "aarch64-linux-gnu-"),
            "armv7l" => ("arm", "arm-linux-gnueabihf-"),
            _ => ("riscv", "riscv64-linux-gnu-"),
        };
        let path = path(tools);
        let own = tree.arch == std::env::consts::ARCH;
        let prefix = if own { "" } else { triple };
        let built_with = tree.compiler.as_deref().unwrap_or("gcc");
        let names: Vec<String> = match asked {
            Some(program) => vec![program.to_owned()],
            None if built_with.starts_with("clang") => vec![built_with.to_owned(), "clang".into()],
            None => {
                let any = (9..=20).rev().map(|version| format!("{prefix}gcc-{version}"));
                [format!("{prefix}{built_with}"), format!("{prefix}gcc")]
                    .into_iter()
                    .chain(any)
                    .collect()
            }
        };
        for program in &names {
            if let Some(version) = version(program, &path) {
                return Ok(Self {
                    program: program.clone(),
                    version,
                    make_arch,
                    path,
                    prefix: prefix.to_owned(),
                });
            }
        }
        let text = match asked {
            Some(program) => format!("there is no compiler `{program}`"),
            None => format!("there is no C compiler for {} here", tree.arch),
        };
        let help = if built_with.starts_with("clang") {
            "install clang, or pass --cc PROGRAM".to_owned()
        } else {
            let package = if own {
                built_with.to_owned()
            } else {
                format!("{built_with}-{}", triple.trim_end_matches('-'))
            };
            format!(
                "the kernel was built with {built_with}; on Debian: apt-get install {package}; or pass --cc PROGRAM"
            )
        };
        Err(Failure::Usage(text, Some(help)))
    }

    /// Begins a command of `program`, looked for where the compiler was.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }
}

/// Returns PATH with `tools` before all else.
fn path(tools: Option<&Path>) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = tools
        .into_iter()
        .map(Path::to_owned)
        .chain(std::env::split_paths(&path));
    // A directory that no PATH can name is left out.
    std::env::join_paths(all).unwrap_or(path)
}

fn version(program: &str, path: &OsStr) -> Option<String> {
    // A path is run as it is, a name is looked for in PATH.
    let shown = Command::new(program).env("PATH", path).arg("--version").output().ok()?;
    let first = String::from_utf8_lossy(&shown.stdout).lines().next()?.to_owned();
    shown.status.success().then_some(first)
}
