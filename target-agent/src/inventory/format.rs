//! An event's format: the names, places and types of its fields.
//!
//! In: the text of a `format` file. Out: [`Format`]. Invariant: a line that makes no sense is left out, never guessed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a field's bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A number of 1, 2, 4 or 8 bytes.
    Int,
    /// A string in place, up to its NUL.
    Chars,
    /// A word that says where in the record a string is: offset in the low 16 bits, length above.
    DataLocChars,
    /// As `DataLocChars`, the offset counted from the end of the word (Linux 5.16).
    RelLocChars,
    /// Anything else: arrays, structures.
    Bytes,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFormat {
    /// Its name.
    pub name: String,
    /// Its type as declared, without name.
    pub kind: String,
    /// First byte in the record.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// True if the number has a sign.
    pub signed: bool,
    /// How to read it.
    pub class: Class,
}

/// An event's format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// The kernel's id of the event.
    pub id: u16,
    /// The fields all events have, `common_*`.
    pub common: Vec<FieldFormat>,
    /// The event's own fields, in order of declaration.
    pub own: Vec<FieldFormat>,
    /// The kernel's print format, as written.
    pub print_fmt: String,
}

impl Format {
    /// Parses a format file; nothing if it has no id.
    pub fn parse(text: &str) -> Option<Format> {
        let mut format = Format::default();
        let mut id = None;
        // The common fields come first and end with the file's only empty line.
        let mut common = true;
        let mut started = false;
        for line in text.lines() {
            if let Some(number) = line.strip_prefix("ID:") {
                id = number.trim().parse().ok();
            } else if let Some(print) = line.strip_prefix("print fmt:") {
                format.print_fmt = print.trim().to_string();
            } else if let Some(field) = line.trim_start().strip_prefix("field:") {
                started = true;
                let list = if common { &mut format.common } else { &mut format.own };
                list.extend(field_line(field));
            } else if started && line.trim().is_empty() {
                common = false;
            }
        }
        format.id = id?;
        Some(format)
    }

    /// Returns the field with this name, an own one before a common one.
    pub fn field(&self, name: &[u8]) -> Option<&FieldFormat> {
        self.own
            .iter()
            .chain(&self.common)
            .find(|field| field.name.as_bytes() == name)
    }

    /// Returns name, type, offset, size and sign of every field, as `e.allfield` shows them.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        for field in self.common.iter().chain(&self.own) {
            let FieldFormat {
                name,
                kind,
                offset,
                size,
                signed,
                ..
            } = field;
            let separator = if out.is_empty() { "" } else { " " };
            out += &alloc::format!("{separator}[{name}-{kind}-{offset}-{size}-{}]", *signed as u8);
        }
        out
    }
}

/// Parses `TYPE NAME;\toffset:N;\tsize:N;\tsigned:N;`.
fn field_line(line: &str) -> Option<FieldFormat> {
    let mut parts = line.split(';').map(str::trim);
    let declaration = parts.next()?;
    let (mut offset, mut size, mut signed) = (None, None, false);
    for part in parts {
        match part.split_once(':') {
            Some(("offset", number)) => offset = number.parse().ok(),
            Some(("size", number)) => size = number.parse().ok(),
            Some(("signed", number)) => signed = number == "1",
            _ => {}
        }
    }
    let (kind, name, array) = split_declaration(declaration)?;
    let (offset, size): (u32, u32) = (offset?, size?);
    let class = classify(&kind, array, size);
    Some(FieldFormat {
        name,
        kind,
        offset,
        size,
        signed,
        class,
    })
}

