//! What ktap-host carries of the kernel module: the glue's C, and Rust's object for each architecture.
//!
//! In: what the build script embedded. Out: bytes. Invariant: a user of ktap-host needs no Rust to build a module.

use crate::failure::Failure;

include!(concat!(env!("OUT_DIR"), "/kmod.rs"));

/// Returns every file of the glue, name and text.
pub fn glue() -> &'static [(&'static str, &'static [u8])] {
    GLUE
}

/// Returns Rust's object for an architecture in the words of `uname -m`.
///
/// # Errors
/// None is carried for it.
pub fn object(arch: &str) -> Result<&'static [u8], Failure> {
    if let Some((_, bytes)) = OBJECTS.iter().find(|(of, _)| *of == arch) {
        return Ok(bytes);
    }
    let carried: Vec<&str> = OBJECTS.iter().map(|(of, _)| *of).collect();
    Err(Failure::Usage(
        format!("this ktap-host carries no kernel module for {arch}"),
        Some(if carried.is_empty() {
            "`cargo xtask build` makes one that does".into()
        } else {
            format!("it has them for {}", carried.join(", "))
        }),
    ))
}
