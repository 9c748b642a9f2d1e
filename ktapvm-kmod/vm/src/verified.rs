//! What relies on the verifier's word without a check: the next word of code.
//!
//! In: a verified program. Out: its words. Invariant: only a place that the verifier has seen control reach is asked for.

use ktap_bytecode::op::Word;
use ktap_bytecode::verify::Verified;

/// The code of a verified program.
#[derive(Clone, Copy)]
pub(crate) struct Code<'p> {
    words: &'p [Word],
}

impl<'p> Code<'p> {
    /// The code of a program that passed the verifier.
    pub(crate) fn new(program: Verified<'p>) -> Code<'p> {
        Code {
            words: program.code().code,
        }
    }

    /// The word at `pc`.
    ///
    /// # Safety
    /// `pc` is the start of a function, or the word after one that is neither a return nor a jump, or the target of a jump: the verifier has seen that
    /// functions lie in the code, end with a return, a tail call or a jump, and jump inside themselves.
    #[inline(always)]
    pub(crate) unsafe fn word(self, pc: usize) -> Word {
        // SAFETY: by the caller's word and the verifier's.
        unsafe { *self.words.get_unchecked(pc) }
    }
}
