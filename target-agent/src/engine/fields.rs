//! A program's field references, bound to one event.
//!
//! In: the event's format and the program's references. Out: values from raw records. Invariant: a field that reaches
//! outside the raw record is nil.

use alloc::string::String;
use alloc::vec::Vec;

use ktap_bytecode::code::{CodeRef, Field, FieldKind};
use ktap_bytecode::event::EventMember;
use ktap_vm::host::FieldValue;

use crate::inventory::events::EventName;
use crate::inventory::format::{Class, FieldFormat, Format};

/// Where a reference's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Bound {
    Nil,
    Bool(bool),
    Count(i64),
    Int {
        offset: u32,
        size: u32,
        signed: bool,
    },
    Chars {
        offset: u32,
        size: u32,
    },
    /// A word at `offset`; its own offset counts from `base`.
    Located {
        offset: u32,
        base: u32,
    },
    Name,
    AllField,
    PrintFmt,
}

impl Bound {
    /// Returns where the value of a field is.
    pub fn of(field: &FieldFormat) -> Bound {
        place(field)
    }
}

/// An event's format and the program's references into it.
#[derive(Debug)]
pub struct Layout {
    bound: Vec<Bound>,
    own: Vec<Bound>,
    name: String,
    describe: String,
    print_fmt: String,
}

impl Layout {
    /// Binds every reference of `code` to the event.
    pub fn bind(name: &EventName, format: &Format, code: &CodeRef<'_>) -> Layout {
        let bound = code
            .fields
            .iter()
            .map(|field| bind_one(name, format, code, field))
            .collect();
        let own = format.own.iter().map(place).collect();
        let describe = format.describe();
        Layout {
            bound,
            own,
            name: name.event.clone(),
            describe,
            print_fmt: format.print_fmt.clone(),
        }
    }

    /// Returns where the program's reference `index` finds its value.
    pub fn bound(&self, index: usize) -> &Bound {
        self.bound.get(index).unwrap_or(&Bound::Nil)
    }

    /// Returns where the own fields are, in order.
    pub fn own(&self) -> &[Bound] {
        &self.own
    }

    /// Returns the text of a reference that is a text, whatever the record.
    pub fn text(&self, bound: &Bound) -> &[u8] {
        match bound {
            Bound::Name => self.name.as_bytes(),
            Bound::AllField => self.describe.as_bytes(),
            Bound::PrintFmt => self.print_fmt.as_bytes(),
            _ => &[],
        }
    }

    /// Returns the value of the program's reference `index` in a raw record.
    pub fn value<'a>(&'a self, index: u16, raw: &'a [u8]) -> FieldValue<'a> {
        self.bound
            .get(index as usize)
            .map_or(FieldValue::Nil, |bound| self.read(bound, raw))
    }

    /// Returns the value of the own field with this number, from 0.
    pub fn own_value<'a>(&'a self, number: i64, raw: &'a [u8]) -> FieldValue<'a> {
        let bound = usize::try_from(number).ok().and_then(|number| self.own.get(number));
        bound.map_or(FieldValue::Nil, |bound| self.read(bound, raw))
    }

    fn read<'a>(&'a self, bound: &Bound, raw: &'a [u8]) -> FieldValue<'a> {
        match *bound {
            Bound::Nil => FieldValue::Nil,
            Bound::Bool(value) => FieldValue::Bool(value),
            Bound::Count(count) => FieldValue::Int(count),
            Bound::Int { offset, size, signed } => {
                int(raw, offset, size, signed).map_or(FieldValue::Nil, FieldValue::Int)
            }
            Bound::Chars { offset, size } => text(raw, offset, size),
            Bound::Located { offset, base } => match int(raw, offset, 4, false) {
                Some(word) => text(raw, (word as u32 & 0xffff).saturating_add(base), word as u32 >> 16),
                None => FieldValue::Nil,
            },
            Bound::Name | Bound::AllField | Bound::PrintFmt => FieldValue::Str(self.text(bound)),
        }
    }
}

fn bind_one(name: &EventName, format: &Format, code: &CodeRef<'_>, field: &Field) -> Bound {
    if field.kind == FieldKind::Name as u8 {
        let wanted = code.str_const(field.name as usize).unwrap_or_default();
        return format.field(wanted).map_or(Bound::Nil, place);
    }
    if field.kind == FieldKind::Arg as u8 {
        return format.own.get(field.number as usize).map_or(Bound::Nil, place);
    }
    match u8::try_from(field.number).ok().and_then(EventMember::from_number) {
        Some(member) => bind_member(name, format, member),
        None => Bound::Nil,
    }
}

