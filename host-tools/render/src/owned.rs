//! Values that outlive the record they came in.
//!
//! In: a value that borrows. Out: [`Owned`]. Invariant: `value` returns what `copy` was given.

use ktap_bytecode::record::RecordValue;

/// A value that outlives its record: its bytes beside its shape.
#[derive(Clone, Debug)]
pub struct Owned {
    shape: RecordValue<'static>,
    bytes: Vec<u8>,
}

impl Owned {
    /// Copies a value.
    pub fn copy(value: &RecordValue<'_>) -> Owned {
        let (shape, bytes): (RecordValue<'static>, &[u8]) = match value {
            RecordValue::Str(bytes) => (RecordValue::Str(&[]), bytes),
            RecordValue::Stack(user, pid, bytes) => (RecordValue::Stack(*user, *pid, &[]), bytes),
            RecordValue::Event(id, bytes) => (RecordValue::Event(*id, &[]), bytes),
            RecordValue::Nil => (RecordValue::Nil, &[]),
            RecordValue::Bool(v) => (RecordValue::Bool(*v), &[]),
            RecordValue::Int(v) => (RecordValue::Int(*v), &[]),
            RecordValue::Table(v) => (RecordValue::Table(*v), &[]),
            RecordValue::Function(v) => (RecordValue::Function(*v), &[]),
            RecordValue::Builtin(v) => (RecordValue::Builtin(*v), &[]),
            RecordValue::Symbol(v) => (RecordValue::Symbol(*v), &[]),
            RecordValue::Stat(v) => (RecordValue::Stat(*v), &[]),
            RecordValue::Format(v) => (RecordValue::Format(*v), &[]),
        };
        Owned {
            shape,
            bytes: bytes.to_vec(),
        }
    }

    /// Returns the value.
    pub fn value(&self) -> RecordValue<'_> {
        match &self.shape {
            RecordValue::Str(_) => RecordValue::Str(&self.bytes),
            RecordValue::Stack(user, pid, _) => RecordValue::Stack(*user, *pid, &self.bytes),
            RecordValue::Event(id, _) => RecordValue::Event(*id, &self.bytes),
            shape => shape.clone(),
        }
    }
}
