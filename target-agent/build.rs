//! Links the board's binary without the tables for unwinding, which nothing reads: a tenth of its size.

#![allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=no-unwind.ld");
    if std::env::var_os("CARGO_FEATURE_FREESTANDING").is_some() {
        // From the workspace's root, where cargo runs the linker: a build directory may serve several checkouts, and this is kept in it.
        println!("cargo::rustc-link-arg-bins=-Ttarget-agent/no-unwind.ld");
        println!("cargo::rustc-link-arg-bins=--no-eh-frame-hdr");
    }
}
