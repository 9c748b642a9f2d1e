//! Histograms: the two layouts ktap had.
//!
//! In: rows of keys and numbers. Out: `print_hist` as in its last tree, `histogram` as in 0.3 and 0.4. Invariant: rows stand by
//! number, largest first, then by key; sums cannot overflow.

use std::cmp::Ordering;

use ktap_bytecode::record::{RecordValue, TableStyle};

use crate::resolver::Resolver;
use crate::value;

/// Rows shown if the script names no number.
const DEFAULT_LIMIT: usize = 20;
/// The least and the largest number `print_hist` takes.
const PRINT_HIST_LIMITS: (usize, usize) = (20, 1000);
const HEADING: &str = "------------- Distribution -------------";
/// A key longer than this does not stand in its column.
const LONG_KEY: usize = 32;
/// What is left of a long key that is cut.
const CUT_KEY: usize = 28;

/// A histogram was asked of a table with other values than numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("print_hist only can print number")]
pub struct NotNumbers;

/// A table as a histogram.
pub struct Histogram<'t> {
    style: Style,
    rows: Vec<(&'t RecordValue<'t>, i64)>,
    shown: usize,
    more: bool,
    sum: i128,
}

/// What differs between the layouts.
#[derive(Clone, Copy)]
struct Style {
    key_width: usize,
    bar_width: usize,
    /// Long keys stand on lines of their own; otherwise they are cut.
    long_keys: bool,
    /// A table of kernel addresses is shown by their names.
    guess_symbols: bool,
}

const PRINT_HIST: Style = Style {
    key_width: 31,
    bar_width: 38,
    long_keys: true,
    guess_symbols: false,
};
const HISTOGRAM: Style = Style {
    key_width: 32,
    bar_width: 39,
    long_keys: false,
    guess_symbols: true,
};

impl<'t> Histogram<'t> {
    /// Sorts the rows of a table and cuts them to `limit`, 0 for the default. An aggregation counts by its count.
    ///
    /// # Errors
    /// A value that is neither a number nor an aggregation.
    pub fn new(
        style: TableStyle,
        limit: u32,
        table: &'t [(RecordValue<'t>, RecordValue<'t>)],
    ) -> Result<Histogram<'t>, NotNumbers> {
        let number = |(key, value): &'t (RecordValue<'t>, RecordValue<'t>)| match value {
            RecordValue::Int(n) => Ok((key, *n)),
            RecordValue::Stat(stat) => Ok((key, i64::try_from(stat.count).unwrap_or(i64::MAX))),
            _ => Err(NotNumbers),
        };
        let mut rows = table.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| compare_keys(a.0, b.0)));
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit as usize };
        let (style, shown, more) = if style == TableStyle::PrintHist {
            // ktap's own count: with n entries or more, n - 1 of them and a line of dots.
            let limit = limit.clamp(PRINT_HIST_LIMITS.0, PRINT_HIST_LIMITS.1);
            (PRINT_HIST, rows.len().min(limit - 1), rows.len() >= limit)
        } else {
            (HISTOGRAM, rows.len().min(limit), rows.len() > limit)
        };
        let sum = rows.iter().map(|(_, n)| i128::from(*n)).sum();
        Ok(Histogram {
            style,
            rows,
            shown,
            more,
            sum,
        })
    }

    /// Returns all rows, sorted.
    pub fn rows(&self) -> &[(&'t RecordValue<'t>, i64)] {
        &self.rows
    }

    /// Returns the number of rows that are shown.
    pub fn shown(&self) -> usize {
        self.shown
    }

    /// Returns the histogram as text.
    pub fn text(&self, resolver: &dyn Resolver) -> Vec<u8> {
        let Style {
            key_width,
            guess_symbols,
            ..
        } = self.style;
        let mut out = format!("{:>key_width$}{HEADING} count\n", "value ").into_bytes();
        // The layout of 0.3 and 0.4 looked at the first key and then named all of them.
        let symbols = guess_symbols
            && matches!(self.rows.first(), Some((RecordValue::Int(n), _)) if resolver.symbol(*n as u64).is_some());
        for (key, number) in self.rows.iter().take(self.shown) {
            self.row(&mut out, key, *number, symbols, resolver);
        }
        if self.more {
            out.extend_from_slice(format!("{:>key_width$} |\n", "...").as_bytes());
        }
        out
    }

    fn row(&self, out: &mut Vec<u8>, key: &RecordValue<'_>, number: i64, symbols: bool, resolver: &dyn Resolver) {
        let stack = matches!(key, RecordValue::Stack(..));
        let mut text = match key {
            RecordValue::Int(n) if symbols => value::symbol(*n as u64, resolver).into_bytes(),
            key => value::key_text(key, resolver),
        };
        // A stack has lines of its own in either layout.
        let long = stack || text.len() > LONG_KEY;
        let bar = self.bar(number);
        if long && (stack || self.style.long_keys && !matches!(key, RecordValue::Symbol(_))) {
            out.extend_from_slice(&text);
            out.extend_from_slice(format!("{bar}\n{number}\n\n").as_bytes());
            return;
        }
        if long {
            text.truncate(CUT_KEY);
            text.extend_from_slice(b"...");
        }
        let blanks = self.style.key_width.saturating_sub(text.len());
        out.resize(out.len() + blanks, b' ');
        out.extend_from_slice(&text);
        out.extend_from_slice(format!(" |{bar}{number:<7}\n").as_bytes());
    }

    fn bar(&self, number: i64) -> String {
        let width = self.style.bar_width;
        let marks = if number > 0 && self.sum > 0 {
            i128::from(number) * width as i128 / self.sum
        } else {
            0
        };
        // With negative rows in the table, one row can be more than the whole.
        format!("{:width$}", "@".repeat(width.min(marks as usize)))
    }
}

/// Orders keys: by type, then numbers by value and strings by bytes.
pub fn compare_keys(a: &RecordValue<'_>, b: &RecordValue<'_>) -> Ordering {
    match (a, b) {
        (RecordValue::Bool(a), RecordValue::Bool(b)) => a.cmp(b),
        (RecordValue::Int(a), RecordValue::Int(b)) => a.cmp(b),
        (RecordValue::Str(a), RecordValue::Str(b)) => a.cmp(b),
        (RecordValue::Symbol(a), RecordValue::Symbol(b)) => a.cmp(b),
        (RecordValue::Stack(_, _, a), RecordValue::Stack(_, _, b)) => a.cmp(b),
        (RecordValue::Event(id_a, a), RecordValue::Event(id_b, b)) => id_a.cmp(id_b).then_with(|| a.cmp(b)),
        (RecordValue::Table(a), RecordValue::Table(b)) | (RecordValue::Function(a), RecordValue::Function(b)) => {
            a.cmp(b)
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &RecordValue<'_>) -> u8 {
    match value {
        RecordValue::Nil => 0,
        RecordValue::Bool(_) => 1,
        RecordValue::Int(_) => 2,
        RecordValue::Str(_) => 3,
        RecordValue::Symbol(_) => 4,
        RecordValue::Stack(..) => 5,
        RecordValue::Event(..) => 6,
        RecordValue::Table(_) => 7,
        RecordValue::Function(_) => 8,
        RecordValue::Builtin(_) => 9,
        RecordValue::Stat(_) => 10,
        RecordValue::Format(_) => 11,
    }
}
