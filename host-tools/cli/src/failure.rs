//! Failures of a verb, and the exit code each has.
//!
//! In: errors of every room below. Out: a sentence, perhaps with help, and an exit code. Invariant: the codes are those of [`crate::exit_code`].

use ktap_link::message::Refusal;
use ktap_transport::LinkError;

use crate::exit_code as code;
use crate::refusal;

/// Why a verb failed.
#[derive(Debug)]
pub enum Failure {
    /// Wrong use: the sentence, and perhaps how to mend it.
    Usage(String, Option<String>),
    /// The script has errors, already shown.
    Script,
    /// The script trapped, already shown.
    Trap,
    /// The board refused.
    Refused(Refusal),
    /// The board refused, already shown at its place in the script.
    RefusedShown(Refusal),
    /// The board has not what a probe names, already shown at its place in the script.
    BindShown,
    /// The engine asked for is not there: why, and how to mend it.
    NoEngine(String, Option<String>),
    /// The link failed.
    Link(LinkError),
    /// The session over the link broke.
    Session(String),
    /// Versions do not fit.
    Mismatch(String),
    /// A QEMU board could not be managed.
    Qemu(String),
    /// Output could not be written.
    Output(String),
}

impl Failure {
    /// A usage failure without help.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure::Usage(text.into(), None)
    }

    /// Returns the exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(..) | Failure::Output(_) => code::USAGE,
            Failure::Script => code::SCRIPT,
            Failure::Trap => code::TRAP,
            Failure::Refused(refusal) | Failure::RefusedShown(refusal) => refusal::exit_code(refusal),
            Failure::BindShown | Failure::NoEngine(..) => code::REFUSED,
            Failure::Link(_) | Failure::Session(_) | Failure::Qemu(_) => code::LINK,
            Failure::Mismatch(_) => code::MISMATCH,
        }
    }

    /// Returns the sentence, nothing if it was shown already, and help.
    pub fn text(&self) -> (Option<String>, Option<String>) {
        match self {
            Failure::Usage(text, help) | Failure::NoEngine(text, help) => (Some(text.clone()), help.clone()),
            Failure::Script | Failure::Trap | Failure::RefusedShown(_) | Failure::BindShown => (None, None),
            Failure::Refused(refusal) => {
                let (text, help) = refusal::sentence(refusal);
                (Some(text), help)
            }
            Failure::Link(error) => (Some(error.to_string()), None),
            Failure::Session(text) | Failure::Mismatch(text) | Failure::Qemu(text) | Failure::Output(text) => {
                (Some(text.clone()), None)
            }
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Failure {
        Failure::Link(error)
    }
}
