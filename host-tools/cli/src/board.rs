//! Boards: one TOML file each, found by name.
//!
//! In: a board's name. Out: [`Board`], checked. Invariant: a wrong key, value or path is an error with the file, the line and
//! the mend; no list of boards exists but the directory's.

use std::path::{Path, PathBuf};

use ktap_symbols::abi::Abi;
use serde::Deserialize;
use toml::Spanned;

use crate::args::{Engine, LinkKind};
use crate::failure::Failure;

/// A board as its file says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The file's stem.
    #[serde(skip)]
    pub name: String,
    /// The file.
    #[serde(skip)]
    pub file: PathBuf,
    /// `uname -m` of the board.
    pub arch: Spanned<String>,
    /// One line for `board list`.
    #[serde(default)]
    pub description: String,
    /// The link taken when none is asked for.
    pub link: LinkName,
    /// ssh settings.
    pub ssh: Option<SshSettings>,
    /// Serial settings.
    pub serial: Option<SerialSettings>,
    /// The engine taken when none is asked for.
    pub engine: Option<Engine>,
    /// A copy of the board's files on this PC, where functions of programs are looked up.
    pub sysroot: Option<Spanned<PathBuf>>,
    /// The board's kernel, on this PC.
    #[serde(default)]
    pub kernel: KernelFiles,
    /// What sessions may use.
    #[serde(default)]
    pub limits: LimitSettings,
    /// Set for boards that run in QEMU on this PC.
    pub qemu: Option<QemuSettings>,
}

/// Names of links in a board file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkName {
    /// This PC itself.
    Local,
    /// `[ssh]`.
    Ssh,
    /// `[serial]`.
    Serial,
}

/// `[ssh]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshSettings {
    /// Host name or address.
    pub host: String,
    /// Port, 22 if not given.
    pub port: Option<u16>,
    /// User, who must be root on the board.
    pub user: Option<String>,
    /// `ssh2` (the library inside ktap-host) or `child` (the user's ssh program).
    #[serde(default)]
    pub method: SshMethodName,
    /// Private key file.
    pub key: Option<Spanned<PathBuf>>,
    /// known_hosts file, the user's own if not given.
    pub known_hosts: Option<Spanned<PathBuf>>,
    /// Options for the child ssh, `-o` each.
    #[serde(default)]
    pub options: Vec<String>,
    /// Seconds to wait for the connection.
    pub connect_timeout: Option<u64>,
}

/// How ssh is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SshMethodName {
    /// The library inside ktap-host.
    #[default]
    Ssh2,
    /// The user's ssh program.
    Child,
}

/// `[serial]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialSettings {
    /// The tty; `qemu` for the second UART of a QEMU board.
    pub path: PathBuf,
    /// Bits per second.
    #[serde(default = "default_baud")]
    pub baud: u32,
}

fn default_baud() -> u32 {
    115_200
}

/// `[kernel]`: files of the board's kernel on this PC, and whether it takes the module.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelFiles {
    /// The kernel with its debug information.
    pub vmlinux: Option<Spanned<PathBuf>>,
    /// Its System.map, where names of its addresses are looked up; else the board's /proc/kallsyms.
    pub system_map: Option<Spanned<PathBuf>>,
    /// The directory it was built in, or its headers; looked at when a module is built.
    pub build: Option<Spanned<PathBuf>>,
    /// A directory with the make and the compilers for it, looked at before PATH.
    pub tools: Option<Spanned<PathBuf>>,
    /// Whether the module may be inserted.
    #[serde(default)]
    pub module: ModulePolicy,
}

/// Whether a module is inserted into a board's kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModulePolicy {
    /// Where it is missing and one is here for that kernel.
    #[default]
    Auto,
    /// Never: one that is loaded already is used, none is inserted.
    Never,
}

/// `[limits]`: what one session may use on the board.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Memory for tables, strings and frames, bytes.
    pub memory: Option<u32>,
    /// Loop iterations of one handler run.
    pub loops: Option<u32>,
    /// Ops of one handler run.
    pub fuel: Option<u32>,
    /// Calls nested in one another.
    pub call_depth: Option<u32>,
    /// Pages of each per-CPU ring, a power of two.
    pub ring_pages: Option<u32>,
}

/// `[qemu]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QemuSettings {
    /// Kernel image.
    pub kernel: Spanned<PathBuf>,
    /// Initramfs.
    pub initramfs: Spanned<PathBuf>,
    /// Words added to the kernel's command line.
    #[serde(default)]
    pub append: String,
    /// The CPU in QEMU's words; what is usual for the architecture if not given.
    #[serde(default)]
    pub cpu: String,
    /// Memory, MiB.
    #[serde(default = "default_memory")]
    pub memory: u32,
    /// CPUs.
    #[serde(default = "default_cpus")]
    pub cpus: u32,
}

