//! Rules about where control goes, and about the top that one word sets and the next one counts to.

use super::{Rule, Site, VerifyError};
use crate::op::{Op, Shape, Wide, Word};

/// A function does not run off its end.
pub(super) fn ends(site: &Site<'_>) -> Result<(), VerifyError> {
    let last = site.function.start.wrapping_add(site.function.len).wrapping_sub(1);
    let site = Site { pc: last, ..*site };
    let op = site.word_at(last).and_then(Word::op);
    site.require(
        matches!(op, Some(Op::Return | Op::Return0 | Op::TailCall | Op::Jmp)),
        Rule::FallsOffEnd,
    )
}

/// A jump lands on a word of its function, and not between a word that sets the top and the one that counts to it.
pub(super) fn jump(site: &Site<'_>, op: Op, word: Word) -> Result<(), VerifyError> {
    if !matches!(op.shape(), Shape::Ad(_, Wide::Jump)) {
        return Ok(());
    }
    let target = (site.pc as i64).wrapping_add(1).wrapping_add(word.sd() as i64);
    let landed = u32::try_from(target).ok().and_then(|pc| site.word_at(pc));
    let Some(landed) = landed else {
        return site.require(false, Rule::JumpTarget);
    };
    // A word of an unknown op is refused where it stands.
    let counts = landed.op().is_some_and(|op| first_counted(op, landed).is_some());
    site.require(!counts, Rule::TopJump)
}

/// A word that counts up to top follows one that sets it, no lower than the first register counted.
pub(super) fn top(site: &Site<'_>, op: Op, word: Word, before: Option<(Op, Word)>) -> Result<(), VerifyError> {
    let Some(first) = first_counted(op, word) else {
        return Ok(());
    };
    let set = before.is_some_and(|(op, word)| {
        let sets = match op {
            Op::Call => word.c() == Word::MULTI,
            Op::Vararg => word.b() == Word::MULTI,
            _ => false,
        };
        // The top lies `results` above the producer's own register, and there may be none.
        sets && word.a() as u32 >= first
    });
    site.require(set, Rule::TopUnset)
}

/// The first register a word counts from when it counts up to top.
fn first_counted(op: Op, word: Word) -> Option<u32> {
    let (count, first) = match op {
        Op::Call | Op::TailCall | Op::CallBuiltin => (word.b(), word.a() as u32 + 1),
        Op::Return => (word.b(), word.a() as u32),
        Op::TList => (word.c(), word.b() as u32 + 1),
        _ => return None,
    };
    (count == Word::MULTI).then_some(first)
}
