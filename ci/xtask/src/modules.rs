//! Kernel modules and what they depend on.
//!
//! In: a module directory and the names wanted. Out: the modules, in the order in which they can be inserted. Invariant: a module
//! comes after everything it depends on, by the `depends=` that the kernel's build wrote into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::command::capture;
use crate::error::XtaskError;

/// A module, ready to be inserted.
pub struct Module {
    /// Its name, without `.ko`.
    pub name: String,
    /// Its ELF file.
    pub bytes: Vec<u8>,
}

/// Collects `wanted` and all they depend on. A name that the kernel has no module for is taken to be built in.
pub fn collect(directory: &Path, wanted: &[&str]) -> Result<Vec<Module>, XtaskError> {
    let mut files = Vec::new();
    list(directory, &mut files)?;
    let mut modules = Vec::new();
    for name in wanted {
        visit(name, &files, &mut modules)?;
    }
    Ok(modules)
}

fn visit(name: &str, files: &[PathBuf], modules: &mut Vec<Module>) -> Result<(), XtaskError> {
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let Some(file) = files.iter().find(|file| module_name(file).as_deref() == Some(name)) else {
        return Ok(());
    };
    let bytes = if file.extension().is_some_and(|extension| extension == "xz") {
        capture(Command::new("xz").arg("-dc").arg(file))?
    } else {
        cache::read(file)?
    };
    for dependency in depends(&bytes) {
        visit(&dependency, files, modules)?;
    }
    modules.push(Module {
        name: name.to_owned(),
        bytes,
    });
    Ok(())
}

/// Reads the `depends=` entry of a module's `.modinfo` section, which is a list of NUL-ended texts.
fn depends(module: &[u8]) -> Vec<String> {
    let entry = module
        .split(|byte| *byte == 0)
        .find_map(|text| text.strip_prefix(b"depends="));
    let text = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `virtio-net.ko.xz` is the module `virtio_net`.
fn module_name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let stem = name.strip_suffix(".ko").or_else(|| name.strip_suffix(".ko.xz"))?;
    Some(stem.replace('-', "_"))
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), XtaskError> {
    let listing = fs::read_dir(directory).map_err(XtaskError::file("read", directory))?;
    for entry in listing.flatten() {
        let path = entry.path();
        // Packages of kernel headers leave links back to their sources.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            list(&path, files)?
        } else {
            files.push(path)
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_from_modinfo() {
        let module = b"\x7fELF...\0license=GPL\0depends=net_failover,virtio\0name=virtio_net\0";
        assert_eq!(depends(module), ["net_failover", "virtio"]);
        assert!(depends(b"\0depends=\0").is_empty());
        assert!(depends(b"no such section").is_empty());
    }

    #[test]
    fn names_lose_dashes_and_compression() {
        assert_eq!(
            module_name(Path::new("a/virtio-net.ko.xz")).as_deref(),
            Some("virtio_net")
        );
        assert_eq!(module_name(Path::new("failover.ko")).as_deref(), Some("failover"));
        assert_eq!(module_name(Path::new("modules.dep")), None);
    }
}
