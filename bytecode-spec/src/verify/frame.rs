//! Rules about functions' places and frames, and the registers that ops count on.

use super::{Rule, Site, VerifyError, require};
use crate::code::CodeRef;
use crate::limits::{MAX_CAPTURES, MAX_REGS};
use crate::op::{Op, Word};

/// Main is called by nobody who could pass anything.
pub(super) fn main(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    let plain = code
        .functions
        .first()
        .is_some_and(|main| main.params == 0 && main.captures == 0);
    require(plain, Rule::MainFrame, 0)
}

/// Functions lie in the code one after another.
pub(super) fn places(code: &CodeRef<'_>) -> Result<(), VerifyError> {
    let mut end = 0;
    for (index, function) in code.functions.iter().enumerate() {
        let behind = function.start as u64 >= end && function.len > 0;
        end = function.start as u64 + function.len as u64;
        require(behind && end <= code.code.len() as u64, Rule::FunctionPlace, index)?;
    }
    Ok(())
}

/// A function's frame is within bounds.
pub(super) fn frame(site: &Site<'_>) -> Result<(), VerifyError> {
    let function = site.function;
    let sized = function.regs as usize <= MAX_REGS && function.params <= function.regs;
    site.require(
        sized && function.vararg <= 1 && function.reserved == 0,
        Rule::FunctionFrame,
    )?;
    let end = function.first_capture as usize + function.captures as usize;
    let listed = function.captures as usize <= MAX_CAPTURES && end <= site.code.captures.len();
    site.require(listed, Rule::FunctionCaptures)
}

/// Registers an op uses by counting from an operand lie in the frame too.
pub(super) fn span(site: &Site<'_>, op: Op, word: Word) -> Result<(), VerifyError> {
    let (a, b, c) = (word.a(), word.b(), word.c());
    match op {
        Op::LoadNil => {
            site.require(b >= 1, Rule::Count)?;
            registers(site, a, b as u32)
        }
        Op::Concat => {
            site.require(c >= 2, Rule::Count)?;
            registers(site, b, c as u32)
        }
        Op::TList => registers(site, b, 1 + counted(c)),
        Op::ForPrep | Op::ForLoop | Op::Next => registers(site, a, 4),
        Op::Call => {
            registers(site, a, 1 + counted(b))?;
            registers(site, a, counted(c))
        }
        Op::TailCall | Op::CallBuiltin => registers(site, a, 1 + counted(b)),
        Op::Return => registers(site, a, counted(b)),
        Op::Vararg => {
            site.require(site.function.vararg == 1, Rule::VarargOutside)?;
            registers(site, a, counted(b))
        }
        _ => Ok(()),
    }
}

/// What a count operand adds for certain; "up to top" is bounded when the VM sets the top.
fn counted(count: u8) -> u32 {
    if count == Word::MULTI { 0 } else { count as u32 }
}

fn registers(site: &Site<'_>, first: u8, count: u32) -> Result<(), VerifyError> {
    site.require(first as u32 + count <= site.function.regs as u32, Rule::Register)
}
