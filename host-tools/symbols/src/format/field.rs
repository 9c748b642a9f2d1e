//! Fields of an event.
//!
//! In: the `field:` lines of a format, raw records. Out: [`Field`], [`FieldValue`]. Invariant: a field that reaches past its
//! record has no value.

use crate::abi::{Abi, IntType};

/// Where a field's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the field's offset.
    Fixed,
    /// Where the word there says: length and offset from the start of the record.
    DataLoc,
    /// Where the word there says: length and offset from the end of the word.
    RelLoc,
}

/// One field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type as the kernel wrote it, an array's length included.
    pub type_name: String,
    /// Bytes from the start of the record.
    pub offset: usize,
    /// Bytes of the field itself; 4 for a dynamic one.
    pub size: usize,
    /// True if its numbers have a sign.
    pub signed: bool,
    /// True for the fields every event has, which scripts do not count.
    pub common: bool,
    /// Where its bytes are.
    pub place: Place,
    /// The type of an array's elements; nothing for what is no array.
    pub element: Option<IntType>,
}

/// What a field holds in one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A number with a sign.
    Int(i64),
    /// A number without.
    Uint(u64),
    /// Characters, up to the first NUL.
    Text(&'a [u8]),
    /// An array of numbers; with a sign where that is in their type.
    Array(Vec<FieldValue<'a>>),
    /// Bytes of an unknown shape.
    Bytes(&'a [u8]),
}

impl Field {
    /// Reads a `field:TYPE NAME; offset:N; size:N; signed:N;` line.
    pub(super) fn parse(line: &str, common: bool, abi: Abi) -> Option<Field> {
        let mut parts = line.split(';').map(str::trim);
        let declaration = parts.next()?.strip_prefix("field:")?.trim();
        let mut offset = None;
        let mut size = None;
        let mut signed = false;
        for part in parts {
            match part.split_once(':') {
                Some(("offset", n)) => offset = n.trim().parse().ok(),
                Some(("size", n)) => size = n.trim().parse().ok(),
                Some(("signed", n)) => signed = n.trim() != "0",
                _ => {}
            }
        }
        let (size, offset) = (size?, offset?);
        let (type_name, name) = split_declaration(declaration)?;
        let (place, bare) = match (
            type_name.strip_prefix("__data_loc "),
            type_name.strip_prefix("__rel_loc "),
        ) {
            (Some(rest), _) => (Place::DataLoc, rest),
            (_, Some(rest)) => (Place::RelLoc, rest),
            _ => (Place::Fixed, type_name.as_str()),
        };
        let element = bare.find('[').map(|bracket| {
            let words: Vec<&str> = bare[..bracket].split_whitespace().collect();
            let count = bare[bracket + 1..]
                .trim_end_matches(']')
                .parse::<usize>()
                .ok()
                .filter(|n| *n > 0);
            element_type(
                &words,
                if place == Place::Fixed {
                    count.map(|n| size / n)
                } else {
                    None
                },
                signed,
                abi,
            )
        });
        Some(Field {
            name,
            offset,
            size,
            signed,
            common,
            place,
            element,
            type_name,
        })
    }

    /// Returns true for strings.
    pub fn is_text(&self) -> bool {
        // The rule of the kernel's filter_assign_type().
        self.element.is_some_and(|element| element.bytes == 1) && self.type_name.contains("char")
    }

    /// Returns the bytes of the field in `raw`.
    pub fn bytes<'a>(&self, raw: &'a [u8], abi: Abi) -> Option<&'a [u8]> {
        if self.place == Place::Fixed {
            return raw.get(self.offset..self.offset.checked_add(self.size)?);
        }
        self.dynamic_bytes(0, raw, abi)
    }

    /// Returns the bytes that the `index`-th word of a dynamic field points to; only arrays of strings have more than one.
    pub(super) fn dynamic_bytes<'a>(&self, index: usize, raw: &'a [u8], abi: Abi) -> Option<&'a [u8]> {
        let at = self.offset.checked_add(index.checked_mul(4)?)?;
        let end = at.checked_add(4)?;
        let word = abi.read(raw.get(at..end)?);
        let (start, len) = ((word & 0xffff) as usize, (word >> 16 & 0xffff) as usize);
        let start = if self.place == Place::RelLoc {
            start + end
        } else {
            start
        };
        raw.get(start..start + len)
    }

    /// Returns what the field holds in `raw`; nothing if the record ends before it.
    pub fn value<'a>(&self, raw: &'a [u8], abi: Abi) -> Option<FieldValue<'a>> {
        let bytes = self.bytes(raw, abi)?;
        if self.is_text() {
            return Some(FieldValue::Text(until_nul(bytes)));
        }
        if let Some(element) = self.element {
            let numbers = bytes.chunks_exact(usize::from(element.bytes.max(1)));
            return Some(FieldValue::Array(
                numbers.map(|chunk| number(chunk, element.signed, abi)).collect(),
            ));
        }
        Some(match bytes.len() {
            1 | 2 | 4 | 8 => number(bytes, self.signed, abi),
            _ => FieldValue::Bytes(bytes),
        })
    }
}

