//! Fetch-args, as the module takes them along and as a format tells the host about them.
//!
//! In: [`FetchArg`]s. Out: [`Fetched`]: the module's fetches, and the text of a `format` file over the record they make. Invariant: the format is what the
//! kernel's own probe events would have, so that the host reads it as any other.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchType};
use ktap_device::attach::{Base, Deref, Fetch, Shape};

use super::sources::add_text;
use crate::inventory::symbols;

/// Which addresses stand in front of a probe's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The probed instruction.
    Inside,
    /// The function, then where it returned to.
    Return,
    /// The function, then its caller, of the function tracer.
    Function,
}

/// What a probe takes along.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The module's fetches.
    pub fetches: Vec<Fetch>,
    /// Their dereferences.
    pub derefs: Vec<Deref>,
    /// Bytes of the record's fixed part.
    pub record_len: u32,
    /// The format's lines of fields.
    fields: String,
    /// The format's text and arguments.
    print: String,
    arguments: String,
}

/// Why a fetch-arg cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// There is no such symbol.
    NoSymbol,
    /// It is of a kind the module does not know.
    Unknown,
}

impl Fetched {
    /// Lays out a record without fetch-args.
    pub fn new(place: Place) -> Fetched {
        let mut fetched = Fetched {
            record_len: 8,
            ..Fetched::default()
        };
        let (names, print): (&[&str], _) = match place {
            Place::Inside => (&["__probe_ip"], "(%lx)"),
            Place::Return => (&["__probe_func", "__probe_ret_ip"], "(%lx <- %lx)"),
            Place::Function => (&["ip", "parent_ip"], " %ps <-- %ps"),
        };
        fetched.print = print.to_string();
        for name in names {
            let at = fetched.place("unsigned long", name, "", 8, false);
            debug_assert!(at >= 8);
            fetched.arguments += &match place {
                Place::Function => format!(", (void *)(REC->{name})"),
                _ => format!(", REC->{name}"),
            };
        }
        fetched
    }

    /// Adds a fetch-arg; names and strings go into `pool`.
    ///
    /// # Errors
    /// A symbol that is not there, or a base the module does not know.
    pub fn add(&mut self, arg: &FetchArg, pool: &mut Vec<u8>) -> Result<(), Untaken> {
        let first_deref = self.derefs.len() as u32;
        let mut contents = false;
        let (base, value) = match &arg.base {
            FetchBase::Register(name) => (Base::Register, add_text(pool, name.as_bytes())),
            FetchBase::StackSlot(slot) => (Base::StackSlot, *slot as u64),
            FetchBase::Stack => (Base::Stack, 0),
            FetchBase::Retval => (Base::Retval, 0),
            FetchBase::Argument(number) => (Base::Argument, *number as u64),
            FetchBase::Immediate(value) => (Base::Immediate, *value as u64),
            FetchBase::Text(text) => (Base::Text, add_text(pool, text.as_bytes())),
            FetchBase::Comm => (Base::Comm, 0),
            FetchBase::Address(address) => {
                contents = true;
                (Base::Immediate, *address)
            }
            FetchBase::Symbol { name, offset } => {
                contents = true;
                let address = symbols::address(name).ok_or(Untaken::NoSymbol)?;
                (Base::Immediate, address.wrapping_add(*offset as u64))
            }
            FetchBase::FileOffset(_) => return Err(Untaken::Unknown),
        };
        if contents {
            // The contents at an address: a dereference like any other.
            self.derefs.push(Deref::default());
        }
        self.derefs.extend(arg.derefs.iter().map(|deref| Deref {
            offset: deref.offset,
            user: deref.user as u32,
            reserved: 0,
        }));
        let (shape, size, width, shift) = shape(arg.kind);
        let (kind, string) = type_name(arg.kind);
        let bounds = match arg.count {
            0 => String::new(),
            count => format!("[{count}]"),
        };
        let element = if string { 4 } else { size as u32 };
        let place = self.place(
            kind,
            &arg.name,
            &bounds,
            element * arg.count.max(1) as u32,
            matches!(arg.kind, FetchType::Signed(_)),
        );
        self.fetches.push(Fetch {
            base: base as u16,
            shape: shape as u16,
            size,
            width,
            shift,
            value,
            first_deref,
            derefs: self.derefs.len() as u32 - first_deref,
            count: arg.count as u32,
            place,
            reserved: 0,
        });
        self.show(arg, string);
        Ok(())
    }

