//! The verifier: from a program of unknown origin to one a VM may run.
//!
//! In: [`CodeRef`]. Out: [`Verified`], which only this module can make. Invariant: what `Verified` proves a VM may rely on
//! without a check.
//!
//! Proven: every index an instruction holds is inside its list and of a fitting kind, every register inside the frame, jumps stay
//! in their function, no function runs off its end, "up to top" follows what sets the top. Not proven: what a register
//! holds. A register that should hold a cell or a table may hold anything; the VM looks at the tag.
//!
//! This code runs in the kernel: no allocation, no panic, time linear in the size of the program.

mod flow;
mod frame;
mod lists;
mod operand;
mod rule;

pub use rule::Rule;

use crate::code::{CodeRef, Function};
use crate::op::{Op, Word};

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

/// Where and how a program breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
pub struct VerifyError {
    /// The rule.
    pub rule: Rule,
    /// The function, or the index of another list's entry.
    pub index: u32,
    /// The word in the code, 0 for rules that are not about one.
    pub pc: u32,
}

// Text is for the host and the agent: the kernel's object holds no formatting.
#[cfg(feature = "alloc")]
impl core::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "rule {}: {} (entry {}, word {})",
            self.rule as u8,
            self.rule.message(),
            self.index,
            self.pc
        )
    }
}

#[cfg(feature = "alloc")]
impl core::error::Error for VerifyError {}

/// Checks a program.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(code: CodeRef<'_>) -> Result<Verified<'_>, VerifyError> {
    lists::sizes(&code)?;
    lists::consts(&code)?;
    lists::formats(&code)?;
    lists::fields(&code)?;
    lists::captures(&code)?;
    frame::main(&code)?;
    frame::places(&code)?;
    for (index, function) in code.functions.iter().enumerate() {
        let site = Site {
            code: &code,
            function,
            index: index as u32,
            pc: 0,
        };
        frame::frame(&site)?;
        words(&site)?;
        flow::ends(&site)?;
    }
    Ok(Verified { code })
}

/// A function and a word of it, for the rules about them.
#[derive(Clone, Copy)]
struct Site<'a> {
    code: &'a CodeRef<'a>,
    function: &'a Function,
    index: u32,
    pc: u32,
}

impl Site<'_> {
    /// Passes if `holds`, else names the rule and this place.
    fn require(&self, holds: bool, rule: Rule) -> Result<(), VerifyError> {
        if holds {
            Ok(())
        } else {
            Err(VerifyError {
                rule,
                index: self.index,
                pc: self.pc,
            })
        }
    }

    /// The word at `pc`, if it is of this function.
    fn word_at(&self, pc: u32) -> Option<Word> {
        let end = self.function.start.wrapping_add(self.function.len);
        if pc < self.function.start || pc >= end {
            return None;
        }
        self.code.code.get(pc as usize).copied()
    }
}

/// Passes if `holds`, else names the rule and a list's entry.
fn require(holds: bool, rule: Rule, index: usize) -> Result<(), VerifyError> {
    if holds {
        Ok(())
    } else {
        Err(VerifyError {
            rule,
            index: index as u32,
            pc: 0,
        })
    }
}

/// Every word of a function, by every rule about words.
fn words(function: &Site<'_>) -> Result<(), VerifyError> {
    let mut before: Option<(Op, Word)> = None;
    for offset in 0..function.function.len {
        let site = Site {
            pc: function.function.start.wrapping_add(offset),
            ..*function
        };
        let Some(word) = site.word_at(site.pc) else {
            return site.require(false, Rule::FunctionPlace);
        };
        let Some(op) = word.op() else {
            return site.require(false, Rule::UnknownOp);
        };
        operand::operands(&site, op, word)?;
        frame::span(&site, op, word)?;
        flow::jump(&site, op, word)?;
        flow::top(&site, op, word, before)?;
        before = Some((op, word));
    }
    Ok(())
}
