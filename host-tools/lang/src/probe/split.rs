//! A list of definitions cut at its commas, each with its filter.
//!
//! In: an EVENTDEF's text. Out: [`Definition`]s. Invariant: commas and slashes in quotes or inside a filter cut nothing.

use super::EventDefError;
use crate::diagnostic::Code;

/// One definition of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Definition<'a> {
    /// The definition without its filter, trimmed.
    pub(super) text: &'a str,
    /// Where it begins in the whole text.
    pub(super) start: usize,
    /// The filter without its slashes, trimmed.
    pub(super) filter: Option<&'a str>,
}

/// Cuts a list; at least one definition, none empty.
pub(super) fn split(text: &str) -> Result<Vec<Definition<'_>>, EventDefError> {
    let mut definitions = Vec::new();
    let mut at = 0;
    loop {
        let (definition, end) = one(text, at)?;
        definitions.push(definition);
        if end >= text.len() {
            break;
        }
        at = end + 1;
    }
    if let [rest @ .., last] = definitions.as_mut_slice() {
        // ktap knew one filter, at the end of the list and for all of it.
        if rest.iter().all(|definition| definition.filter.is_none()) {
            let filter = last.filter;
            rest.iter_mut().for_each(|definition| definition.filter = filter);
        }
    }
    Ok(definitions)
}

/// Reads the definition that begins at `from`; returns where its comma is, or the end.
fn one(text: &str, from: usize) -> Result<(Definition<'_>, usize), EventDefError> {
    let bytes = text.as_bytes();
    let lead = bytes[from..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let start = from + lead;
    // A `/` inside a word belongs to a path, an address or a fetch-arg; in a tracepoint's name it can only open a filter.
    let words = [
        "probe", "kprobe", "kprobes", "uprobe", "uprobes", "sdt", "stapsdt", "mem",
    ];
    let prefix = text[start..].split([':', '/']).next().unwrap_or_default().trim_end();
    let glued = !words.contains(&prefix);
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let after_blank = at > start && bytes[at - 1].is_ascii_whitespace();
        match byte {
            b',' => break,
            b'"' => at = quoted_end(bytes, at),
            b'/' if after_blank && at > path_start(bytes, start) || glued => break,
            _ => at += 1,
        }
    }
    let definition = text[start..at.max(start)].trim_end();
    let error = |start: usize, end: usize, label: &str| EventDefError {
        code: Code::BadEventDef,
        start,
        end,
        label: label.into(),
        help: Vec::new(),
    };
    if definition.is_empty() {
        return Err(
            error(start.min(text.len()), at, "a definition is missing here").help("a tracepoint is SYSTEM:EVENT")
        );
    }
    if bytes.get(at) != Some(&b'/') {
        return Ok((
            Definition {
                text: definition,
                start,
                filter: None,
            },
            at,
        ));
    }
    let Some(close) = filter_end(bytes, at + 1) else {
        return Err(error(at, text.len(), "the filter has no closing /")
            .help("a filter is the last part of its definition: SYSTEM:EVENT /field == 1/"));
    };
    let filter = text[at + 1..close].trim();
    if filter.is_empty() {
        return Err(error(at, close + 1, "the filter is empty"));
    }
    let blanks = bytes[close + 1..]
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count();
    Ok((
        Definition {
            text: definition,
            start,
            filter: Some(filter),
        },
        close + 1 + blanks,
    ))
}

/// Returns where the word behind the prefix begins: a blank may stand after the colon of `probe: /PATH`.
fn path_start(bytes: &[u8], start: usize) -> usize {
    let Some(colon) = bytes[start..].iter().position(|&b| b == b':') else {
        return start;
    };
    let after = start + colon + 1;
    after + bytes[after..].iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Returns the place behind a quoted text, or just behind the quote if nothing closes it.
fn quoted_end(bytes: &[u8], quote: usize) -> usize {
    let close = bytes[quote + 1..].iter().position(|&b| b == bytes[quote]);
    close.map_or(quote + 1, |close| quote + close + 2)
}

/// Returns the place of the `/` that ends a filter: the first outside quotes that a comma or the end follows.
fn filter_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => at = quoted_end(bytes, at),
            b'/' if matches!(
                bytes[at + 1..].iter().find(|b| !b.is_ascii_whitespace()),
                None | Some(b',')
            ) =>
            {
                return Some(at);
            }
            _ => at += 1,
        }
    }
    None
}
