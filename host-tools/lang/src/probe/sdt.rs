//! Static marks of programs and libraries: `sdt:/PATH:MARK`, `sdt:/PATH:PROVIDER:MARK`.
//!
//! In: a definition. Out: [`ProbePoint::Sdt`]. Invariant: the path is absolute, for it is the board's.

use ktap_bytecode::probe::ProbePoint;

use super::split::Definition;
use super::{EventDefError, filter_of, is_glob};

/// Reads what follows `sdt:`.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    let is_mark = |mark: &str| match mark.split_once(':') {
        Some((provider, mark)) => is_glob(provider) && is_glob(mark),
        None => is_glob(mark),
    };
    match text.trim().split_once(':') {
        Some((path, mark)) if path.starts_with('/') && is_mark(mark) => Ok(ProbePoint::Sdt {
            path: path.into(),
            mark: mark.into(),
            args: Vec::new(),
            filter: filter_of(definition),
            bound: None,
        }),
        _ => Err(EventDefError::new(definition, "no mark is named").help("a static mark is sdt:/PATH:MARK")),
    }
}