fn default_memory() -> u32 {
    256
}

fn default_cpus() -> u32 {
    1
}

/// The board that needs no file to exist.
const LOCAL: &str = include_str!("../../../boards/local.toml");

impl Board {
    /// Loads the board of this name.
    ///
    /// # Errors
    /// No such board, or its file is wrong.
    pub fn load(name: &str) -> Result<Board, Failure> {
        for directory in directories() {
            let file = directory.join(format!("{name}.toml"));
            if let Ok(text) = std::fs::read_to_string(&file) {
                return Board::parse(name, file, &text);
            }
        }
        if name == "local" {
            return Board::parse(name, PathBuf::from("(built in) local.toml"), LOCAL);
        }
        let known: Vec<String> = Board::names().into_iter().map(|(name, _)| name).collect();
        let help = match ktap_lang::suggest::suggest(name, known.iter().map(String::as_str)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!(
                "boards known here: {}; a board is a file boards/NAME.toml",
                known.join(", ")
            ),
        };
        Err(Failure::Usage(format!("there is no board `{name}`"), Some(help)))
    }

    /// Returns names and files of all boards, nearer directories first.
    pub fn names() -> Vec<(String, PathBuf)> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for directory in directories() {
            let Ok(entries) = std::fs::read_dir(&directory) else {
                continue;
            };
            let mut here: Vec<_> = entries.flatten().map(|e| e.path()).collect();
            here.sort();
            for file in here {
                let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
                let is_board = file.extension().is_some_and(|e| e == "toml");
                if is_board && !found.iter().any(|(name, _)| *name == stem) {
                    found.push((stem, file));
                }
            }
        }
        if !found.iter().any(|(name, _)| name == "local") {
            found.push(("local".into(), PathBuf::new()));
        }
        found
    }

    fn parse(name: &str, file: PathBuf, text: &str) -> Result<Board, Failure> {
        let mut board: Board = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().trim_end().replace('\n', " ");
            Failure::usage(format!("{}: {message}", place(&file, text, at)))
        })?;
        board.name = name.to_owned();
        board.file = file;
        board.check(text)?;
        Ok(board)
    }

    /// Checks what serde cannot: that parts fit together. Files are checked when they are used, for a board may be listed before its
    /// image is built.
    fn check(&mut self, text: &str) -> Result<(), Failure> {
        const ARCHES: &[&str] = &["x86_64", "aarch64", "armv7l", "riscv64"];
        let arch = self.arch.get_ref().as_str();
        // The built-in local board is whatever this PC is.
        if arch == "host" {
            let at = self.arch.span();
            self.arch = Spanned::new(at, std::env::consts::ARCH.to_owned());
        } else if !ARCHES.contains(&arch) {
            let at = place(&self.file, text, self.arch.span().start);
            let help = format!("known: {}", ARCHES.join(", "));
            return Err(Failure::Usage(format!("{at}: unknown arch `{arch}`"), Some(help)));
        }
        let missing = match self.link {
            LinkName::Ssh if self.ssh.is_none() => Some("ssh"),
            LinkName::Serial if self.serial.is_none() => Some("serial"),
            _ => None,
        };
        if let Some(section) = missing {
            let text = format!(
                "{}: link = \"{section}\" needs a section [{section}]",
                self.file.display()
            );
            return Err(Failure::usage(text));
        }
        for path in self.paths_mut() {
            *path = expand(path);
        }
        for file in [&self.kernel.vmlinux, &self.kernel.system_map, &self.sysroot]
            .into_iter()
            .flatten()
        {
            if !file.get_ref().exists() {
                let at = place(&self.file, text, file.span().start);
                return Err(Failure::usage(format!(
                    "{at}: there is no file `{}`",
                    file.get_ref().display()
                )));
            }
        }
        Ok(())
    }

    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let mut paths: Vec<&mut PathBuf> = Vec::new();
        if let Some(ssh) = &mut self.ssh {
            paths.extend(
                [&mut ssh.key, &mut ssh.known_hosts]
                    .into_iter()
                    .flatten()
                    .map(Spanned::get_mut),
            );
        }
        if let Some(serial) = &mut self.serial {
            paths.push(&mut serial.path);
        }
        paths.extend(
            [
                &mut self.kernel.vmlinux,
                &mut self.kernel.system_map,
                &mut self.kernel.build,
                &mut self.kernel.tools,
            ]
            .into_iter()
            .flatten()
            .map(Spanned::get_mut),
        );
        paths.extend(self.sysroot.as_mut().map(Spanned::get_mut));
        if let Some(qemu) = &mut self.qemu {
            paths.push(qemu.kernel.get_mut());
            paths.push(qemu.initramfs.get_mut());
        }
        paths
    }

    /// Returns sizes and byte order of the board's kernel.
    pub fn abi(&self) -> Abi {
        match self.arch.get_ref().as_str() {
            "armv7l" => Abi {
                long_bytes: 4,
                big_endian: false,
            },
            _ => Abi::LP64,
        }
    }

    /// Returns the link to take.
    ///
    /// # Errors
    /// The board file says nothing of the link asked for.
    pub fn choose(&self, asked: Option<LinkKind>) -> Result<LinkName, Failure> {
        let name = match asked {
            None => self.link,
            Some(LinkKind::Local) => LinkName::Local,
            Some(LinkKind::Serial) => LinkName::Serial,
            Some(LinkKind::Ssh | LinkKind::Ssh2 | LinkKind::SshChild) => LinkName::Ssh,
        };
        let section = match name {
            LinkName::Ssh if self.ssh.is_none() => "ssh",
            LinkName::Serial if self.serial.is_none() => "serial",
            _ => return Ok(name),
        };
        Err(Failure::Usage(
            format!("board `{}` has no {section} link", self.name),
            Some(format!("add a section [{section}] to {}", self.file.display())),
        ))
    }
}

