//! Tracepoints: `SYSTEM:EVENT`, and ktap 0.1's `tp:`.
//!
//! In: a definition. Out: [`ProbePoint::Tracepoint`]. Invariant: an empty part means every.

use ktap_bytecode::probe::ProbePoint;

use super::split::Definition;
use super::{EventDefError, filter_of, is_glob};

/// Reads `SYSTEM:EVENT`; `SYSTEM:` is every event of the system.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    let (system, event) = text.split_once(':').unwrap_or((text, ""));
    point(definition, system, event)
}

/// Reads what follows `tp:` or `tracepoint:`: nothing for all, a pair, or one word that names a system or an event.
pub(super) fn parse_prefixed(definition: &Definition<'_>, text: &str) -> Result<Vec<ProbePoint>, EventDefError> {
    match text.trim() {
        "" | "*" => Ok(vec![point(definition, "", "")?]),
        pair if pair.contains(':') => Ok(vec![parse(definition, pair)?]),
        word => Ok(vec![point(definition, word, "")?, point(definition, "", word)?]),
    }
}

fn point(definition: &Definition<'_>, system: &str, event: &str) -> Result<ProbePoint, EventDefError> {
    let part = |text: &str| {
        let text = if text.trim().is_empty() { "*" } else { text.trim() };
        if !is_glob(text) {
            return Err(EventDefError::new(definition, format!("'{text}' is no name"))
                .help("a tracepoint is SYSTEM:EVENT; both may be globs with * ? [a-z] [!x]"));
        }
        Ok(text.to_string())
    };
    Ok(ProbePoint::Tracepoint {
        system: part(system)?,
        event: part(event)?,
        filter: filter_of(definition),
    })
}
