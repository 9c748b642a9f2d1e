//! Which engine runs a program.
//!
//! In: a program, what was asked for, how the module stands. Out: [`Choice`]. Invariant: `auto` takes the module where it is there and can attach
//! what the program asks for, and always says why it took what it took.

use alloc::string::{String, ToString};

use ktap_link::message::{EngineChoice, ModuleState, Refusal, RefusalCode, Stage};

use super::kmod::device::Device;
use super::kmod::{kinds, state};
use super::{Program, user};
use crate::refusal::refuse;

/// An engine, and why.
pub struct Choice {
    /// The module's session, if the engine is `kmod`.
    pub device: Option<Device>,
    /// Why.
    pub reason: String,
}

impl Choice {
    /// Returns the engine.
    pub fn engine(&self) -> EngineChoice {
        match self.device {
            Some(_) => EngineChoice::Kmod,
            None => EngineChoice::User,
        }
    }
}

/// Chooses.
///
/// # Errors
/// The engine asked for is not there, or the only one there cannot run the program.
pub fn choose(program: &Program<'_>) -> Result<Choice, Refusal> {
    let user = |reason: String| match user::engine::lacking(program) {
        None => Ok(Choice { device: None, reason }),
        Some(refusal) => Err(refusal),
    };
    if program.options.engine == EngineChoice::User {
        return user("asked for".to_string());
    }
    let asked = program.options.engine == EngineChoice::Kmod;
    let (found, device) = state::open(program.board.no_module);
    let Some((device, can)) = device else {
        debug_assert!(found.state != ModuleState::Ready);
        return match asked {
            true => Err(refuse(Stage::Attach, RefusalCode::NoEngine, 0, &found.reason)),
            false => user(found.reason),
        };
    };
    match kinds::lacking(&program.image.probes, can) {
        Some(refusal) if asked => Err(refusal),
        Some(refusal) => {
            let reason = alloc::format!("the kernel module cannot attach {} here", refusal.name);
            // What neither engine can attach is told as the module tells it.
            user(reason).map_err(|_| refusal)
        }
        None => Ok(Choice {
            device: Some(device),
            reason: found.reason,
        }),
    }
}
