//! `kmod build|info`: the kernel module.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::args::{KmodAction, KmodBuildArgs, KmodInfoArgs};
use crate::board::Board;
use crate::failure::Failure;
use crate::kmod::{self, Request, modinfo};
use crate::ui::Ui;

/// Builds a module, or says what one is.
///
/// # Errors
/// No such board, nothing to build with, a build that fails, a file that is no module.
pub fn run(action: &KmodAction, ui: Ui) -> Result<u8, Failure> {
    match action {
        KmodAction::Build(args) => build(args, ui),
        KmodAction::Info(args) => info(args),
    }
}

fn build(args: &KmodBuildArgs, ui: Ui) -> Result<u8, Failure> {
    let board = Board::load(&args.board)?;
    let module = kmod::ensure(
        &board,
        &Request {
            kernel_dir: args.kernel_dir.clone(),
            cc: args.cc.clone(),
            strict: args.strict,
        },
    )?;
    let path = match &args.out {
        Some(out) => {
            kmod::write(out, &module.bytes)?;
            out
        }
        None => &module.path,
    };
    ui.say(format!(
        "kernel module for {}: {} bytes{}",
        module.release,
        module.bytes.len(),
        if module.built { "" } else { ", built before" }
    ));
    if module.bytes.len() > kmod::SIZE_LIMIT {
        ui.warn(format!("it is larger than {} bytes", kmod::SIZE_LIMIT));
    }
    print(&format!("{}\n", path.display()))
}

fn info(args: &KmodInfoArgs) -> Result<u8, Failure> {
    let path = match &args.file {
        Some(file) => file.clone(),
        None => kmod::ensure(&Board::load(&args.board)?, &Request::default())?.path,
    };
    let bytes = fs::read(&path).map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
    print(&describe(&path, &bytes)?)
}

fn describe(path: &Path, bytes: &[u8]) -> Result<String, Failure> {
    let magic = modinfo::vermagic(bytes)
        .ok_or_else(|| Failure::usage(format!("{}: {}", path.display(), modinfo::WrongKernel::NoModule)))?;
    let sections = modinfo::sections(bytes);
    let kept: u64 = sections.iter().map(|(_, size)| size).sum();
    let mut text = format!(
        "file      {}\narch      {}\nvermagic  {magic}\nsize      {}\nin memory {kept}\n",
        path.display(),
        modinfo::arch(bytes).unwrap_or("unknown"),
        bytes.len()
    );
    for (name, size) in sections {
        text.push_str(&format!("  {size:>8} {name}\n"));
    }
    Ok(text)
}

fn print(text: &str) -> Result<u8, Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}
