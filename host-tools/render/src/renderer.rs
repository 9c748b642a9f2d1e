//! The renderer.
//!
//! In: records in the order they are to be shown. Out: bytes for the output. Invariant: records are written whole and in order;
//! only tables wait, until their last row.

use std::io::{self, Write};

use ktap_bytecode::record::{Record, RecordBody, RecordValue};

use crate::hist::NotNumbers;
use crate::json;
use crate::needs::Needs;
use crate::print;
use crate::printf::{PrintfError, PrintfFormat};
use crate::resolver::Resolver;
use crate::stamp::{Stamper, clock};
use crate::table::{Sender, Table, Tables};

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// As ktap prints.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How to render.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The form.
    pub output: Output,
    /// Puts the trace clock before every line of text; JSON has it anyway.
    pub timestamps: bool,
}

/// Why a record could not be rendered. Records after it can be.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The output takes no more.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `printf` with a wrong format or wrong arguments.
    #[error(transparent)]
    Printf(#[from] PrintfError),
    /// A histogram of other values than numbers.
    #[error(transparent)]
    Histogram(#[from] NotNumbers),
    /// A `printf` whose format the program does not have.
    #[error("the program has no format {0}")]
    UnknownFormat(u16),
}

/// Turns records into output.
pub struct Renderer {
    config: Config,
    formats: Vec<Result<PrintfFormat, PrintfError>>,
    stamper: Stamper,
    tables: Tables,
}

impl Renderer {
    /// Makes a renderer for a program whose formats have these texts, by id.
    pub fn new(config: Config, formats: &[Vec<u8>]) -> Renderer {
        let formats = formats.iter().map(|text| PrintfFormat::parse(text)).collect();
        Renderer {
            config,
            formats,
            stamper: Stamper::new(),
            tables: Tables::default(),
        }
    }

    /// Returns what must be known before `record` is fed.
    pub fn needs(&self, record: &Record<'_>) -> Needs {
        let mut needs = Needs::of(record);
        if let RecordBody::Printf(values) = &record.body
            && let Some(format) = values.first()
        {
            needs.kernel_symbols |= self
                .with_format(format, |format| Ok(format.names_addresses()))
                .unwrap_or(false);
        }
        needs
    }

    /// Writes what `record` says.
    ///
    /// # Errors
    /// See [`RenderError`]; what is wrong with the record is the script's fault and its probe is `record.probe`.
    pub fn feed(
        &mut self,
        record: &Record<'_>,
        resolver: &dyn Resolver,
        out: &mut dyn Write,
    ) -> Result<(), RenderError> {
        let sender = (record.cpu, record.probe);
        let run = (record.cpu, record.probe, record.time_ns);
        match &record.body {
            RecordBody::TableBegin(style, limit, rows) => {
                let (limit, announced) = (*limit, *rows);
                let table = Table {
                    time_ns: record.time_ns,
                    style: *style,
                    limit,
                    announced,
                    rows: Vec::new(),
                };
                return self
                    .tables
                    .begin(run, table)
                    .iter()
                    .try_for_each(|cut| self.write_table(sender, cut, resolver, out));
            }
            RecordBody::TableRow(key, value) => {
                self.tables.row(run, key, value);
                return Ok(());
            }
            RecordBody::TableEnd => {
                return match self.tables.end(run) {
                    Some(table) => self.write_table(sender, &table, resolver, out),
                    None => Ok(()),
                };
            }
            _ => {}
        }
        if self.config.output == Output::Json {
            let text = match &record.body {
                RecordBody::Printf(values) => self.printf(values, resolver)?,
                _ => Vec::new(),
            };
            return Ok(json::write_line(&json::record(record, &text, resolver), out)?);
        }
        let text = match &record.body {
            RecordBody::Print(values) => print::line(values, resolver),
            RecordBody::Printf(values) => self.printf(values, resolver)?,
            RecordBody::Raw(bytes) => bytes.to_vec(),
            RecordBody::Clock => format!("{}\n", clock(record.time_ns)).into_bytes(),
            RecordBody::TableBegin(..) | RecordBody::TableRow(..) | RecordBody::TableEnd => Vec::new(),
        };
        self.write_text(&text, record.time_ns, out)
    }

    /// Writes the tables whose ends were lost: to be called when no record will come any more.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn finish(&mut self, resolver: &dyn Resolver, out: &mut dyn Write) -> Result<(), RenderError> {
        let cut: Vec<(Sender, Table)> = self.tables.end_all().collect();
        cut.iter()
            .try_for_each(|(sender, table)| self.write_table(*sender, table, resolver, out))
    }

    fn printf(&self, values: &[RecordValue<'_>], resolver: &dyn Resolver) -> Result<Vec<u8>, RenderError> {
        let (format, values) = values.split_first().ok_or(PrintfError::FormatType)?;
        self.with_format(format, |format| Ok(format.render(values, resolver)?))
    }

    /// Calls `then` with the format a value names, or is.
    fn with_format<T>(
        &self,
        value: &RecordValue<'_>,
        then: impl FnOnce(&PrintfFormat) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        match value {
            RecordValue::Format(id) => match self.formats.get(usize::from(*id)) {
                Some(Ok(format)) => then(format),
                Some(Err(error)) => Err((*error).into()),
                None => Err(RenderError::UnknownFormat(*id)),
            },
            RecordValue::Str(text) => then(&PrintfFormat::parse(text)?),
            _ => Err(PrintfError::FormatType.into()),
        }
    }

    fn write_table(
        &mut self,
        sender: Sender,
        table: &Table,
        resolver: &dyn Resolver,
        out: &mut dyn Write,
    ) -> Result<(), RenderError> {
        if self.config.output == Output::Json {
            return Ok(json::write_line(&json::table(sender, table, resolver)?, out)?);
        }
        let text = table.text(resolver)?;
        self.write_text(&text, table.time_ns, out)
    }

    fn write_text(&mut self, text: &[u8], time_ns: u64, out: &mut dyn Write) -> Result<(), RenderError> {
        if self.config.timestamps {
            out.write_all(&self.stamper.stamp(text, time_ns))?;
        } else {
            out.write_all(text)?;
        }
        Ok(())
    }
}
