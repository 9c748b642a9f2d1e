//! Filters: tests of an event before its handler runs.
//!
//! In: the device's tests. Out: [`Test`], [`passes`]. Invariant: a checked filter leaves exactly one boolean, never more than 64 on the way, and
//! takes at most [`MOST_WORK`] comparisons of bytes.

use ktap_bytecode::glob;
use ktap_bytecode::limits::COMM_LEN;
use ktap_device::attach::{self, Special, TestKind};
use ktap_vm::host::FieldValue;

use crate::border::KpEvent;
use crate::buffer::RECORD_ROOM;
use crate::host::Occasion;
use crate::source::{Size, Source, Span};

/// Most steps of a filter.
pub(crate) const MAX_TESTS: usize = 1024;
/// Longest string a test compares with (the kernel's MAX_FILTER_STR_VAL).
const MAX_OPERAND: u32 = 256;
/// Most comparisons of bytes that a filter may take: four globs of the greatest length over strings as long as a record.
pub(crate) const MOST_WORK: u64 = 4 << 20;
/// Most booleans on the way.
const MAX_DEPTH: u32 = 64;

/// A way to compare numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Bits,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Source(Source),
    Tid,
    Cpu,
    Comm,
}

/// One step, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Number { of: Operand, how: Compare, value: u64 },
    Text { of: Operand, is: bool, text: Span },
    Glob { of: Operand, text: Span },
    Not,
    And,
    Or,
}

impl Test {
    /// Checks one step by itself; nothing if it is none.
    pub(crate) fn check(raw: &attach::Test, text: usize, words: bool) -> Option<Test> {
        let of = match Special::from_number(raw.special)? {
            Special::None => Operand::Source(Source::check(&raw.source, text, words)?),
            Special::Tid => Operand::Tid,
            Special::Cpu => Operand::Cpu,
            Special::Comm => Operand::Comm,
        };
        let number = |how| {
            Some(Test::Number {
                of,
                how,
                value: raw.value,
            })
        };
        let operand = || Span::packed(raw.value, text).filter(|span| span.len <= MAX_OPERAND);
        match TestKind::from_number(raw.kind)? {
            TestKind::Eq => number(Compare::Eq),
            TestKind::Ne => number(Compare::Ne),
            TestKind::Lt => number(Compare::Lt),
            TestKind::Le => number(Compare::Le),
            TestKind::Gt => number(Compare::Gt),
            TestKind::Ge => number(Compare::Ge),
            TestKind::Bits => number(Compare::Bits),
            TestKind::StrEq => Some(Test::Text {
                of,
                is: true,
                text: operand()?,
            }),
            TestKind::StrNe => Some(Test::Text {
                of,
                is: false,
                text: operand()?,
            }),
            TestKind::Glob => Some(Test::Glob { of, text: operand()? }),
            TestKind::Not => Some(Test::Not),
            TestKind::And => Some(Test::And),
            TestKind::Or => Some(Test::Or),
        }
    }

    /// The most comparisons of bytes it may take; a text has to be gone through once to find its end.
    pub(crate) fn work(self) -> u64 {
        let (of, steps) = match self {
            Test::Glob { of, text } => (of, text.len),
            Test::Text { of, .. } => (of, 1),
            _ => return 1,
        };
        let text = match of {
            Operand::Source(Source::Text(span)) => span.len,
            Operand::Source(Source::RecordChars { len, .. }) => len,
            Operand::Source(_) => RECORD_ROOM as u32,
            Operand::Tid | Operand::Cpu | Operand::Comm => COMM_LEN as u32,
        };
        (text as u64).saturating_mul(steps as u64)
    }

    /// What it looks at.
    pub(crate) fn source(self) -> Source {
        match self {
            Test::Number {
                of: Operand::Source(source),
                ..
            }
            | Test::Text {
                of: Operand::Source(source),
                ..
            }
            | Test::Glob {
                of: Operand::Source(source),
                ..
            } => source,
            _ => Source::Nil,
        }
    }
}

