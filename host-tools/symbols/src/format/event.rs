//! One event's format.
//!
//! In: the text of its `format` file. Out: [`EventFormat`]. Invariant: own fields keep the order of the file, for scripts count them.

use super::field::{Field, FieldValue};
use super::print_fmt::PrintFmt;
use super::{fallback, probe, syscall};
use crate::abi::Abi;
use crate::symbol::Symbolize;

/// Why a text is no event format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no `name:` line.
    #[error("the event format has no name")]
    NoName,
    /// There is no `ID:` line with a number.
    #[error("the format of event '{0}' has no id")]
    NoId(String),
    /// A `field:` line that cannot be read.
    #[error("the format of event '{event}' has a field that cannot be read: {line}")]
    BadField {
        /// The event's name.
        event: String,
        /// The line.
        line: String,
    },
}

/// What the kernel says of one kind of event.
#[derive(Clone, Debug)]
pub struct EventFormat {
    /// Its name, without the system.
    pub name: String,
    /// The kernel's id of it, which its records begin with.
    pub id: u16,
    /// Common fields, then its own.
    pub fields: Vec<Field>,
    /// The print format as the kernel wrote it.
    pub print_fmt: String,
    /// Sizes and byte order of the records.
    pub abi: Abi,
    print: Option<PrintFmt>,
}

impl EventFormat {
    /// Reads the text of a `format` file.
    ///
    /// # Errors
    /// A text without name or id, or with a field that cannot be read. A print format that cannot be read is no error.
    pub fn parse(text: &str, abi: Abi) -> Result<EventFormat, FormatError> {
        let mut name = None;
        let mut id = None;
        let mut fields: Vec<Field> = Vec::new();
        let mut common = true;
        let (head, print_fmt) = match text.find("print fmt:") {
            Some(at) => (&text[..at], text[at + "print fmt:".len()..].trim()),
            None => (text, ""),
        };
        for line in head.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("name:") {
                name = Some(rest.trim().to_owned());
            } else if let Some(rest) = line.strip_prefix("ID:") {
                id = rest.trim().parse().ok();
            } else if line.starts_with("field:") {
                let event = || name.clone().unwrap_or_default();
                let bad = || FormatError::BadField {
                    event: event(),
                    line: line.to_owned(),
                };
                fields.push(Field::parse(line, common, abi).ok_or_else(bad)?);
            } else if line.is_empty() && !fields.is_empty() {
                // An empty line parts the common fields from the event's own.
                common = false;
            }
        }
        let name = name.ok_or(FormatError::NoName)?;
        let id = id.ok_or_else(|| FormatError::NoId(name.clone()))?;
        let print = PrintFmt::parse(print_fmt, abi);
        let print_fmt = print_fmt.to_owned();
        Ok(EventFormat {
            name,
            id,
            fields,
            print_fmt,
            abi,
            print,
        })
    }

    /// Returns the event's own fields, in the order scripts count them.
    pub fn own_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.common)
    }

    /// Returns the field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the own fields with what they hold in `raw`.
    pub fn values<'a>(&'a self, raw: &'a [u8]) -> impl Iterator<Item = (&'a str, FieldValue<'a>)> {
        self.own_fields()
            .filter_map(move |field| Some((field.name.as_str(), field.value(raw, self.abi)?)))
    }

    /// Returns what the kernel's trace shows of a record behind the time stamp: `name: text`, or `sys_name(args)` for the entry
    /// and `sys_name -> 0x..` for the exit of a system call, without the newline.
    pub fn line(&self, raw: &[u8], symbols: &dyn Symbolize) -> Vec<u8> {
        if let Some(text) = syscall::line(self, raw).or_else(|| probe::line(self, raw, symbols)) {
            return text;
        }
        let mut line = self.name.clone().into_bytes();
        line.push(b':');
        match self.formatted(raw, symbols) {
            Some(text) => {
                line.push(b' ');
                line.extend_from_slice(&text);
            }
            // The list of fields brings its own blank.
            None => line.extend_from_slice(&fallback::fields(self, raw, symbols)),
        }
        line
    }

    /// Returns the event's text without its name, as its print format makes it, or else the list of its fields.
    pub fn text(&self, raw: &[u8], symbols: &dyn Symbolize) -> Vec<u8> {
        self.formatted(raw, symbols)
            .unwrap_or_else(|| fallback::fields(self, raw, symbols))
    }

    /// Returns what the print format makes of `raw`; nothing if it needs what only the running kernel knows.
    pub fn formatted(&self, raw: &[u8], symbols: &dyn Symbolize) -> Option<Vec<u8>> {
        self.print.as_ref()?.render(self, raw, symbols)
    }

    /// Returns true if the print format was understood.
    pub fn has_print_format(&self) -> bool {
        self.print.is_some()
    }

    /// Returns true if texts of this event name kernel addresses, so that the kernel's symbol table is worth having.
    pub fn names_addresses(&self) -> bool {
        let conversion = ["%pS", "%ps", "%pF", "%pf", "%pB"]
            .iter()
            .any(|conversion| self.print_fmt.contains(conversion));
        conversion || self.own_fields().next().is_some_and(probe::is_place)
    }

    /// Returns true if texts of this event show constant strings of the kernel, whose addresses alone are in its records.
    pub fn reads_kernel_strings(&self) -> bool {
        let pointer = |field: &Field| matches!(field.type_name.as_str(), "char *" | "const char *");
        self.print_fmt.contains("%s") && self.own_fields().any(pointer)
    }
}
