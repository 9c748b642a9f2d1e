//! The verifier: from a program of unknown origin to one a VM may run.
//!
//! In: [`CodeRef`]. Out: [`Verified`], which only this module can make. Invariant: what `Verified` proves a VM may rely on
//! without a check.

use crate::code::CodeRef;

/// A program that passed [`verify`].
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    code: CodeRef<'a>,
}

impl<'a> Verified<'a> {
    /// Returns the program.
    pub fn code(&self) -> &CodeRef<'a> {
        &self.code
    }
}

/// Which rule a program breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Rule {
    /// A placeholder.
    NoMain = 0,
}

/// Where and how a program breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
pub struct VerifyError {
    /// The rule.
    pub rule: Rule,
    /// The function, or the index of another list's entry.
    pub index: u32,
    /// The word in the code.
    pub pc: u32,
}

/// Checks a program.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(code: CodeRef<'_>) -> Result<Verified<'_>, VerifyError> {
    if code.functions.is_empty() {
        return Err(VerifyError { rule: Rule::NoMain, index: 0, pc: 0 });
    }
    Ok(Verified { code })
}
