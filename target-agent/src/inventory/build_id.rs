//! The running kernel's GNU build id.
//!
//! In: ELF notes as /sys/kernel/notes gives them. Out: the id's bytes. Invariant: notes of any shape are walked within their bytes.

use alloc::vec::Vec;

use crate::sys::file::read_file;

const NT_GNU_BUILD_ID: u32 = 3;

/// Returns the running kernel's build id, empty if it has none to show.
pub fn running() -> Vec<u8> {
    find(&read_file("/sys/kernel/notes", 65_536).unwrap_or_default())
        .unwrap_or_default()
        .to_vec()
}

fn find(mut notes: &[u8]) -> Option<&[u8]> {
    let aligned = |n: u32| (n as usize).checked_add(3).map(|n| n & !3);
    loop {
        let word = |at: usize| Some(u32::from_ne_bytes(notes.get(at..at + 4)?.try_into().ok()?));
        let (name_len, desc_len, kind) = (word(0)?, word(4)?, word(8)?);
        let desc_at = 12usize.checked_add(aligned(name_len)?)?;
        let name = notes.get(12..12usize.checked_add(name_len as usize)?)?;
        let desc = notes.get(desc_at..desc_at.checked_add(desc_len as usize)?)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(desc);
        }
        notes = notes.get(desc_at.checked_add(aligned(desc_len)?)?..)?;
    }
}

#[cfg(test)]
mod tests {
    fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [name.len() as u32, desc.len() as u32, kind] {
            out.extend(word.to_ne_bytes());
        }
        for part in [name, desc] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn found_behind_other_notes() {
        let mut notes = note(b"Xen\0", 3, b"abcde");
        notes.extend(note(b"GNU\0", 1, b"x"));
        notes.extend(note(b"GNU\0", 3, &[1, 2, 3]));
        assert_eq!(super::find(&notes), Some(&[1u8, 2, 3][..]));
        for cut in 0..notes.len() - 1 {
            assert_eq!(super::find(&notes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn huge_lengths() {
        assert_eq!(super::find(&[0xff; 64]), None);
    }
}
