//! The kernel module: built here for a board's kernel, from what ktap-host carries.
//!
//! In: a board or a kernel's build directory. Out: `ktapvm.ko` for that kernel, kept in the cache. Invariant: a module that is kept is one of
//! today's glue, object, kernel and compiler, else it is built anew.

pub mod compiler;
pub mod make;
pub mod modinfo;
pub mod sources;
pub mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use crate::board::{self, Board, LinkName};
use crate::failure::Failure;
use compiler::Compiler;
use tree::KernelTree;

/// Bytes that a module should not exceed.
pub const SIZE_LIMIT: usize = 200 * 1024;

/// Behind the key of a kept module whose build warned of nothing.
const CLEAN: &str = "clean\n";

/// How a module is to be built.
#[derive(Debug, Default)]
pub struct Request {
    /// The kernel's build directory, if not the board's own.
    pub kernel_dir: Option<PathBuf>,
    /// The C compiler, if not the one found.
    pub cc: Option<String>,
    /// Whether a warning of compiler, objtool or modpost is an error.
    pub strict: bool,
}

/// A module for one kernel.
#[derive(Debug)]
pub struct Module {
    /// The file in the cache.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `uname -r` of its kernel.
    pub release: String,
    /// Whether it was built now.
    pub built: bool,
}

/// Makes sure of a module for the kernel of `board`; one that is kept and still right is not built again.
///
/// # Errors
/// [`Failure::Usage`] with how to mend it: nothing says which kernel, no compiler, headers of another kernel, a failed build.
pub fn ensure(board: &Board, request: &Request) -> Result<Module, Failure> {
    let arch = board.arch.get_ref().as_str();
    let tree = KernelTree::open(&kernel_dir(board, request)?, arch)?;
    let object = sources::object(arch)?;
    let tools = board
        .kernel
        .tools
        .as_ref()
        .map(|directory| directory.get_ref().as_path());
    let compiler = Compiler::find(request.cc.as_deref(), &tree, tools)?;
    let mut key = key(&tree, &compiler, object);
    let directory = directory(&tree.release);
    let path = directory.join("ktapvm.ko");
    let key_file = directory.join("ktapvm.ko.key");
    let kept = fs::read_to_string(&key_file).unwrap_or_default();
    let right = kept
        .strip_prefix(&key)
        .is_some_and(|clean| !request.strict || clean == CLEAN);
    if right && let Ok(bytes) = fs::read(&path) {
        return Ok(Module {
            path,
            bytes,
            release: tree.release,
            built: false,
        });
    }
    let (bytes, clean) = make::build(&tree, &compiler, object, &directory, request.strict)?;
    // The key last: a module without it is built anew.
    let _ = fs::remove_file(&key_file);
    write(&path, &bytes)?;
    key.push_str(if clean { CLEAN } else { "" });
    write(&key_file, key.as_bytes())?;
    Ok(Module {
        path,
        bytes,
        release: tree.release,
        built: true,
    })
}

/// Returns the module that was built last for the kernel `release`, of whatever sources.
pub fn kept(release: &str) -> Option<Module> {
    let path = directory(release).join("ktapvm.ko");
    let bytes = fs::read(&path).ok()?;
    Some(Module {
        path,
        bytes,
        release: release.to_owned(),
        built: false,
    })
}

/// Writes a file at once or not at all.
///
/// # Errors
/// [`Failure::Output`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let error = |e: std::io::Error| Failure::Output(format!("cannot write {}: {e}", path.display()));
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    fs::write(&part, bytes).map_err(error)?;
    fs::rename(&part, path).map_err(error)
}

fn kernel_dir(board: &Board, request: &Request) -> Result<PathBuf, Failure> {
    if let Some(directory) = &request.kernel_dir {
        return Ok(directory.clone());
    }
    if let Some(directory) = &board.kernel.build {
        return Ok(directory.get_ref().clone());
    }
    if board.link == LinkName::Local {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        return Ok(Path::new("/lib/modules").join(release.trim()).join("build"));
    }
    Err(Failure::Usage(
        format!("nothing says where the kernel of board `{}` was built", board.name),
        Some(format!(
            "pass --kernel-dir DIR, or add `build = \"DIR\"` to [kernel] in {}: the directory that the kernel was built in, or its headers",
            board.file.display()
        )),
    ))
}

/// Returns what must be the same for a module to be the same.
fn key(tree: &KernelTree, compiler: &Compiler, object: &[u8]) -> String {
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_XZ);
    let mut digest = crc.digest();
    digest.update(object);
    for (name, bytes) in sources::glue() {
        digest.update(name.as_bytes());
        digest.update(bytes);
    }
    digest.update(tree.stamp().as_bytes());
    digest.update(compiler.version.as_bytes());
    digest.update(env!("CARGO_PKG_VERSION").as_bytes());
    format!("{:016x}\n", digest.finalize())
}

fn directory(release: &str) -> PathBuf {
    board::cache_directory().join("kmod").join(release)
}
