//! Runs make over the glue and Rust's object.
//!
//! In: a kernel, a compiler, what ktap-host carries. Out: the module's bytes, without debug information. Invariant: the kernel's directory
//! is only read; work is done in the cache and leaves nothing there.

use std::fs;
use std::path::{Path, PathBuf};

use super::compiler::Compiler;
use super::sources;
use super::tree::KernelTree;
use crate::failure::Failure;

/// Lines of a failed build that the error repeats.
const LINES: usize = 40;

/// Builds the module for `tree` beside `directory`; tells whether nothing warned.
///
/// # Errors
/// [`Failure::Usage`] with the compiler's own words and what most likely mends it; with `strict`, also when the build warned.
pub fn build(
    tree: &KernelTree,
    compiler: &Compiler,
    object: &[u8],
    directory: &Path,
    strict: bool,
) -> Result<(Vec<u8>, bool), Failure> {
    let work = Work::begin(directory)?;
    for (name, bytes) in sources::glue() {
        work.put(name, bytes)?;
    }
    work.put("rust.bin", object)?;

    let mut make = compiler.command("make");
    // A make or cargo that runs this program would hand its own settings down.
    for name in [
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "ARCH",
        "CROSS_COMPILE",
        "KBUILD_OUTPUT",
    ] {
        make.env_remove(name);
    }
    make.env("LC_ALL", "C").arg("-C").arg(&tree.directory);
    make.arg(format!("M={}", work.0.display()));
    make.arg(format!("ARCH={}", compiler.make_arch));
    make.arg(format!("CROSS_COMPILE={}", compiler.prefix));
    make.arg(format!("CC={}", compiler.program));
    if tree.compiler.as_deref().is_some_and(|name| name.starts_with("clang")) {
        make.arg("LLVM=1");
    }
    // No debug information is kept, so none is made, nor the type information made of it.
    make.args(["KCFLAGS=-g0", "CONFIG_DEBUG_INFO_BTF_MODULES="]);
    make.args([concat!("KTAP_VERSION=", env!("CARGO_PKG_VERSION")), "modules"]);
    let output = make.output().map_err(|e| {
        let help = "on Debian: apt-get install make".to_owned();
        Failure::Usage(format!("cannot run make: {e}"), Some(help))
    })?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(failed("the kernel module could not be built", &said, tree, compiler));
    }
    let clean = !said.lines().any(is_complaint);
    if strict && !clean {
        return Err(failed("the build of the kernel module warns", &said, tree, compiler));
    }
    let module = work.0.join("ktapvm.ko");
    strip(&module, compiler);
    let bytes =
        fs::read(&module).map_err(|e| Failure::Output(format!("make left no module at {}: {e}", module.display())))?;
    Ok((bytes, clean))
}

/// Takes away what is left of debug information; a module that still has it is only larger.
fn strip(module: &Path, compiler: &Compiler) {
    let _ = compiler
        .command(&format!("{}strip", compiler.prefix))
        .args(["--strip-debug", "--remove-section=.comment"])
        .arg(module)
        .output();
}

fn is_complaint(line: &str) -> bool {
    ["warning:", "error:", "WARNING:", "ERROR:"]
        .iter()
        .any(|word| line.contains(word))
}

fn failed(text: &str, said: &str, tree: &KernelTree, compiler: &Compiler) -> Failure {
    let lines: Vec<&str> = said.lines().collect();
    // What is wrong stands before the many lines that follow from it.
    let first = lines.iter().position(|line| is_complaint(line)).unwrap_or(0);
    let first = first.min(lines.len().saturating_sub(1)).saturating_sub(2);
    let shown: Vec<&str> = lines.iter().skip(first).take(LINES).copied().collect();
    Failure::Usage(
        format!("{text} for {}:\n{}", tree.release, shown.join("\n")),
        Some(mend(said, tree, compiler)),
    )
}

fn mend(said: &str, tree: &KernelTree, compiler: &Compiler) -> String {
    let built_with = tree.compiler.as_deref().unwrap_or("another compiler");
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&[
        "unrecognized command-line option",
        "unrecognized command line option",
        "unknown argument",
        "incompatible gcc plugin",
    ]) {
        format!(
            "the kernel was built with {built_with}, this is {}: pass --cc PROGRAM",
            compiler.version
        )
    } else if says(&["version `GLIBC_", "Exec format error", "cannot execute"]) {
        format!(
            "the programs inside {} do not run on this PC: take headers made for this system, or run `make modules_prepare` there",
            tree.directory.display()
        )
    } else if says(&[
        "fixdep: not found",
        "modpost: not found",
        "scripts/mod/modpost",
        "scripts/basic/fixdep",
    ]) {
        format!(
            "{} is not prepared for modules: run `make modules_prepare` there",
            tree.directory.display()
        )
    } else if says(&["libelf.so", "libcrypto.so"]) {
        "on Debian: apt-get install libelf1 libssl3".into()
    } else if says(&["No space left on device"]) {
        "there is no space left for the cache".into()
    } else {
        format!(
            "the kernel was built with {built_with}, the module with {}",
            compiler.version
        )
    }
}

/// A directory for the build, gone when done.
struct Work(PathBuf);

impl Work {
    fn begin(directory: &Path) -> Result<Self, Failure> {
        forget_dead(directory);
        let work = directory.join(format!("build.{}", std::process::id()));
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).map_err(|e| Failure::Output(format!("cannot make {}: {e}", work.display())))?;
        Ok(Self(work))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let file = self.0.join(name);
        fs::write(&file, bytes).map_err(|e| Failure::Output(format!("cannot write {}: {e}", file.display())))
    }
}

/// Removes what builds left behind whose program was killed.
fn forget_dead(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let builder = name.to_str().and_then(|name| name.strip_prefix("build."));
        if builder.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another program may do the same at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed is overwritten the next time.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_every_tool_are_seen() {
        assert!(is_complaint("a.c:1:2: warning: unused variable"));
        assert!(is_complaint(
            "rust.o: warning: objtool: f(): can't find switch jump table"
        ));
        assert!(is_complaint("WARNING: modpost: missing MODULE_LICENSE()"));
        assert!(!is_complaint("  CC [M]  /c/warnings.o"));
    }
}
