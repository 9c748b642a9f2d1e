//! Fetch-args: the kernel's grammar for what a probe takes along, `NAME=+8(%di):string`.
//!
//! In: the text behind a probe's place. Out: [`FetchArg`]s. Invariant: what is read here and printed by its `Display` reads back the same;
//! registers and symbols are names, looked up on the board.

use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchDeref, FetchType, MAX_DEREFS, MAX_FETCH_ARGS};

use super::fetch_type;
use super::split::Definition;
use super::{EventDefError, number};
use crate::diagnostic::Code;

/// What kind of probe takes it along: not every base is everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In a program or library, not the kernel.
    pub(super) user: bool,
    /// When the function returns.
    pub(super) ret: bool,
}

/// Names the kernel gives fields of its own.
const TAKEN: &[&str] = &[
    "common_type",
    "common_flags",
    "common_preempt_count",
    "common_pid",
    "__probe_ip",
    "__probe_func",
    "__probe_ret_ip",
];

/// Arguments that can be in registers, on any processor.
const MAX_ARGUMENT: u64 = 8;

/// Reads the fetch-args of a definition; `text` is a part of the definition's own.
pub(super) fn parse(definition: &Definition<'_>, text: &str, place: Place) -> Result<Vec<FetchArg>, EventDefError> {
    let mut args: Vec<FetchArg> = Vec::new();
    for word in words(text) {
        let reader = Reader { definition, place };
        if args.len() == MAX_FETCH_ARGS {
            return Err(reader.error(word, format!("a probe takes at most {MAX_FETCH_ARGS} fetch-args")));
        }
        let arg = reader.arg(word, args.len() + 1)?;
        if args.iter().any(|other| other.name == arg.name) {
            return Err(reader.error(word, format!("the name '{}' is used twice", arg.name)));
        }
        args.push(arg);
    }
    Ok(args)
}

/// Cuts at blanks outside of `\"text"`.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        if c.is_ascii_whitespace() && !quoted {
            words.extend(start.take().map(|start| &text[start..at]));
            continue;
        }
        if c == '"' {
            quoted = !quoted;
        }
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

struct Reader<'a> {
    definition: &'a Definition<'a>,
    place: Place,
}

