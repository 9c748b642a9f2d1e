//! Whose events count.
//!
//! In: a session's options. Out: [`Scope`]. Invariant: a named process, or else the command and its children, or else everybody; the agent
//! never, unless it is asked for.

use alloc::vec::Vec;

use ktap_link::message::{Refusal, RefusalCode, RunOptions, Stage};

use crate::exclusion::Exclusion;
use crate::refusal::refuse_errno;
use crate::sys::Errno;

/// Whose events count.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Processes left out.
    pub exclusion: Exclusion,
    /// Only this process, if one is named.
    pub only: Option<u32>,
    /// True if its children, born from now on, count as well.
    pub follow: bool,
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// The one CPU that was asked for.
    pub cpu: Option<u32>,
}

impl Scope {
    /// Finds the scope of a session on a board with these CPUs online.
    ///
    /// # Errors
    /// A CPU that is not online.
    pub fn find(options: &RunOptions, online: &[u32], command: Option<u32>) -> Result<Scope, Refusal> {
        let cpus = match options.cpu {
            None => online.to_vec(),
            Some(cpu) if online.contains(&cpu) => alloc::vec![cpu],
            Some(cpu) => {
                let name = alloc::format!("cpu {cpu}");
                return Err(refuse_errno(Stage::Attach, RefusalCode::System, Errno::ENODEV, &name));
            }
        };
        Ok(Scope {
            exclusion: Exclusion::find(options.include_self, options.pid),
            only: options.pid.or(command),
            follow: options.pid.is_none() && command.is_some(),
            cpus,
            cpu: options.cpu,
        })
    }
}
