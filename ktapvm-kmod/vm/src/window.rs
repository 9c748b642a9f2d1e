//! The window of a running function: its registers, which operands name by one byte.
//!
//! In: a place in a frame. Out: [`Window`]. Invariant: a window has all the registers a byte can name, so that no access needs a check; those
//! beyond the function's own lie in the frame's margin and mean nothing.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::region::{Region, WINDOW};
use crate::value::Value;

/// The registers of one function.
#[derive(Clone, Copy)]
pub(crate) struct Window<'p> {
    words: &'p [AtomicU64; WINDOW],
}

impl<'p> Window<'p> {
    /// The window whose register 0 is at the word `at`; frames have a margin, so that it is always there.
    #[inline(always)]
    pub(crate) fn new(region: &Region<'p>, at: usize) -> Option<Window<'p>> {
        Some(Window {
            words: region.window(at)?,
        })
    }

    /// The value of a register.
    #[inline(always)]
    pub(crate) fn get(self, register: u8) -> Value {
        let [head, payload] = self.pair(register);
        Value::from_words(head.load(Ordering::Relaxed), payload.load(Ordering::Relaxed))
    }

    /// Sets a register.
    #[inline(always)]
    pub(crate) fn set(self, register: u8, value: Value) {
        let [head, payload] = self.pair(register);
        head.store(value.head(), Ordering::Relaxed);
        payload.store(value.payload, Ordering::Relaxed);
    }

    /// Makes the first `registers` nil, and up to three more.
    #[inline(always)]
    pub(crate) fn clear(self, registers: u8) {
        let (fours, _) = self.words.as_chunks::<8>();
        let mut cleared = 0u8;
        if registers <= 4 {
            if let Some(four) = fours.first() {
                four.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            }
            return;
        }
        for four in fours {
            for word in four {
                word.store(0, Ordering::Relaxed);
            }
            cleared = cleared.saturating_add(4);
            if cleared >= registers {
                break;
            }
        }
    }

    #[inline(always)]
    fn pair(self, register: u8) -> [&'p AtomicU64; 2] {
        // Twice a byte and one more is below the length, so that neither index is checked in the compiled code.
        let at = register as usize * 2;
        [&self.words[at], &self.words[at + 1]]
    }
}