/// Returns `file:line:column`.
fn place(file: &Path, text: &str, at: usize) -> String {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|&&b| b != b'\n').count() + 1;
    format!("{}:{line}:{column}", file.display())
}

/// Returns where board files are looked for, in order.
fn directories() -> Vec<PathBuf> {
    if let Some(directory) = std::env::var_os("KTAP_BOARDS_DIR") {
        return vec![directory.into()];
    }
    let mut list = Vec::new();
    if let Ok(here) = std::env::current_dir() {
        list.extend(here.ancestors().map(|a| a.join("boards")).find(|d| d.is_dir()));
    }
    if let Some(config) = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| home(".config"))
    {
        list.push(config.join("ktap/boards"));
    }
    list
}

/// Returns the directory of everything that can be made again.
pub fn cache_directory() -> PathBuf {
    std::env::var_os("KTAP_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(|d| PathBuf::from(d).join("ktap")))
        .or_else(|| home(".cache/ktap"))
        .unwrap_or_else(|| PathBuf::from("/var/cache/ktap"))
}

fn home(path: &str) -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(path))
}

/// Expands a leading `~/` and `${cache}`.
fn expand(path: &Path) -> PathBuf {
    let Some(text) = path.to_str() else {
        return path.to_owned();
    };
    if let Some(rest) = text.strip_prefix("~/") {
        return home(rest).unwrap_or_else(|| path.to_owned());
    }
    match text.strip_prefix("${cache}/") {
        Some(rest) => cache_directory().join(rest),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match Board::parse("b", PathBuf::from("boards/b.toml"), text) {
            Ok(board) => panic!("{board:?}"),
            Err(failure) => failure.text().0.unwrap_or_default(),
        }
    }

    #[test]
    fn wrong_files_name_the_line() {
        let head = "arch = \"x86_64\"\nlink = \"local\"\n";
        assert!(error(&format!("{head}colour = 1\n")).starts_with("boards/b.toml:3:1: unknown field `colour`"));
        assert!(error("arch = \"pdp11\"\nlink = \"local\"\n").starts_with("boards/b.toml:1:8: unknown arch `pdp11`"));
        assert!(error("arch = \"x86_64\"\nlink = \"ssh\"\n").contains("needs a section [ssh]"));
        assert!(
            error(&format!("{head}[kernel]\nvmlinux = \"/nowhere/vmlinux\"\n"))
                .starts_with("boards/b.toml:4:11: there is no file")
        );
        assert!(error("arch = [\n").starts_with("boards/b.toml:"));
    }

    #[test]
    fn the_built_in_board_loads() {
        let board = Board::parse("local", PathBuf::from("local.toml"), LOCAL).map_err(|f| f.text());
        assert_eq!(board.map(|b| b.link), Ok(LinkName::Local));
    }

    #[test]
    fn every_board_file_of_the_project_loads() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards");
        let mut seen = 0;
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            Board::parse("b", entry.path(), &text).map_err(|f| f.text()).unwrap();
            seen += 1;
        }
        assert!(seen >= 2);
    }
}
