//! Static marks of programs and libraries: `sdt:/PATH:MARK`.
//!
//! In: a definition. Out: [`ProbePoint::Sdt`]. Invariant: the path is absolute, for it is the board's.

use ktap_bytecode::probe::ProbePoint;

use super::split::Definition;
use super::{EventDefError, filter_of, is_glob};

/// Reads what follows `sdt:`.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    match text.trim().rsplit_once(':') {
        Some((path, mark)) if path.starts_with('/') && is_glob(mark) => Ok(ProbePoint::Sdt {
            path: path.into(),
            mark: mark.into(),
            args: Vec::new(),
            filter: filter_of(definition),
            bound: None,
        }),
        _ => Err(EventDefError::new(definition, "no mark is named").help("a static mark is sdt:/PATH:MARK")),
    }
}