/// A filter that is one comparison of a number which is at hand: no record, no occasion has to be made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quick {
    of: Handy,
    /// What passes lies from here ...
    least: i64,
    /// ... to here,
    most: i64,
    /// or, if false, does not.
    inside: bool,
}

/// What is at hand at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handy {
    Tid,
    Word { index: u8, size: Size, signed: bool },
}

impl Quick {
    /// For a probe that has none.
    pub(crate) const NONE: Quick = Quick {
        of: Handy::Tid,
        least: i64::MIN,
        most: i64::MAX,
        inside: true,
    };

    /// Takes checked tests; nothing if they are more than that.
    pub(crate) fn of(tests: &[Test]) -> Option<Quick> {
        let &[Test::Number { of, how, value }] = tests else {
            return None;
        };
        let number = value as i64;
        let (of, signed) = match of {
            Operand::Tid => (Handy::Tid, true),
            Operand::Source(Source::Word { index, size, signed }) => (Handy::Word { index, size, signed }, signed),
            _ => return None,
        };
        let equality = matches!(how, Compare::Eq | Compare::Ne);
        // Numbers without a sign are ordered here as those with one, which is the same for small ones alone.
        let small = !matches!(of, Handy::Word { size: Size::Eight, .. }) && number >= 0;
        if !(signed || equality || small) {
            return None;
        }
        let (least, most) = match how {
            Compare::Eq | Compare::Ne => (number, number),
            Compare::Lt => (i64::MIN, number.checked_sub(1)?),
            Compare::Le => (i64::MIN, number),
            Compare::Gt => (number.checked_add(1)?, i64::MAX),
            Compare::Ge => (number, i64::MAX),
            Compare::Bits => return None,
        };
        Some(Quick {
            of,
            least,
            most,
            inside: how != Compare::Ne,
        })
    }

    /// Whether the event passes.
    #[inline(always)]
    pub(crate) fn passes(&self, event: &KpEvent) -> bool {
        let number = match self.of {
            Handy::Tid => event.tid as i32 as i64,
            Handy::Word { index, size, signed } => match event.words.get(index as usize) {
                Some(word) if (index as u16) < event.words_len => size.cut(*word, signed),
                _ => return false,
            },
        };
        (self.least <= number && number <= self.most) == self.inside
    }
}

/// Follows how many booleans lie there, step by step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth(u32);

impl Depth {
    /// Takes a step; false if it needs more booleans than there are, or there would be too many.
    pub(crate) fn step(&mut self, test: Test) -> bool {
        match test {
            Test::Not => self.0 >= 1,
            Test::And | Test::Or => {
                let enough = self.0 >= 2;
                self.0 = self.0.saturating_sub(1);
                enough
            }
            _ => {
                self.0 = self.0.wrapping_add(1);
                self.0 <= MAX_DEPTH
            }
        }
    }

    /// True if one boolean is left, or there was no step at all.
    pub(crate) fn is_whole(self, steps: usize) -> bool {
        self.0 == if steps == 0 { 0 } else { 1 }
    }
}

/// Runs a filter on an event.
pub(crate) fn passes(tests: &[Test], text: &[u8], occasion: &Occasion<'_>) -> bool {
    // The booleans, the last in the lowest bit.
    let mut stack = 0u64;
    for test in tests {
        let push = match *test {
            Test::Number { of, how, value } => number(occasion, of).is_some_and(|(a, signed)| {
                if signed {
                    compare(how, a, value as i64) || how == Compare::Bits && a as u64 & value != 0
                } else {
                    compare(how, a as u64, value) || how == Compare::Bits && a as u64 & value != 0
                }
            }),
            Test::Text { of, is, text: span } => with_text(occasion, of, |bytes| (bytes == span.of(text)) == is),
            Test::Glob { of, text: span } => with_text(occasion, of, |bytes| glob::matches(span.of(text), bytes)),
            Test::Not => {
                stack ^= 1;
                continue;
            }
            Test::And => {
                stack = (stack >> 1) & (stack | !1);
                continue;
            }
            Test::Or => {
                stack = (stack >> 1) | (stack & 1);
                continue;
            }
        };
        stack = stack << 1 | push as u64;
    }
    stack & 1 == 1
}

