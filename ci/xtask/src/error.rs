//! Why a task stopped.
//!
//! In: what went wrong. Out: [`XtaskError`], shown as one sentence (or a list of what to install). Invariant: every variant tells
//! what to do next or which command said no.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a task stopped.
#[derive(Debug)]
pub enum XtaskError {
    /// The command line is not one of the tasks.
    Usage(String),
    /// Programs or files are missing and this system or this user cannot install them.
    Missing(Vec<MissingPackage>),
    /// A file could not be read, written or made.
    File {
        /// What was done to it: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error.
    Command {
        /// The whole command line.
        line: String,
        /// Its exit status in words.
        status: String,
        /// The last lines it wrote to stderr.
        stderr: String,
    },
    /// The system's apt names no mirror of Debian.
    NoMirror,
    /// The mirror has no such kernel.
    NoKernel(&'static str),
    /// A file is not what it should be.
    BadFile {
        /// The file, and the line when it has lines.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Some tests failed. What failed was printed before.
    TestsFailed,
}

/// A package that is missing here.
#[derive(Debug)]
pub struct MissingPackage {
    /// Its name in Debian.
    pub debian: &'static str,
    /// What was looked for and not found.
    pub looked_for: &'static str,
}

impl XtaskError {
    /// Makes the error of a file that could not be read or written, for `map_err`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}

impl fmt::Display for XtaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => write!(f, "{problem}; `cargo xtask help` lists the tasks"),
            Self::Missing(packages) => {
                writeln!(
                    f,
                    "these are missing, and can be installed from here only as root on a Debian-like system:"
                )?;
                for package in packages {
                    writeln!(f, "  {:<20} {}", package.debian, package.looked_for)?;
                }
                let mut names: Vec<&str> = packages.iter().map(|package| package.debian).collect();
                names.dedup();
                write!(
                    f,
                    "on Debian: apt-get install --no-install-recommends {}",
                    names.join(" ")
                )
            }
            Self::File { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
            Self::Start { program, source } => write!(f, "cannot start {program}: {source}"),
            Self::Command { line, status, stderr } => {
                write!(f, "`{line}` failed ({status})")?;
                if stderr.is_empty() {
                    Ok(())
                } else {
                    write!(f, ":\n{stderr}")
                }
            }
            Self::NoMirror => write!(
                f,
                "kernels come from a mirror of Debian, and the sources of this system's apt name none"
            ),
            Self::NoKernel(name) => write!(f, "the mirror of Debian has no kernel {name}"),
            Self::BadFile { place, problem } => write!(f, "{place}: {problem}"),
            Self::TestsFailed => write!(f, "some tests failed"),
        }
    }
}
