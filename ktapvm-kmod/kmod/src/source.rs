//! Where a field reference finds its value, checked.
//!
//! In: the device's sources. Out: [`Source`] and the bytes of records. Invariant: a source that lies outside an event's record is nil.

use ktap_device::attach::{self, SourceKind};
use ktap_vm::host::FieldValue;

/// Bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Size {
    One = 1,
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Size {
    pub(crate) fn of(bytes: u16) -> Option<Size> {
        match bytes {
            1 => Some(Size::One),
            2 => Some(Size::Two),
            4 => Some(Size::Four),
            8 => Some(Size::Eight),
            _ => None,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        self as u8 as usize
    }

    /// The number of this size in the low bits of a word.
    pub(crate) fn cut(self, word: u64, signed: bool) -> i64 {
        match (self, signed) {
            (Size::One, false) => word as u8 as i64,
            (Size::One, true) => word as i8 as i64,
            (Size::Two, false) => word as u16 as i64,
            (Size::Two, true) => word as i16 as i64,
            (Size::Four, false) => word as u32 as i64,
            (Size::Four, true) => word as i32 as i64,
            (Size::Eight, _) => word as i64,
        }
    }
}

/// A piece of the probe's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

impl Span {
    /// A span that lies inside a text of so many bytes.
    pub(crate) fn inside(at: u64, len: u64, text: usize) -> Option<Span> {
        if at.checked_add(len)? > text as u64 {
            return None;
        }
        Some(Span {
            at: at as u32,
            len: len as u32,
        })
    }

    /// As tests and fetches write it: offset in the low half, length in the high.
    pub(crate) fn packed(value: u64, text: usize) -> Option<Span> {
        Span::inside(value & 0xffff_ffff, value >> 32, text)
    }

    /// Its bytes.
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        let end = (self.at as usize).wrapping_add(self.len as usize);
        text.get(self.at as usize..end).unwrap_or_default()
    }
}

/// A source, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Nil,
    Bool(bool),
    Int(i64),
    RecordInt { at: u32, size: Size, signed: bool },
    RecordChars { at: u32, len: u32 },
    RecordLocated { at: u32, base: u32 },
    Text(Span),
    Word { index: u8, size: Size, signed: bool },
    Registers,
}

impl Source {
    /// Checks a source; nothing if it is none. `words` says that this event's record is made of its words, from byte 8 on: then a number is
    /// taken from them, and no record made for it.
    pub(crate) fn check(raw: &attach::Source, text: usize, words: bool) -> Option<Source> {
        let kind = SourceKind::from_number(raw.kind)?;
        let small = |number: u64| u32::try_from(number).ok();
        Some(match kind {
            SourceKind::Nil => Source::Nil,
            SourceKind::Bool => Source::Bool(raw.b != 0),
            SourceKind::Int => Source::Int(raw.b as i64),
            SourceKind::RecordInt => {
                let size = Size::of(raw.size)?;
                let signed = raw.b == 1;
                match raw.a.checked_sub(8) {
                    Some(behind) if words && behind.is_multiple_of(8) && behind < 64 => Source::Word {
                        index: (behind >> 3) as u8,
                        size,
                        signed,
                    },
                    _ => Source::RecordInt {
                        at: raw.a,
                        size,
                        signed,
                    },
                }
            }
            SourceKind::RecordChars => Source::RecordChars {
                at: raw.a,
                len: small(raw.b)?,
            },
            SourceKind::RecordLocated => Source::RecordLocated {
                at: raw.a,
                base: small(raw.b)?,
            },
            SourceKind::Text => Source::Text(Span::inside(raw.a as u64, raw.b, text)?),
            SourceKind::Word => Source::Word {
                index: u8::try_from(raw.a).ok()?,
                size: if raw.size == 0 {
                    Size::Eight
                } else {
                    Size::of(raw.size)?
                },
                signed: raw.b == 1,
            },
            SourceKind::Registers => Source::Registers,
        })
    }

    /// True if the event's words are looked at.
    pub(crate) fn is_word(self) -> bool {
        matches!(self, Source::Word { .. })
    }

    /// True if the event's record is looked at.
    pub(crate) fn is_record(self) -> bool {
        matches!(
            self,
            Source::RecordInt { .. } | Source::RecordChars { .. } | Source::RecordLocated { .. }
        )
    }
}

/// The number at a place of a record.
pub(crate) fn number(record: &[u8], at: u32, size: Size, signed: bool) -> Option<i64> {
    let at = at as usize;
    let bytes = record.get(at..at.checked_add(size.bytes())?)?;
    let word = match *bytes {
        [a] => a as u64,
        [a, b] => u16::from_ne_bytes([a, b]) as u64,
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]) as u64,
        [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    };
    Some(size.cut(word, signed))
}

/// The characters at a place of a record, up to a NUL.
pub(crate) fn chars(record: &[u8], at: u32, len: u32) -> FieldValue<'_> {
    let end = (at as usize).saturating_add(len as usize).min(record.len());
    match record.get(at as usize..end) {
        Some(bytes) => FieldValue::Str(up_to_nul(bytes)),
        None => FieldValue::Nil,
    }
}

/// The characters where the word at a place says.
pub(crate) fn located(record: &[u8], at: u32, base: u32) -> FieldValue<'_> {
    match number(record, at, Size::Four, false) {
        Some(word) => chars(record, (word as u32 & 0xffff).saturating_add(base), word as u32 >> 16),
        None => FieldValue::Nil,
    }
}

fn up_to_nul(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.get(..len).unwrap_or_default()
}