    /// Takes room in the record and a line in the format; returns the place.
    fn place(&mut self, kind: &str, name: &str, bounds: &str, bytes: u32, signed: bool) -> u32 {
        let align = match bounds {
            "" => bytes.clamp(1, 8),
            _ => 8,
        };
        let place = self.record_len.next_multiple_of(align);
        self.record_len = place + bytes;
        self.fields += &format!(
            "\tfield:{kind} {name}{bounds};\toffset:{place};\tsize:{bytes};\tsigned:{};\n",
            signed as u8
        );
        place
    }

    /// Adds ` name=value` to the text.
    fn show(&mut self, arg: &FetchArg, string: bool) {
        let conversion = match arg.kind {
            FetchType::Unsigned(8) => "%Lu",
            FetchType::Unsigned(_) | FetchType::Bits { .. } => "%u",
            FetchType::Signed(8) => "%Ld",
            FetchType::Signed(_) => "%d",
            FetchType::Hex(8) => "0x%Lx",
            FetchType::Hex(_) => "0x%x",
            FetchType::Char => "'%c'",
            FetchType::Symbol => "%pS",
            FetchType::String | FetchType::UserString => "\\\"%s\\\"",
        };
        let name = &arg.name;
        let value = |element: &str| match (string, arg.kind) {
            (true, _) => format!(", __get_str({name}{element})"),
            (_, FetchType::Symbol) => format!(", (void *)REC->{name}{element}"),
            _ => format!(", REC->{name}{element}"),
        };
        self.print += &format!(" {name}=");
        if arg.count == 0 {
            self.print += conversion;
            self.arguments += &value("");
            return;
        }
        for i in 0..arg.count {
            self.print += if i == 0 { "{" } else { "," };
            self.print += conversion;
            self.arguments += &value(&format!("[{i}]"));
        }
        self.print += "}";
    }

    /// Returns the text of the format file.
    pub fn format(&self, name: &str, id: u16) -> String {
        let Fetched {
            fields,
            print,
            arguments,
            ..
        } = self;
        format!(
            "name: {name}\nID: {id}\nformat:\n\
             \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
             \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
             \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
             \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
             {fields}\nprint fmt: \"{print}\"{arguments}\n"
        )
    }
}

/// The module's shape: its kind, bytes of a number, width and shift of a bit field.
fn shape(kind: FetchType) -> (Shape, u16, u8, u8) {
    match kind {
        FetchType::Unsigned(bytes) | FetchType::Hex(bytes) => (Shape::Unsigned, bytes as u16, 0, 0),
        FetchType::Signed(bytes) => (Shape::Signed, bytes as u16, 0, 0),
        FetchType::Char => (Shape::Unsigned, 1, 0, 0),
        FetchType::Symbol => (Shape::Unsigned, 8, 0, 0),
        FetchType::String => (Shape::String, 0, 0, 0),
        FetchType::UserString => (Shape::UserString, 0, 0, 0),
        FetchType::Bits {
            width,
            shift,
            container,
        } => (Shape::Bits, container as u16 / 8, width, shift),
    }
}

