//! Pages of the kernel's ring buffer.
//!
//! In: what `trace_pipe_raw` gave, and `events/header_page`. Out: raw records with their times. Invariant: a page that does not end where
//! its header says is an error, so no record is skipped silently.

use ktap_symbols::abi::Abi;

/// The kernel's sub-buffers are pages of this size, whatever the size of the header.
const PAGE: usize = 4096;
/// Low bits of the commit word that are the number of bytes; the high ones tell of lost records. Source: kernel/trace/ring_buffer.c.
const COMMIT_BYTES: u64 = 0xf_ffff;
/// Kinds of entries, of 0 (a long record) to 28 (words of a short one). Source: `events/header_event`.
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;

/// One record of a ring buffer.
pub struct RawRecord<'a> {
    /// Nanoseconds of the board's trace clock.
    pub time: u64,
    /// Its bytes, which may have up to three of padding behind them.
    pub bytes: &'a [u8],
}

/// Takes pages apart.
///
/// # Errors
/// What is wrong with them, in words.
pub fn records<'a>(pages: &'a [u8], header_page: &str, abi: Abi) -> Result<Vec<RawRecord<'a>>, String> {
    let (commit_at, commit_size) = place(header_page, "commit")?;
    let (data_at, _) = place(header_page, "data")?;
    let mut records = Vec::new();
    for (index, page) in pages.chunks(PAGE).enumerate() {
        let cut = || format!("page {index} of the ring buffer does not end where it says");
        let commit = abi.read(page.get(commit_at..commit_at + commit_size).ok_or_else(cut)?);
        if commit & !COMMIT_BYTES != 0 {
            return Err(format!("records were lost before page {index} of the ring buffer"));
        }
        let data = page.get(data_at..data_at + commit as usize).ok_or_else(cut)?;
        take_page(data, abi.read(&page[..8]), abi, &mut records).ok_or_else(cut)?;
    }
    Ok(records)
}

fn take_page<'a>(mut data: &'a [u8], mut time: u64, abi: Abi, records: &mut Vec<RawRecord<'a>>) -> Option<()> {
    let word = |data: &[u8], at: usize| Some(abi.read(data.get(at..at + 4)?));
    while !data.is_empty() {
        let head = word(data, 0)? as u32;
        // The kernel's bit fields begin at the low end on little-endian machines only.
        let (kind, delta) = if abi.big_endian {
            (head >> 27, head & 0x7ff_ffff)
        } else {
            (head & 31, head >> 5)
        };
        let (start, end) = match kind {
            0 => (8, 4 + word(data, 4)? as usize),
            PADDING if delta == 0 => return Some(()),
            PADDING => (0, 4 + word(data, 4)? as usize),
            TIME_EXTEND | TIME_STAMP => (0, 8),
            words => (4, 4 + words as usize * 4),
        };
        match kind {
            TIME_EXTEND => time += u64::from(delta) + (word(data, 4)? << 27),
            // The five highest bits of a time are the page's.
            TIME_STAMP => time = time >> 59 << 59 | word(data, 4)? << 27 | u64::from(delta),
            _ => time += u64::from(delta),
        }
        if start > 0 {
            records.push(RawRecord {
                time,
                bytes: data.get(start..end)?,
            });
        }
        data = data.get(end.next_multiple_of(4)..)?;
    }
    Some(())
}

/// Returns offset and size of a field of the page's header.
fn place(header_page: &str, name: &str) -> Result<(usize, usize), String> {
    let missing = || format!("events/header_page has no field `{name}`");
    let line = header_page
        .lines()
        .find(|line| {
            line.split(';')
                .next()
                .is_some_and(|field| field.ends_with(&format!(" {name}")))
        })
        .ok_or_else(missing)?;
    let number = |key: &str| {
        line.split(';')
            .find_map(|part| part.trim().strip_prefix(key)?.parse().ok())
    };
    Ok((
        number("offset:").ok_or_else(missing)?,
        number("size:").ok_or_else(missing)?,
    ))
}
