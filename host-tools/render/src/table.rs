//! Tables, which come as a record for each row.
//!
//! In: the beginning, the rows and the end of tables, several at once. Out: whole tables, as text. Invariant: rows go to the
//! table of their own run, for only those come one after the other: handlers run on several CPUs, and one may interrupt another.

use std::collections::BTreeMap;

use ktap_bytecode::record::{RecordValue, TableStyle};

use crate::hist::{Histogram, NotNumbers};
use crate::owned::Owned;
use crate::resolver::Resolver;
use crate::value;

/// Who sends a table: a CPU and an attached probe.
pub type Sender = (u16, u16);

/// A table, whole or cut short.
#[derive(Clone, Debug)]
pub struct Table {
    /// The time of its beginning, nanoseconds.
    pub time_ns: u64,
    /// How it is to be shown.
    pub style: TableStyle,
    /// Rows asked for, 0 for the default.
    pub limit: u32,
    /// Rows the board wanted to send.
    pub announced: u32,
    /// Rows that came.
    pub rows: Vec<(Owned, Owned)>,
}

impl Table {
    /// Returns the table as text.
    ///
    /// # Errors
    /// A histogram of what are no numbers.
    pub fn text(&self, resolver: &dyn Resolver) -> Result<Vec<u8>, NotNumbers> {
        match self.style {
            TableStyle::Dump => Ok(self.dump(resolver)),
            style => {
                let rows = self.values();
                Ok(Histogram::new(style, self.limit, &rows)?.text(resolver))
            }
        }
    }

    /// Returns the rows.
    pub fn values(&self) -> Vec<(RecordValue<'_>, RecordValue<'_>)> {
        self.rows
            .iter()
            .map(|(key, value)| (key.value(), value.value()))
            .collect()
    }

    /// `key:`, a tab and the value on a line for each row, in the order they came: the layout of ktap 0.4. A table inside is its handle.
    fn dump(&self, resolver: &dyn Resolver) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in self.values() {
            out.extend_from_slice(&value::key_text(&key, resolver));
            out.extend_from_slice(b":\t");
            out.extend_from_slice(&value::text(&value, resolver));
            out.push(b'\n');
        }
        out
    }
}

/// One run of a handler: its CPU, its probe and the time of its event, which all its records bear.
pub type Run = (u16, u16, u64);

/// No handler is at one table for so long, nanoseconds: the end of an older one was lost.
const LONGEST: u64 = 1_000_000_000;

/// The tables that are on their way.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    open: BTreeMap<Run, Table>,
}

impl Tables {
    /// Begins a table. Returns those of the same CPU and probe whose ends were lost.
    pub fn begin(&mut self, run: Run, table: Table) -> Vec<Table> {
        let (cpu, probe, now) = run;
        let old: Vec<Run> = self
            .open
            .range((cpu, probe, 0)..(cpu, probe, now.saturating_sub(LONGEST)))
            .map(|(run, _)| *run)
            .collect();
        let mut lost: Vec<Table> = old.iter().filter_map(|run| self.open.remove(run)).collect();
        lost.extend(self.open.insert(run, table));
        lost
    }

    /// Adds a row; one whose beginning was lost is nobody's.
    pub fn row(&mut self, run: Run, key: &RecordValue<'_>, value: &RecordValue<'_>) {
        if let Some(table) = self.open.get_mut(&run) {
            table.rows.push((Owned::copy(key), Owned::copy(value)));
        }
    }

    /// Ends a table.
    pub fn end(&mut self, run: Run) -> Option<Table> {
        self.open.remove(&run)
    }

    /// Ends all tables.
    pub fn end_all(&mut self) -> impl Iterator<Item = (Sender, Table)> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|((cpu, probe, _), table)| ((cpu, probe), table))
    }
}