/// The type in the format, and whether it is a string.
fn type_name(kind: FetchType) -> (&'static str, bool) {
    let name = match kind {
        FetchType::String | FetchType::UserString => return ("__data_loc char[]", true),
        FetchType::Signed(1) => "s8",
        FetchType::Signed(2) => "s16",
        FetchType::Signed(4) => "s32",
        FetchType::Signed(_) => "s64",
        _ => match shape(kind).1 {
            1 => "u8",
            2 => "u16",
            4 => "u32",
            _ => "u64",
        },
    };
    (name, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::format::{Class, Format};
    use ktap_bytecode::fetch::FetchDeref;

    fn arg(name: &str, base: FetchBase, derefs: &[i64], kind: FetchType, count: u8) -> FetchArg {
        let derefs = derefs.iter().map(|offset| FetchDeref {
            offset: *offset,
            user: false,
        });
        FetchArg {
            name: name.into(),
            base,
            derefs: derefs.collect(),
            kind,
            count,
        }
    }

    fn register(name: &str) -> FetchBase {
        FetchBase::Register(name.into())
    }

    #[test]
    fn fetches_and_their_format() {
        let mut pool = Vec::new();
        let mut fetched = Fetched::new(Place::Inside);
        for one in [
            arg("fd", register("di"), &[], FetchType::Signed(4), 0),
            arg("path", register("si"), &[8, -16], FetchType::String, 0),
            arg("at", FetchBase::Address(0x1000), &[], FetchType::Hex(8), 0),
            arg("list", FetchBase::Stack, &[0], FetchType::Unsigned(2), 3),
            arg("where", FetchBase::Retval, &[], FetchType::Symbol, 0),
            arg(
                "bits",
                FetchBase::Argument(2),
                &[],
                FetchType::Bits {
                    width: 3,
                    shift: 4,
                    container: 32,
                },
                0,
            ),
        ] {
            fetched.add(&one, &mut pool).expect("taken");
        }
        assert_eq!(pool, b"disi");
        let places: Vec<_> = fetched
            .fetches
            .iter()
            .map(|fetch| (fetch.place, fetch.first_deref, fetch.derefs))
            .collect();
        assert_eq!(
            places,
            [(16, 0, 0), (20, 0, 2), (24, 2, 1), (32, 3, 1), (40, 4, 0), (48, 4, 0)]
        );
        assert_eq!(
            (fetched.fetches[0].value, fetched.fetches[1].value),
            (2 << 32, 2 | 2 << 32)
        );
        assert_eq!(fetched.record_len, 52);
        let text = fetched.format("vfs_read", 0xf000);
        let format = Format::parse(&text).expect("a format");
        assert_eq!(format.id, 0xf000);
        let own: Vec<_> = format
            .own
            .iter()
            .map(|f| (f.name.as_str(), f.offset, f.size, f.signed, f.class))
            .collect();
        assert_eq!(own[0], ("__probe_ip", 8, 8, false, Class::Int));
        assert_eq!(own[1], ("fd", 16, 4, true, Class::Int));
        assert_eq!(own[2], ("path", 20, 4, false, Class::DataLocChars));
        assert_eq!(own[4], ("list", 32, 6, false, Class::Bytes));
        assert_eq!(
            format.print_fmt,
            "\"(%lx) fd=%d path=\\\"%s\\\" at=0x%Lx list={%u,%u,%u} where=%pS bits=%u\", REC->__probe_ip, REC->fd, \
             __get_str(path), REC->at, REC->list[0], REC->list[1], REC->list[2], (void *)REC->where, REC->bits"
        );
    }

    #[test]
    fn returns_and_functions() {
        let format = Format::parse(&Fetched::new(Place::Return).format("ret_x", 1)).expect("a format");
        assert_eq!((format.own[0].offset, format.own[1].offset), (8, 16));
        assert_eq!(
            format.print_fmt,
            "\"(%lx <- %lx)\", REC->__probe_func, REC->__probe_ret_ip"
        );
        let format = Format::parse(&Fetched::new(Place::Function).format("function", 1)).expect("a format");
        assert_eq!(format.own[1].name, "parent_ip");
    }

    #[test]
    fn what_cannot_be_taken() {
        let mut fetched = Fetched::new(Place::Inside);
        let file = arg("x", FetchBase::FileOffset(8), &[], FetchType::Hex(8), 0);
        assert_eq!(fetched.add(&file, &mut Vec::new()), Err(Untaken::Unknown));
        let name = "no_such_symbol_anywhere".into();
        let symbol = arg("x", FetchBase::Symbol { name, offset: 0 }, &[], FetchType::Hex(8), 0);
        assert_eq!(fetched.add(&symbol, &mut Vec::new()), Err(Untaken::NoSymbol));
    }
}
