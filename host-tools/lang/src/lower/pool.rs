//! The pools of an image: constants, bytes, field references, formats.
//!
//! In: values as lowering meets them. Out: indexes. Invariant: equal values share one index, save relocated constants,
//! which share theirs by symbol.

use std::collections::HashMap;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Const, Field, FieldKind, Format};
use ktap_bytecode::event::EventMember;

use crate::program::{Relocation, RelocationKind};
use crate::source::Span;

/// Pools up to this size are searched for bytes they already hold.
const SEARCHED: usize = 4_096;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Str(Vec<u8>),
    Format(u16),
    Builtin(u8),
    Symbol(String),
}

/// All pools.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) consts: Vec<Const>,
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) formats: Vec<Format>,
    pub(super) format_texts: Vec<Vec<u8>>,
    pub(super) relocations: Vec<Relocation>,
    known: HashMap<Key, u32>,
}

impl Pool {
    /// Returns the index of a number.
    pub(super) fn int(&mut self, value: i64) -> u32 {
        self.constant(Key::Int(value), |_| Const::int(value))
    }

    /// Returns the index of a string.
    pub(super) fn string(&mut self, text: &[u8]) -> u32 {
        self.constant(Key::Str(text.to_vec()), |pool| {
            let offset = pool.place(text);
            Const::str(offset, text.len() as u32)
        })
    }

    /// Returns the index of a builtin as a value.
    pub(super) fn builtin(&mut self, builtin: Builtin) -> u32 {
        self.constant(Key::Builtin(builtin as u8), |_| Const::builtin(builtin as u8))
    }

    /// Returns the index of a kernel symbol's address, filled in later.
    pub(super) fn symbol(&mut self, name: &str, span: Span) -> u32 {
        let count = self.consts.len();
        let index = self.constant(Key::Symbol(name.to_string()), |_| Const::int(0));
        if index as usize == count {
            let kind = RelocationKind::SymbolAddress(name.to_string());
            self.relocations.push(Relocation {
                constant: index,
                kind,
                span,
            });
        }
        index
    }

    /// Returns the index of a format as a constant; its text stays on the host.
    pub(super) fn format(&mut self, text: &[u8], classes: &[u8]) -> u32 {
        let id = match self.format_texts.iter().position(|t| t == text) {
            Some(id) => id,
            None => {
                let place = self.place(classes);
                self.formats.push(Format {
                    classes: place,
                    len: classes.len() as u32,
                });
                self.format_texts.push(text.to_vec());
                self.formats.len() - 1
            }
        };
        let id = id.min(u16::MAX as usize) as u16;
        self.constant(Key::Format(id), |_| Const::format(id))
    }

    /// Returns the index of a field reference by name: of a member all events have, or of an own field.
    pub(super) fn field_named(&mut self, name: &str) -> u32 {
        let constant = self.string(name.as_bytes());
        let (kind, number) = match EventMember::from_name(name) {
            Some(member) => (FieldKind::Member, member as u16),
            None => (FieldKind::Name, 0),
        };
        self.field(Field {
            kind: kind as u8,
            reserved: 0,
            number,
            name: constant,
        })
    }

    /// Returns the index of a reference to the event's own field with this number, from 0.
    pub(super) fn field_numbered(&mut self, number: u16) -> u32 {
        self.field(Field {
            kind: FieldKind::Arg as u8,
            reserved: 0,
            number,
            name: Field::NO_NAME,
        })
    }

    fn field(&mut self, field: Field) -> u32 {
        let index = self.fields.iter().position(|f| *f == field).unwrap_or_else(|| {
            self.fields.push(field);
            self.fields.len() - 1
        });
        index as u32
    }

    fn constant(&mut self, key: Key, make: impl FnOnce(&mut Pool) -> Const) -> u32 {
        if let Some(index) = self.known.get(&key) {
            return *index;
        }
        let constant = make(self);
        let index = self.consts.len() as u32;
        self.consts.push(constant);
        self.known.insert(key, index);
        index
    }

    /// Puts bytes into the pool, or finds them there.
    fn place(&mut self, bytes: &[u8]) -> u32 {
        let found = match bytes {
            [] => Some(0),
            // In a large pool the search costs more than it saves.
            _ if self.bytes.len() > SEARCHED => None,
            _ => self.bytes.windows(bytes.len()).position(|window| window == bytes),
        };
        let offset = found.unwrap_or_else(|| {
            self.bytes.extend_from_slice(bytes);
            self.bytes.len() - bytes.len()
        });
        offset as u32
    }
}
