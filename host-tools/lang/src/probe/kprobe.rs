//! Kernel functions: `probe:[MODULE:]FUNC[+OFF][%return] [fetch-args]`, and ktap 0.1's `kprobe:FUNC!`.
//!
//! In: a definition. Out: [`ProbePoint::Kprobe`]. Invariant: a return probe stands at no offset.

use ktap_bytecode::probe::ProbePoint;

use super::fetch::{self, Place};
use super::split::Definition;
use super::{EventDefError, filter_of, is_glob, number};
use crate::diagnostic::Code;

/// A probed place: its name, the bytes behind it, and whether its return is meant.
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) offset: u64,
    pub(super) ret: bool,
}

/// Reads `NAME[+OFF][%return]` or `NAME!`.
pub(super) fn target<'a>(definition: &Definition<'_>, word: &'a str) -> Result<Target<'a>, EventDefError> {
    let (place, ret) = match (word.split_once('%'), word.strip_suffix('!')) {
        (Some((place, "return")), _) => (place, true),
        (Some((_, other)), _) => {
            return Err(EventDefError::new(definition, format!("'%{other}' is unknown here"))
                .help("a return probe is FUNC%return"));
        }
        (None, Some(place)) => (place, true),
        (None, None) => (word, false),
    };
    let (name, offset) = match place.split_once('+') {
        None => (place, 0),
        Some((name, offset)) => {
            let bytes =
                number(offset).ok_or_else(|| EventDefError::new(definition, format!("'{offset}' is no offset")))?;
            (name, bytes)
        }
    };
    Ok(Target { name, offset, ret })
}

/// Reads what follows `probe:` or `kprobe:`.
pub(super) fn parse(definition: &Definition<'_>, text: &str) -> Result<ProbePoint, EventDefError> {
    let text = text.trim();
    let (word, args) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let (module, function) = match word.split_once(':') {
        Some((file, line)) if file.ends_with(".c") || file.ends_with(".h") => {
            let mut error = EventDefError::new(definition, "probing by source line is not supported yet");
            error.code = Code::NotLowered;
            return Err(error.help(format!("name the function line {line} is in")));
        }
        Some((module, function)) => (Some(module.to_string()), function),
        None => (None, word),
    };
    let target = target(definition, function)?;
    let module_is_name = module.as_deref().is_none_or(is_glob);
    if !is_glob(target.name) || !module_is_name {
        return Err(EventDefError::new(definition, "no function is named")
            .help("a kernel probe is probe:FUNC, probe:FUNC%return or probe:MODULE:FUNC"));
    }
    if target.ret && target.offset != 0 {
        return Err(EventDefError::new(definition, "a return probe takes no offset"));
    }
    let place = Place {
        user: false,
        ret: target.ret,
    };
    Ok(ProbePoint::Kprobe {
        function: target.name.into(),
        module,
        offset: target.offset,
        ret: target.ret,
        args: fetch::parse(definition, args, place)?,
        filter: filter_of(definition),
    })
}
