//! Functions of programs and libraries: `probe:/PATH:SYM[+OFF][%return] [fetch-args]`, `probe:/PATH:0xOFF`.
//!
//! In: a definition. Out: [`ProbePoint::Uprobe`]. Invariant: the path is absolute, for it is the board's.

use ktap_bytecode::probe::ProbePoint;

use super::fetch::{self, Place};
use super::kprobe::target;
use super::split::Definition;
use super::{EventDefError, filter_of, is_glob, number};

/// Reads what follows `probe:` where a path begins.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    let text = text.trim();
    let (word, args) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let Some((path, place)) = word.rsplit_once(':') else {
        return Err(EventDefError::new(definition, "no symbol is named")
            .help("a user probe is probe:/PATH:SYM or probe:/PATH:0xOFFSET"));
    };
    let target = target(definition, place)?;
    let (symbol, offset) = match number(target.name) {
        Some(address) => {
            let offset = address.checked_add(target.offset);
            (
                "",
                offset.ok_or_else(|| EventDefError::new(definition, "the offset is too large"))?,
            )
        }
        None => (target.name, target.offset),
    };
    // Symbols of other languages hold more than letters; blanks and colons cannot be meant.
    if symbol.is_empty() && offset == 0 && !is_glob(target.name) {
        return Err(EventDefError::new(definition, "no symbol is named")
            .help("a user probe is probe:/PATH:SYM or probe:/PATH:0xOFFSET"));
    }
    let place = Place {
        user: true,
        ret: target.ret,
    };
    Ok(ProbePoint::Uprobe {
        path: path.into(),
        symbol: symbol.into(),
        offset,
        ret: target.ret,
        args: fetch::parse(definition, args, place)?,
        filter: filter_of(definition),
        bound: None,
    })
}
