//! Source text and places in it.
//!
//! In: bytes of a script. Out: [`Source`], [`Span`]. Invariant: spans are byte offsets into the text they came with.

/// A stretch of the source: byte offsets, the end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span.
    pub const fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Returns the span from the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A script: its name and its text. Bytes that are no UTF-8 are kept in strings and identifiers by the lexer, so the text is bytes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path, `(command line)` for `-e`, `(stdin)` for `-`.
    pub name: String,
    /// The text.
    pub text: Vec<u8>,
}

impl Source {
    /// Makes a source.
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
        }
    }

    /// Returns line and column of an offset, both from 1; the column counts bytes.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let upto = &self.text[..(offset as usize).min(self.text.len())];
        let line = upto.iter().filter(|&&b| b == b'\n').count() as u32 + 1;
        let column = upto.iter().rev().take_while(|&&b| b != b'\n').count() as u32 + 1;
        (line, column)
    }
}