fn number<'a>(bytes: &[u8], signed: bool, abi: Abi) -> FieldValue<'a> {
    let value = IntType {
        bytes: bytes.len() as u8,
        signed,
    }
    .wrap(abi.read(bytes));
    if signed {
        FieldValue::Int(value as i64)
    } else {
        FieldValue::Uint(value)
    }
}

/// Returns the bytes before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Splits `char comm[16]` into `char[16]` and `comm`, `__data_loc char[] name` into its type and `name`.
fn split_declaration(declaration: &str) -> Option<(String, String)> {
    let (head, brackets) = match declaration.strip_suffix(']') {
        Some(_) => declaration.split_at(declaration.rfind('[')?),
        None => (declaration, ""),
    };
    let head = head.trim_end();
    let start = head
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    let name = head.get(start..).filter(|name| !name.is_empty())?;
    Some((format!("{}{brackets}", head[..start].trim_end()), name.to_owned()))
}

/// The type of an array's elements; where the name is unknown, the size tells.
fn element_type(words: &[&str], size: Option<usize>, signed: bool, abi: Abi) -> IntType {
    let pointer = words.last().is_some_and(|word| word.ends_with('*'));
    let named = if pointer {
        Some(IntType::pointer(abi))
    } else {
        IntType::named(words, abi)
    };
    let bytes = match size {
        Some(n @ (1 | 2 | 4 | 8)) => n as u8,
        Some(_) => 1,
        None => named.map_or(1, |ty| ty.bytes),
    };
    IntType {
        bytes,
        signed: named.map_or(signed, |ty| ty.signed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Field {
        Field::parse(line, false, Abi::LP64).expect("a field")
    }

    #[test]
    fn reads_declarations() {
        let field = parse("field:const char * filename;\toffset:24;\tsize:8;\tsigned:0;");
        assert_eq!(
            (field.name.as_str(), field.type_name.as_str()),
            ("filename", "const char *")
        );
        let field = parse("field:char comm[16];\toffset:8;\tsize:16;\tsigned:0;");
        assert_eq!(
            (field.name.as_str(), field.type_name.as_str(), field.is_text()),
            ("comm", "char[16]", true)
        );
        let field = parse("field:__data_loc u64[] x;\toffset:8;\tsize:4;\tsigned:0;");
        assert_eq!(
            (field.name.as_str(), field.place, field.element),
            ("x", Place::DataLoc, Some(IntType::ULLONG))
        );
        assert_eq!(Field::parse("field:;offset:1;size:1;", false, Abi::LP64), None);
    }

    #[test]
    fn reads_values() {
        let raw = [0xff, 0xff, 0xff, 0xff, 3, 0, 8, 0, b'h', 0, b'x'];
        let value = |line| parse(line).value(&raw, Abi::LP64);
        assert_eq!(
            value("field:int a;offset:0;size:4;signed:1;"),
            Some(FieldValue::Int(-1))
        );
        assert_eq!(
            value("field:u16 a;offset:0;size:2;signed:0;"),
            Some(FieldValue::Uint(0xffff))
        );
        assert_eq!(
            value("field:char a[3];offset:8;size:3;signed:0;"),
            Some(FieldValue::Text(b"h"))
        );
        assert_eq!(value("field:u64 a;offset:8;size:8;signed:0;"), None);
        let field = parse("field:__data_loc char[] s;offset:4;size:4;signed:0;");
        assert_eq!(
            field.value(&[0, 0, 0, 0, 8, 0, 2, 0, b'h', 0], Abi::LP64),
            Some(FieldValue::Text(b"h"))
        );
    }
}
