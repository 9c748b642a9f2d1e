//! Embeds every agent that `cargo xtask build` has put into `target/agents/ARCH/ktap-agent`.
//!
//! In: that directory, which may be missing. Out: `agents.rs` with `EMBEDDED: &[(&str, &[u8])]`, architecture and file. Invariant:
//! without agents ktap-host still builds; it then carries none.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let agents = manifest.join("../../target/agents");
    println!("cargo::rerun-if-changed={}", agents.display());

    let mut text = String::from("static EMBEDDED: &[(&str, &[u8])] = &[\n");
    for (arch, file) in built(&agents) {
        // A debug-formatted path is a Rust string literal.
        let _ = writeln!(text, "    ({arch:?}, include_bytes!({file:?})),");
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("agents.rs"), text)
}

fn built(agents: &Path) -> Vec<(String, PathBuf)> {
    let Ok(listing) = std::fs::read_dir(agents) else {
        return Vec::new();
    };
    let mut found: Vec<(String, PathBuf)> = listing
        .flatten()
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path().join("ktap-agent"),
            )
        })
        .filter(|(_, file)| file.is_file())
        .collect();
    found.sort();
    found
}
