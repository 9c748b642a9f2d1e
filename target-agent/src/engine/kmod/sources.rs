//! Field references as the module finds their values.
//!
//! In: a program's references, bound to an event. Out: [`Source`]s. Invariant: what the handler of a probe does not ask for is nil, so that nothing is
//! recorded for it.

use alloc::vec::Vec;

use ktap_bytecode::code::{CodeRef, Field, FieldKind};
use ktap_bytecode::event::EventMember;
use ktap_device::attach::{Source, SourceKind};

use super::uses::Uses;
use crate::engine::fields::{Bound, Layout};
use crate::inventory::format::FieldFormat;

/// Adds bytes to the text; returns where they are, offset in the low half, length in the high.
pub fn add_text(pool: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    let offset = pool.len() as u64;
    pool.extend_from_slice(bytes);
    offset | (bytes.len() as u64) << 32
}

/// What an event has beside the fields of its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// A return value.
    pub retval: bool,
    /// Registers.
    pub registers: bool,
}

/// The sources of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Of each of the program's references.
    pub fields: Vec<Source>,
    /// Of each own field.
    pub own: Vec<Source>,
}

/// Returns true if the values asked for are in the event's format.
pub fn needs_format(uses: &Uses, code: &CodeRef<'_>) -> bool {
    let in_format = |field: &Field| {
        field.kind != FieldKind::Member as u8 || !matches!(member(field), Some(EventMember::Name | EventMember::RegStr))
    };
    let used = code.fields.iter().zip(&uses.fields).filter(|(_, used)| **used);
    uses.record || used.map(|(field, _)| field).any(in_format)
}

impl Sources {
    /// Finds the sources of what a handler uses.
    pub fn find(
        code: &CodeRef<'_>,
        uses: &Uses,
        layout: Option<&Layout>,
        name: &str,
        beside: Beside,
        pool: &mut Vec<u8>,
    ) -> Sources {
        let mut fields = Vec::with_capacity(code.fields.len());
        for (index, field) in code.fields.iter().enumerate() {
            let used = uses.fields.get(index).copied().unwrap_or_default();
            fields.push(match member(field) {
                _ if !used => Source::default(),
                Some(EventMember::Name) => text(pool, name.as_bytes()),
                Some(EventMember::Retval) if beside.retval => source(SourceKind::Word, 8, 0, 1),
                Some(EventMember::RegStr) if beside.registers => source(SourceKind::Registers, 0, 0, 0),
                _ => match layout {
                    Some(layout) => of_bound(layout, layout.bound(index), pool),
                    None => Source::default(),
                },
            });
        }
        let mut own = Vec::new();
        if let (true, Some(layout)) = (uses.record, layout) {
            for bound in layout.own() {
                own.push(of_bound(layout, bound, pool));
            }
        }
        Sources { fields, own }
    }

    /// Returns true if any is in the event's record.
    pub fn read_record(&self) -> bool {
        let record = SourceKind::RecordInt as u16..=SourceKind::RecordLocated as u16;
        self.fields
            .iter()
            .chain(&self.own)
            .any(|source| record.contains(&source.kind))
    }
}

fn member(field: &Field) -> Option<EventMember> {
    if field.kind != FieldKind::Member as u8 {
        return None;
    }
    EventMember::from_number(u8::try_from(field.number).ok()?)
}

/// Returns where a field of a record is.
pub fn of_field(field: &FieldFormat) -> Source {
    plain(&Bound::of(field)).unwrap_or_default()
}

fn of_bound(layout: &Layout, bound: &Bound, pool: &mut Vec<u8>) -> Source {
    match plain(bound) {
        Some(source) => source,
        None => text(pool, layout.text(bound)),
    }
}

/// The source of what is no text; a text has none.
fn plain(bound: &Bound) -> Option<Source> {
    Some(match *bound {
        Bound::Nil => Source::default(),
        Bound::Bool(value) => source(SourceKind::Bool, 0, 0, value as u64),
        Bound::Count(count) => source(SourceKind::Int, 0, 0, count as u64),
        Bound::Int { offset, size, signed } => source(SourceKind::RecordInt, size as u16, offset, signed as u64),
        Bound::Chars { offset, size } => source(SourceKind::RecordChars, 0, offset, size as u64),
        Bound::Located { offset, base } => source(SourceKind::RecordLocated, 0, offset, base as u64),
        Bound::Name | Bound::AllField | Bound::PrintFmt => return None,
    })
}

fn text(pool: &mut Vec<u8>, bytes: &[u8]) -> Source {
    let place = add_text(pool, bytes);
    source(SourceKind::Text, 0, place as u32, place >> 32)
}

fn source(kind: SourceKind, size: u16, a: u32, b: u64) -> Source {
    Source {
        kind: kind as u16,
        size,
        a,
        b,
    }
}
