//! Why a QEMU board cannot be started, stopped or reached.
//!
//! In: what QEMU, the guest or the state directory did. Out: [`QemuError`], one sentence each. Invariant: a board that did not boot
//! shows the end of its console.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a QEMU board cannot be started, stopped or reached.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// QEMU is not installed.
    #[error("{program} is not installed; it comes with the Debian package {package}")]
    NoProgram {
        /// The program.
        program: String,
        /// The package that has it.
        package: &'static str,
    },
    /// No machine is defined for the board's architecture.
    #[error(
        "no QEMU board can be made for the architecture `{arch}`; {} can",
        super::machine::known()
    )]
    Architecture {
        /// What the board file says.
        arch: String,
    },
    /// The kernel or initramfs has not been made yet.
    #[error("the board's image {} is missing; `cargo xtask setup` makes it", .0.display())]
    NoImage(PathBuf),
    /// Another program listens on the board's port.
    #[error("port {0} of this PC is taken by another program, so the board's ssh cannot have it")]
    PortTaken(u16),
    /// QEMU refused to start.
    #[error("QEMU did not start: {0}")]
    Refused(String),
    /// The guest did not come up.
    #[error("the board did not get ready within {} s; the end of its console:\n{tail}", .limit.as_secs())]
    NotReady {
        /// How long it was given.
        limit: Duration,
        /// The last lines of the console.
        tail: String,
    },
    /// The guest ended while it was coming up.
    #[error("the board stopped while booting; the end of its console:\n{0}")]
    Died(String),
    /// No board runs in this state directory.
    #[error("no board runs there ({})", .0.display())]
    NotRunning(PathBuf),
    /// QEMU does not end.
    #[error("QEMU (process {0}) does not end")]
    Stuck(u32),
    /// A file of the state directory cannot be used.
    #[error("{}: {source}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
