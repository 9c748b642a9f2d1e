//! A place in the text that only moves forward.
//!
//! In: bytes. Out: [`Cursor`]. Invariant: the position never passes the end.

pub(super) struct Cursor<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Cursor<'a> {
        Cursor { text, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.position..]
    }

    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.text[start.min(self.position)..self.position]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.position + ahead).copied()
    }

    /// Returns the byte just before the position.
    pub(super) fn before(&self) -> Option<u8> {
        self.position.checked_sub(1).map(|at| self.text[at])
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.position = (self.position + count).min(self.text.len());
    }

    pub(super) fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.position += 1;
        }
    }

    /// Skips to the end of the line, leaving the line break.
    pub(super) fn skip_line(&mut self) {
        self.skip_while(|b| b != b'\n');
    }
}

/// Returns true for letters, `_` and every byte from 0x80, as ktap's own table had it.
pub(super) fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// Returns true for what may follow the first byte of a name.
pub(super) fn is_name_byte(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit()
}

/// Returns true for blanks inside a line.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}