/// Splits a C declaration into type (with its array bounds), name and whether it is an array.
fn split_declaration(declaration: &str) -> Option<(String, String, bool)> {
    // `char comm[16]`, `u8 buf[A][B]`; but the `[]` of `__data_loc char[] name` belongs to the type.
    let (plain, bounds) = match declaration.find('[') {
        Some(at) if declaration.ends_with(']') => declaration.split_at(at),
        _ => (declaration, ""),
    };
    let name_at = plain
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(0, |at| at + 1);
    let (kind, name) = plain.split_at(name_at);
    if name.is_empty() || kind.trim().is_empty() {
        return None;
    }
    Some((
        alloc::format!("{}{bounds}", kind.trim()),
        name.to_string(),
        !bounds.is_empty(),
    ))
}

fn classify(kind: &str, array: bool, size: u32) -> Class {
    let is_char = |kind: &str| kind.split(['[', ' ']).any(|word| word == "char") && !kind.contains('*');
    if let Some(inner) = kind.strip_prefix("__data_loc ") {
        return if is_char(inner) && size == 4 {
            Class::DataLocChars
        } else {
            Class::Bytes
        };
    }
    if let Some(inner) = kind.strip_prefix("__rel_loc ") {
        return if is_char(inner) && size == 4 {
            Class::RelLocChars
        } else {
            Class::Bytes
        };
    }
    if array {
        let text = is_char(kind) && !kind.starts_with("unsigned");
        return if text { Class::Chars } else { Class::Bytes };
    }
    match size {
        1 | 2 | 4 | 8 => Class::Int,
        _ => Class::Bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Format};

    const OPENAT: &str = "name: sys_enter_openat\nID: 650\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;\n\
        \tfield:__data_loc char[] __path;\toffset:48;\tsize:4;\tsigned:0;\n\
        \tfield:__rel_loc char[] rel;\toffset:52;\tsize:4;\tsigned:0;\n\
        \tfield:char comm[16];\toffset:56;\tsize:16;\tsigned:0;\n\
        \tfield:unsigned long args[6];\toffset:72;\tsize:48;\tsigned:0;\n\
        \tfield:unsigned char raw[4];\toffset:120;\tsize:4;\tsigned:0;\n\
        \tfield:struct timespec ts;\toffset:124;\tsize:16;\tsigned:0;\n\
        \tfield:nonsense\n\n\
        print fmt: \"dfd: 0x%08lx\", ((unsigned long)(REC->dfd))\n";

    #[test]
    fn fields() {
        let format = Format::parse(OPENAT).expect("a format");
        assert_eq!(format.id, 650);
        assert_eq!(
            format.common.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            ["common_type", "common_pid"]
        );
        let own: Vec<_> = format
            .own
            .iter()
            .map(|f| (f.name.as_str(), f.kind.as_str(), f.class))
            .collect();
        let expected = [
            ("__syscall_nr", "int", Class::Int),
            ("filename", "const char *", Class::Int),
            ("__path", "__data_loc char[]", Class::DataLocChars),
            ("rel", "__rel_loc char[]", Class::RelLocChars),
            ("comm", "char[16]", Class::Chars),
            ("args", "unsigned long[6]", Class::Bytes),
            ("raw", "unsigned char[4]", Class::Bytes),
            ("ts", "struct timespec", Class::Bytes),
        ];
        assert_eq!(own, expected);
        assert!(format.own[0].signed && !format.own[1].signed);
        assert_eq!((format.own[4].offset, format.own[4].size), (56, 16));
        assert_eq!(format.print_fmt, "\"dfd: 0x%08lx\", ((unsigned long)(REC->dfd))");
        assert_eq!(format.field(b"common_pid").map(|f| f.offset), Some(4));
        assert_eq!(format.field(b"dfd"), None);
    }

    #[test]
    fn no_id_is_no_format() {
        assert_eq!(Format::parse("name: x\nformat:\n"), None);
    }

    #[test]
    fn description() {
        let text = "ID: 1\n\tfield:int a;\toffset:0;\tsize:4;\tsigned:1;\n\n\tfield:char b[2];\toffset:4;\tsize:2;\tsigned:0;\n";
        let format = Format::parse(text).expect("a format");
        assert_eq!(format.describe(), "[a-int-0-4-1] [b-char[2]-4-2-0]");
    }
}
