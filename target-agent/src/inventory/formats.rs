//! Formats of probes that the kernel has no `format` file of, made here.
//!
//! In: what a probe takes along. Out: an id and a format; later its text, when the host asks. Invariant: ids are of a range that no event of the kernel
//! reaches, and stay until the next program is loaded, for the host may ask after the end of one.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::format::Format;
use crate::engine::kmod::fetch::Fetched;

/// The first id. The kernel counts its events up from 20, to a few thousand.
const FIRST: u16 = 0xc000;

/// The formats of one program.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    texts: RefCell<Vec<String>>,
}

impl Formats {
    /// Forgets all.
    pub fn clear(&self) {
        self.texts.borrow_mut().clear();
    }

    /// Makes a format; when there are no ids left the last one serves all that follow.
    pub fn add(&self, fetched: &Fetched, name: &str) -> (u16, Option<Format>) {
        let mut texts = self.texts.borrow_mut();
        let id = FIRST.saturating_add(texts.len().min(u16::MAX as usize) as u16);
        let text = fetched.format(name, id);
        let format = Format::parse(&text);
        if texts.len() <= (u16::MAX - FIRST) as usize {
            texts.push(text);
        }
        (id, format)
    }

    /// Returns the text of a format made here.
    pub fn text(&self, id: u16) -> Option<Vec<u8>> {
        let at = id.checked_sub(FIRST)? as usize;
        self.texts.borrow().get(at).map(|text| text.clone().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kmod::fetch::Place;

    #[test]
    fn ids_and_texts() {
        let formats = Formats::default();
        let fetched = Fetched::new(Place::Inside);
        let (first, format) = formats.add(&fetched, "a");
        let (second, _) = formats.add(&fetched, "b");
        assert_eq!((second, format.map(|format| format.id)), (first + 1, Some(first)));
        assert!(
            formats
                .text(second)
                .is_some_and(|text| text.starts_with(b"name: b\nID: "))
        );
        assert_eq!((formats.text(second + 1), formats.text(5)), (None, None));
        formats.clear();
        assert_eq!(formats.text(first), None);
    }
}
