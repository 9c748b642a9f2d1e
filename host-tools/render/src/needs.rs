//! What must be known before a record can be rendered.
//!
//! In: a record. Out: [`Needs`]. Invariant: whoever has fetched all of it may feed the record and will see no number that could
//! have been a name.

use ktap_bytecode::record::{Record, RecordBody, RecordValue};

/// What one record refers to outside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Kernel ids of events whose formats are needed, each once.
    pub events: Vec<u16>,
    /// True if kernel addresses are to be named. The events may want it too: their formats tell, by
    /// [`EventFormat::names_addresses`](ktap_symbols::format::EventFormat::names_addresses).
    pub kernel_symbols: bool,
    /// Processes whose addresses are to be named, each once.
    pub processes: Vec<u32>,
}

impl Needs {
    /// Returns what `record` refers to. `printf` may name any number, so a `%p` in a format asks for nothing here: see
    /// [`crate::Renderer::needs`], which knows the formats.
    pub fn of(record: &Record<'_>) -> Needs {
        let mut needs = Needs::default();
        match &record.body {
            RecordBody::Print(values) | RecordBody::Printf(values) => values.iter().for_each(|value| needs.add(value)),
            RecordBody::TableRow(key, value) => {
                needs.add(key);
                needs.add(value);
            }
            RecordBody::TableBegin(..) | RecordBody::TableEnd | RecordBody::Raw(_) | RecordBody::Clock => {}
        }
        needs
    }

    fn add(&mut self, value: &RecordValue<'_>) {
        match value {
            RecordValue::Event(id, _) => add_once(&mut self.events, *id),
            RecordValue::Stack(true, pid, _) => add_once(&mut self.processes, *pid),
            RecordValue::Stack(false, ..) | RecordValue::Symbol(_) => self.kernel_symbols = true,
            _ => {}
        }
    }
}

fn add_once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
