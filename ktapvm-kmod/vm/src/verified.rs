//! What relies on the verifier's word without a check: the next word of code, for one who goes from a function's start by forward steps.
//!
//! In: a verified program. Out: its words. Invariant: a [`Place`] is a word of a function of the program. All it is made of is the program itself,
//! which never changes: no word of the region has a say in it.

use ktap_bytecode::code::Function;
use ktap_bytecode::op::Word;
use ktap_bytecode::verify::Verified;

/// The code of a verified program.
#[derive(Clone, Copy)]
pub(crate) struct Code<'p> {
    words: &'p [Word],
}

/// A word of a function, by its number.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pc: usize,
}

impl Place {
    /// The start of a function of the program.
    #[inline(always)]
    pub(crate) fn start_of(function: &Function) -> Place {
        Place {
            pc: function.start as usize,
        }
    }

    /// The number of the word.
    #[inline(always)]
    pub(crate) fn pc(self) -> usize {
        self.pc
    }

    /// The next word; to be asked only at a word that is no return and no unconditional jump, which a function does not end with.
    #[inline(always)]
    pub(crate) fn next(self) -> Place {
        Place {
            pc: self.pc.wrapping_add(1),
        }
    }

    /// Where the jump that is the word here leads, if forward.
    #[inline(always)]
    pub(crate) fn jump(self, word: Word) -> Option<Place> {
        let by = usize::try_from(word.sd()).ok()?;
        Some(Place {
            pc: self.pc.wrapping_add(1).wrapping_add(by),
        })
    }
}

impl<'p> Code<'p> {
    /// The code of a program that passed the verifier.
    pub(crate) fn new(program: Verified<'p>) -> Code<'p> {
        Code {
            words: program.code().code,
        }
    }

    /// The word at a place of this program.
    #[inline(always)]
    pub(crate) fn word(self, place: Place) -> Word {
        // SAFETY: the verifier has seen that functions lie in the code, that their last word is a return, a tail call or a jump, and that jumps lead to
        // words of their own function. So a start, the next word and the target of a jump are words of the code.
        unsafe { *self.words.get_unchecked(place.pc) }
    }
}
