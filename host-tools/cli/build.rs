//! Embeds what `cargo xtask build` has made for boards: every agent of `target/agents/ARCH/ktap-agent`, every kernel object of
//! `target/kmod/ARCH/ktapvm_rust.bin`; and the C of the kernel module.
//!
//! In: those directories, which may be missing, and `ktapvm-kmod/glue`. Out: `agents.rs` with `EMBEDDED`, `kmod.rs` with `OBJECTS` and `GLUE`,
//! `&[(&str, &[u8])]` each: architecture or name, and file. Invariant: without agents or objects ktap-host still builds; it then carries none.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());

    let agents = built(&manifest.join("../../target/agents"), "ktap-agent");
    std::fs::write(out.join("agents.rs"), table("EMBEDDED", &agents))?;

    let objects = built(&manifest.join("../../target/kmod"), "ktapvm_rust.bin");
    let mut text = table("OBJECTS", &objects);
    text.push_str(&table("GLUE", &sources(&manifest.join("../../ktapvm-kmod/glue"))));
    std::fs::write(out.join("kmod.rs"), text)
}

fn table(name: &str, files: &[(String, PathBuf)]) -> String {
    let mut text = format!("static {name}: &[(&str, &[u8])] = &[\n");
    for (key, file) in files {
        // A debug-formatted path is a Rust string literal.
        let _ = writeln!(text, "    ({key:?}, include_bytes!({file:?})),");
    }
    text.push_str("];\n");
    text
}

/// Lists `DIRECTORY/ARCH/FILE`.
fn built(directory: &Path, file: &str) -> Vec<(String, PathBuf)> {
    files(directory, |entry| entry.join(file))
}

/// Lists what the kernel's build takes.
fn sources(directory: &Path) -> Vec<(String, PathBuf)> {
    let mut found = files(directory, Path::to_owned);
    found.retain(|(name, _)| name == "Kbuild" || name.ends_with(".c") || name.ends_with(".h"));
    found
}

fn files(directory: &Path, file: impl Fn(&Path) -> PathBuf) -> Vec<(String, PathBuf)> {
    println!("cargo::rerun-if-changed={}", directory.display());
    let Ok(listing) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<(String, PathBuf)> = listing
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), file(&entry.path())))
        .filter(|(_, file)| file.is_file())
        .collect();
    found.sort();
    found
}
