//! Links the board's binary without the tables for unwinding, which nothing reads: a tenth of its size.

#![allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=no-unwind.ld");
    if std::env::var_os("CARGO_FEATURE_FREESTANDING").is_some() {
        let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo::rustc-link-arg-bins=-T{root}/no-unwind.ld");
        println!("cargo::rustc-link-arg-bins=--no-eh-frame-hdr");
    }
}