fn compare<T: Ord>(how: Compare, a: T, b: T) -> bool {
    match how {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
        Compare::Bits => false,
    }
}

/// The number and whether it is a signed one; nothing for what is none.
fn number(occasion: &Occasion<'_>, of: Operand) -> Option<(i64, bool)> {
    match of {
        Operand::Source(source) => {
            let signed = match source {
                Source::RecordInt { signed, .. } | Source::Word { signed, .. } => signed,
                _ => true,
            };
            match occasion.value(source) {
                FieldValue::Int(value) => Some((value, signed)),
                FieldValue::Bool(value) => Some((value as i64, signed)),
                FieldValue::Nil | FieldValue::Str(_) => None,
            }
        }
        Operand::Tid => Some((occasion.tid_now() as i32 as i64, true)),
        Operand::Cpu => Some((occasion.cpu_now() as i32 as i64, true)),
        Operand::Comm => None,
    }
}

/// Tests the text; false for what has none.
fn with_text(occasion: &Occasion<'_>, of: Operand, test: impl FnOnce(&[u8]) -> bool) -> bool {
    match of {
        Operand::Source(source) => match occasion.value(source) {
            FieldValue::Str(bytes) => test(bytes),
            _ => false,
        },
        Operand::Comm => {
            let mut name = [0; COMM_LEN];
            test(occasion.comm_now(&mut name))
        }
        Operand::Tid | Operand::Cpu => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event whose only word is this.
    fn event(word: u64) -> KpEvent {
        // SAFETY: numbers, and pointers that may be null.
        let mut event: KpEvent = unsafe { core::mem::zeroed() };
        (event.words[0], event.words_len, event.tid) = (word, 1, word as u32);
        event
    }

    #[test]
    fn a_quick_filter_means_what_the_whole_one_does() {
        const EDGES: [u64; 18] = [
            0,
            1,
            2,
            127,
            128,
            255,
            256,
            (1 << 31) - 1,
            1 << 31,
            (1 << 32) - 1,
            1 << 32,
            (1 << 63) - 1,
            1 << 63,
            (1 << 63) + 1,
            u64::MAX,
            u64::MAX - 1,
            u64::MAX - 127,
            u64::MAX - 128,
        ];
        let mut taken = 0;
        for size in [Size::One, Size::Two, Size::Four, Size::Eight] {
            for signed in [false, true] {
                for how in [
                    Compare::Eq,
                    Compare::Ne,
                    Compare::Lt,
                    Compare::Le,
                    Compare::Gt,
                    Compare::Ge,
                    Compare::Bits,
                ] {
                    for value in EDGES {
                        let source = Source::Word { index: 0, size, signed };
                        let test = Test::Number {
                            of: Operand::Source(source),
                            how,
                            value,
                        };
                        let Some(quick) = Quick::of(&[test]) else { continue };
                        taken += 1;
                        for word in EDGES {
                            let number = size.cut(word, signed);
                            let whole = match signed {
                                true => compare(how, number, value as i64),
                                false => compare(how, number as u64, value),
                            };
                            assert_eq!(
                                quick.passes(&event(word)),
                                whole,
                                "{size:?} {signed} {number} {how:?} {value}"
                            );
                        }
                        // What the event has not passes no test.
                        assert!(!quick.passes(&KpEvent {
                            words_len: 0,
                            ..event(value)
                        }));
                    }
                }
            }
        }
        assert!(taken > 500, "{taken} filters were quick");
        let test = Test::Number {
            of: Operand::Tid,
            how: Compare::Ge,
            value: 7,
        };
        let quick = Quick::of(&[test]).expect("a quick one");
        assert!(quick.passes(&event(7)) && !quick.passes(&event(6)));
        assert_eq!(Quick::of(&[test, Test::Not]), None);
        assert_eq!(Quick::of(&[]), None);
    }
}
