//! Static marks: the notes `.note.stapsdt` that `DTRACE_PROBE` and its kin leave in a file.
//!
//! In: note sections. Out: [`Mark`]s. Invariant: a note that is cut short or leads out of the file is left out.

use goblin::elf::Elf;

use super::sdt_args::{Context, MarkArg};
use super::segments::Segments;

/// Owner and type of the notes.
const OWNER: &[u8] = b"stapsdt";
const TYPE: u32 = 3;
/// The section whose address tells how far the file was moved after linking.
const BASE_SECTION: &str = ".stapsdt.base";

/// A static mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who defines it.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// Byte of the file where it is.
    pub offset: u64,
    /// Byte of the file of its reference counter (its semaphore), 0 if it has none.
    pub ref_ctr: u64,
    /// Its arguments.
    pub args: Vec<MarkArg>,
}

pub(super) fn read(elf: &Elf<'_>, bytes: &[u8], segments: &Segments, context: &Context<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let word = if elf.is_64 { 8 } else { 4 };
    let big = !elf.little_endian;
    let base_address = elf
        .section_headers
        .iter()
        .find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(BASE_SECTION))
        .map(|section| section.sh_addr);
    let Some(notes) = elf.iter_note_sections(bytes, Some(".note.stapsdt")) else {
        return marks;
    };
    for note in notes {
        // The iterator does not get past what is broken.
        let Ok(note) = note else { break };
        if note.n_type != TYPE || note.name.trim_end_matches('\0').as_bytes() != OWNER {
            continue;
        }
        let number = |index: usize| number(note.desc.get(index * word..)?.get(..word)?, big);
        let mut texts = note
            .desc
            .get(3 * word..)
            .unwrap_or_default()
            .split(|&byte| byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned());
        let (Some(address), Some(base), Some(semaphore)) = (number(0), number(1), number(2)) else {
            continue;
        };
        let (Some(provider), Some(name), Some(args)) = (texts.next(), texts.next(), texts.next()) else {
            continue;
        };
        let moved = base_address.map_or(0, |now| now.wrapping_sub(base));
        let Some(offset) = segments.code_offset(address.wrapping_add(moved)) else {
            continue;
        };
        let ref_ctr = match semaphore {
            0 => Some(0),
            at => segments.data_offset(at.wrapping_add(moved)),
        };
        let Some(ref_ctr) = ref_ctr else { continue };
        marks.push(Mark {
            provider,
            name,
            offset,
            ref_ctr,
            args: context.read(&args),
        });
    }
    marks
}

fn number(bytes: &[u8], big: bool) -> Option<u64> {
    let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    Some(if big {
        bytes.iter().fold(0, fold)
    } else {
        bytes.iter().rev().fold(0, fold)
    })
}