impl Reader<'_> {
    /// An error whose place is `part`, a part of the definition's text.
    fn error(&self, part: &str, label: impl Into<String>) -> EventDefError {
        let text = self.definition.text;
        let from = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let from = from.min(text.len());
        EventDefError {
            code: Code::BadFetchArg,
            start: self.definition.start + from,
            end: self.definition.start + (from + part.len()).min(text.len()),
            label: label.into(),
            help: Vec::new(),
        }
    }

    /// `[NAME=]FETCH[:TYPE]`.
    fn arg(&self, word: &str, position: usize) -> Result<FetchArg, EventDefError> {
        let (name, rest) = match word.split_once('=') {
            // A text may hold the sign.
            Some((before, _)) if before.starts_with('\\') => (None, word),
            Some((name, rest)) => (Some(name), rest),
            None => (None, word),
        };
        if let Some(name) = name {
            if !is_name(name) {
                return Err(self
                    .error(name_or(name, word), format!("'{name}' is no name"))
                    .help("letters, digits and _"));
            }
            if TAKEN.contains(&name) {
                return Err(self.error(name, format!("'{name}' is a field of every event")));
            }
        }
        let (fetch, kind) = self.cut_type(rest);
        let mut derefs = Vec::new();
        let base = self.fetch(name_or(fetch, word), fetch, &mut derefs)?;
        derefs.reverse();
        let text = matches!(base, FetchBase::Comm | FetchBase::Text(_)) && derefs.is_empty();
        let (kind, count) = match kind {
            Some(kind) => fetch_type::parse(kind).map_err(|wrong| {
                let error = self.error(name_or(kind, word), wrong.label);
                wrong.help.into_iter().fold(error, EventDefError::help)
            })?,
            None if text => (FetchType::String, 0),
            None => (FetchType::Hex(8), 0),
        };
        let arg = FetchArg {
            name: name.map_or_else(|| format!("arg{position}"), str::to_string),
            base,
            derefs,
            kind,
            count,
        };
        self.fits(&arg, word, text)?;
        Ok(arg)
    }

    /// Cuts off the type: behind the last `:` that is in no text.
    fn cut_type<'a>(&self, text: &'a str) -> (&'a str, Option<&'a str>) {
        let after_text = text.rfind('"').map_or(0, |quote| quote + 1);
        match text[after_text..].find(':') {
            Some(colon) => (&text[..after_text + colon], Some(&text[after_text + colon + 1..])),
            None => (text, None),
        }
    }

    /// Reads dereferences from the outside in, and the base. `shown` is what an error points at when `text` is empty.
    fn fetch(&self, shown: &str, text: &str, derefs: &mut Vec<FetchDeref>) -> Result<FetchBase, EventDefError> {
        let mut text = text;
        while let Some(sign) = text.chars().next().filter(|c| matches!(c, '+' | '-')) {
            let Some((offset, inner)) = text[1..].split_once('(') else {
                return Err(self
                    .error(text, "a dereference has its address in parentheses")
                    .help("write +8(%di) or -8(%bp)"));
            };
            let Some(inner) = inner.strip_suffix(')') else {
                return Err(self.error(text, "the ) is missing"));
            };
            let (user, digits) = match offset.strip_prefix('u') {
                Some(digits) => (true, digits),
                None => (false, offset),
            };
            let value = number(digits)
                .and_then(|value| signed(sign == '-', value))
                .ok_or_else(|| self.error(name_or(offset, text), format!("'{digits}' is no offset")))?;
            if derefs.len() == MAX_DEREFS {
                return Err(self.error(text, format!("more than {MAX_DEREFS} dereferences in one another")));
            }
            derefs.push(FetchDeref { offset: value, user });
            text = inner;
        }
        self.base(name_or(text, shown), text)
    }

    fn base(&self, shown: &str, text: &str) -> Result<FetchBase, EventDefError> {
        let unknown = |label: String| {
            Err(self.error(shown, label).help(
                "a fetch-arg is %REG, $stack, $stackN, $argN, $retval, $comm, @ADDR, @SYM+OFF, \\NUMBER or +OFF(FETCH)",
            ))
        };
        let mut letters = text.chars();
        match letters.next() {
            Some('%') if is_name(letters.as_str()) => Ok(FetchBase::Register(letters.as_str().into())),
            Some('%') => unknown(format!("'{text}' is no register")),
            Some('$') => self.variable(shown, letters.as_str()),
            Some('\\') => self.immediate(shown, letters.as_str()),
            Some('@') => self.memory(shown, letters.as_str()),
            None => unknown("there is nothing to fetch".into()),
            Some(_) => unknown(format!("'{text}' is nothing to fetch")),
        }
    }

    /// `$stack`, `$stackN`, `$retval`, `$argN`, `$comm`.
    fn variable(&self, shown: &str, name: &str) -> Result<FetchBase, EventDefError> {
        let numbered = |prefix: &str| name.strip_prefix(prefix).and_then(number);
        match name {
            "stack" => return Ok(FetchBase::Stack),
            "comm" | "COMM" => return Ok(FetchBase::Comm),
            "retval" if self.place.ret => return Ok(FetchBase::Retval),
            "retval" => {
                return Err(self
                    .error(shown, "only a return probe has a return value")
                    .help("write FUNC%return"));
            }
            _ => {}
        }
        if let Some(slot) = numbered("stack").and_then(|slot| u16::try_from(slot).ok()) {
            return Ok(FetchBase::StackSlot(slot));
        }
        match numbered("arg") {
            Some(_) if self.place.ret => Err(self
                .error(shown, "a return probe has no arguments any more")
                .help("keep them at the entry, in a table by tid")),
            Some(number @ 1..=MAX_ARGUMENT) => Ok(FetchBase::Argument(number as u8)),
            Some(_) => Err(self.error(shown, format!("arguments are $arg1 .. $arg{MAX_ARGUMENT}"))),
            None => Err(self
                .error(shown, format!("'${name}' is unknown"))
                .help("$stack, $stackN, $argN, $retval and $comm are known")),
        }
    }

    /// `\42`, `\-1`, `\"text"`.
    fn immediate(&self, shown: &str, text: &str) -> Result<FetchBase, EventDefError> {
        if let Some(rest) = text.strip_prefix('"') {
            return match rest.strip_suffix('"') {
                Some(text) if !text.contains('"') => Ok(FetchBase::Text(text.into())),
                _ => Err(self.error(shown, "the text is not closed")),
            };
        }
        let value = match text.strip_prefix('-') {
            Some(digits) => number(digits).and_then(|value| signed(true, value)),
            // What is above the largest number is an address.
            None => number(text).map(u64::cast_signed),
        };
        value.map(FetchBase::Immediate).ok_or_else(|| {
            self.error(shown, format!("'{text}' is no number"))
                .help("\\42 or \\\"text\"")
        })
    }

    /// `@ADDR`, `@SYM`, `@SYM+8`, `@+FILEOFF`.
    fn memory(&self, shown: &str, text: &str) -> Result<FetchBase, EventDefError> {
        if let Some(offset) = text.strip_prefix('+') {
            return match number(offset) {
                Some(offset) if self.place.user => Ok(FetchBase::FileOffset(offset)),
                Some(_) => Err(self.error(shown, "only a program's or library's probe has a file")),
                None => Err(self.error(shown, format!("'{offset}' is no offset"))),
            };
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match number(text) {
                Some(address) => Ok(FetchBase::Address(address)),
                None => Err(self.error(shown, format!("'{text}' is no address"))),
            };
        }
        let at = text.find(['+', '-']).unwrap_or(text.len());
        let (name, offset) = text.split_at(at);
        if !is_symbol(name) {
            return Err(self.error(shown, format!("'{name}' is no symbol")));
        }
        if self.place.user {
            return Err(self
                .error(shown, "symbols of the kernel are no part of a program")
                .help("@+OFFSET is a place of the program's file"));
        }
        let offset = match offset.chars().next() {
            None => Some(0),
            Some(sign) => number(&offset[1..]).and_then(|value| signed(sign == '-', value)),
        };
        match offset {
            Some(offset) => Ok(FetchBase::Symbol {
                name: name.into(),
                offset,
            }),
            None => Err(self.error(shown, format!("'{}' is no offset", &text[at..]))),
        }
    }

    /// Strings and arrays are read from memory; texts are nothing but texts.
    fn fits(&self, arg: &FetchArg, word: &str, text: bool) -> Result<(), EventDefError> {
        let string = matches!(arg.kind, FetchType::String | FetchType::UserString);
        if text {
            return match string && arg.count == 0 {
                true => Ok(()),
                false => Err(self.error(word, "this is a text: its type is string")),
            };
        }
        let memory = !arg.derefs.is_empty()
            || matches!(
                arg.base,
                FetchBase::Address(_) | FetchBase::Symbol { .. } | FetchBase::FileOffset(_)
            );
        if matches!(arg.base, FetchBase::Comm | FetchBase::Text(_)) {
            return Err(self.error(word, "a text is no address"));
        }
        if memory || !(string || arg.count > 0) {
            return Ok(());
        }
        let what = if string { "a string" } else { "an array" };
        Err(self
            .error(word, format!("{what} is read from memory, and this is a value"))
            .help(format!("write +0({}) if it points there", arg.base)))
    }
}

/// `part`, or what stands around it when there is nothing to point at.
fn name_or<'a>(part: &'a str, whole: &'a str) -> &'a str {
    if part.is_empty() { whole } else { part }
}

fn signed(negative: bool, value: u64) -> Option<i64> {
    match negative {
        true => 0i64.checked_sub_unsigned(value),
        false => i64::try_from(value).ok(),
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit()) && is_symbol(text) && !text.contains(['.', '$'])
}

fn is_symbol(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.$".contains(c))
}