fn bind_member(name: &EventName, format: &Format, member: EventMember) -> Bound {
    let call = SystemCall::of(name);
    let enter = call == Some(SystemCall::Enter);
    match member {
        EventMember::Name => Bound::Name,
        EventMember::FieldNum => Bound::Count(format.own.len() as i64),
        EventMember::ScNr if call.is_some() => format.own.first().map_or(Bound::Nil, place),
        EventMember::ScIsEnter => Bound::Bool(enter),
        EventMember::ScArg1 if enter => argument(format, 1),
        EventMember::ScArg2 if enter => argument(format, 2),
        EventMember::ScArg3 if enter => argument(format, 3),
        EventMember::ScArg4 if enter => argument(format, 4),
        EventMember::ScArg5 if enter => argument(format, 5),
        EventMember::ScArg6 if enter => argument(format, 6),
        EventMember::Retval if call == Some(SystemCall::Exit) => format.field(b"ret").map_or(Bound::Nil, place),
        EventMember::AllField => Bound::AllField,
        EventMember::PrintFmt => Bound::PrintFmt,
        _ => Bound::Nil,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SystemCall {
    Enter,
    Exit,
}

impl SystemCall {
    fn of(name: &EventName) -> Option<SystemCall> {
        match (name.system.as_str(), name.event.as_str()) {
            ("raw_syscalls", "sys_enter") => Some(SystemCall::Enter),
            ("raw_syscalls", "sys_exit") => Some(SystemCall::Exit),
            ("syscalls", event) if event.starts_with("sys_enter_") => Some(SystemCall::Enter),
            ("syscalls", event) if event.starts_with("sys_exit_") => Some(SystemCall::Exit),
            _ => None,
        }
    }
}

/// Finds the n-th argument, from 1: the n-th field behind the number, or an element of raw_syscalls' array.
fn argument(format: &Format, n: u32) -> Bound {
    const ARGUMENTS: u32 = 6;
    if let Some(args) = format
        .own
        .iter()
        .find(|field| field.name == "args" && field.class == Class::Bytes)
    {
        let size = args.size / ARGUMENTS;
        return Bound::Int {
            offset: args.offset + (n - 1) * size,
            size,
            signed: false,
        };
    }
    match format.own.get(n as usize).map(place) {
        Some(bound @ Bound::Int { .. }) => bound,
        // Kernels that copy strings add them behind the arguments.
        _ => Bound::Nil,
    }
}

fn place(field: &FieldFormat) -> Bound {
    let &FieldFormat {
        offset,
        size,
        signed,
        class,
        ..
    } = field;
    match class {
        Class::Int => Bound::Int { offset, size, signed },
        Class::Chars => Bound::Chars { offset, size },
        Class::DataLocChars => Bound::Located { offset, base: 0 },
        Class::RelLocChars => Bound::Located {
            offset,
            base: offset.saturating_add(4),
        },
        Class::Bytes => Bound::Nil,
    }
}

fn int(raw: &[u8], offset: u32, size: u32, signed: bool) -> Option<i64> {
    let bytes = raw.get(offset as usize..(offset as usize).checked_add(size as usize)?)?;
    let value = match *bytes {
        [a] => (a as i64, a as i8 as i64),
        [a, b] => (u16::from_ne_bytes([a, b]) as i64, i16::from_ne_bytes([a, b]) as i64),
        [a, b, c, d] => (
            u32::from_ne_bytes([a, b, c, d]) as i64,
            i32::from_ne_bytes([a, b, c, d]) as i64,
        ),
        _ => {
            let word = i64::from_ne_bytes(bytes.try_into().ok()?);
            (word, word)
        }
    };
    Some(if signed { value.1 } else { value.0 })
}

fn text(raw: &[u8], offset: u32, size: u32) -> FieldValue<'_> {
    let end = (offset as usize).saturating_add(size as usize).min(raw.len());
    match raw.get(offset as usize..end) {
        Some(bytes) => FieldValue::Str(bytes.split(|b| *b == 0).next().unwrap_or_default()),
        None => FieldValue::Nil,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_bytecode::code::Const;

    const TEXT: &str = "ID: 9\n\
        \tfield:int common_pid;\toffset:0;\tsize:4;\tsigned:1;\n\n\
        \tfield:int nr;\toffset:4;\tsize:4;\tsigned:1;\n\
        \tfield:unsigned short u;\toffset:8;\tsize:2;\tsigned:0;\n\
        \tfield:signed char s;\toffset:10;\tsize:1;\tsigned:1;\n\
        \tfield:char comm[4];\toffset:12;\tsize:4;\tsigned:0;\n\
        \tfield:__data_loc char[] path;\toffset:16;\tsize:4;\tsigned:0;\n\
        \tfield:__rel_loc char[] rel;\toffset:20;\tsize:4;\tsigned:0;\n\
        \tfield:u8 mac[6];\toffset:24;\tsize:6;\tsigned:0;\n\nprint fmt: \"x\"\n";

    fn raw() -> Vec<u8> {
        let mut raw = Vec::new();
        raw.extend((-7i32).to_ne_bytes());
        raw.extend(42i32.to_ne_bytes());
        raw.extend(0xffffu16.to_ne_bytes());
        raw.extend([0xff, 0]);
        raw.extend(b"catx");
        raw.extend((32u32 | 5 << 16).to_ne_bytes());
        raw.extend((8u32 | 5 << 16).to_ne_bytes());
        raw.extend([0; 8]);
        raw.extend(b"/tmp\0");
        raw
    }

    fn values(system: &str, event: &str, raw: &[u8], fields: &[Field], pool: &[u8]) -> Vec<String> {
        let consts = [Const::str(0, pool.len() as u32)];
        let code = CodeRef {
            functions: &[],
            code: &[],
            consts: &consts,
            bytes: pool,
            captures: &[],
            fields,
            formats: &[],
            globals: 0,
            probes: 0,
        };
        let name = EventName {
            system: system.into(),
            event: event.into(),
        };
        let layout = Layout::bind(&name, &Format::parse(TEXT).expect("a format"), &code);
        let all = (0..fields.len()).map(|i| format!("{:?}", layout.value(i as u16, raw)));
        all.map(|v| v.replace("Str([", "").replace("])", "")).collect()
    }

    fn arg(number: u16) -> Field {
        Field {
            kind: FieldKind::Arg as u8,
            reserved: 0,
            number,
            name: Field::NO_NAME,
        }
    }

    fn member(member: EventMember) -> Field {
        Field {
            kind: FieldKind::Member as u8,
            reserved: 0,
            number: member as u16,
            name: 0,
        }
    }

    #[test]
    fn by_number() {
        let fields: Vec<Field> = (0..8).map(arg).collect();
        let got = values("a", "b", &raw(), &fields, b"");
        let cat = "99, 97, 116, 120";
        let path = "47, 116, 109, 112";
        assert_eq!(got, ["Int(42)", "Int(65535)", "Int(-1)", cat, path, path, "Nil", "Nil"]);
    }

    #[test]
    fn a_short_record_is_nil() {
        let fields: Vec<Field> = (0..6).map(arg).collect();
        let got = values("a", "b", &raw()[..9], &fields, b"");
        assert_eq!(got, ["Int(42)", "Nil", "Nil", "Nil", "Nil", "Nil"]);
        let got = values("a", "b", &raw()[..25], &fields, b"");
        assert_eq!(got[4], "Nil");
    }

    #[test]
    fn by_name() {
        let name = Field {
            kind: FieldKind::Name as u8,
            reserved: 0,
            number: 0,
            name: 0,
        };
        assert_eq!(values("a", "b", &raw(), &[name], b"common_pid"), ["Int(-7)"]);
        assert_eq!(values("a", "b", &raw(), &[name], b"nr"), ["Int(42)"]);
        assert_eq!(values("a", "b", &raw(), &[name], b"none"), ["Nil"]);
    }

    #[test]
    fn members() {
        use EventMember::{FieldNum, Retval, ScArg1, ScArg3, ScIsEnter, ScNr};
        let fields = [ScNr, ScIsEnter, ScArg1, ScArg3, Retval, FieldNum].map(member);
        let got = values("syscalls", "sys_enter_x", &raw(), &fields, b"");
        assert_eq!(got, ["Int(42)", "Bool(true)", "Int(65535)", "Nil", "Nil", "Int(7)"]);
        let got = values("sched", "sched_switch", &raw(), &fields, b"");
        assert_eq!(got, ["Nil", "Bool(false)", "Nil", "Nil", "Nil", "Int(7)"]);
    }
}
