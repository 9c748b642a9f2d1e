//! Records: what a running program sends to the host.
//!
//! In: values of the VM, through [`RecordWriter`]. Out: [`Record`], on the host. Invariant: a record is exactly the postcard
//! encoding of [`Record`]; the writer makes those bytes by hand, for the kernel has neither serde nor an allocator, and a
//! property test holds the two together.

/// The probe id of records made by main.
pub const MAIN_PROBE: u16 = u16::MAX;

/// How a table is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum TableStyle {
    /// `print(t)`: its entries.
    Dump = 0,
    /// `print_hist(t[, n])`: HEAD's layout.
    PrintHist = 1,
    /// `histogram(t[, n])`: the layout of 0.3 and 0.4.
    Histogram = 2,
}

/// Tags of values in records, the numbers of [`RecordValue`]'s variants.
#[allow(missing_docs)]
pub mod tag {
    pub const NIL: u8 = 0;
    pub const BOOL: u8 = 1;
    pub const INT: u8 = 2;
    pub const STR: u8 = 3;
    pub const TABLE: u8 = 4;
    pub const FUNCTION: u8 = 5;
    pub const BUILTIN: u8 = 6;
    pub const STACK: u8 = 7;
    pub const EVENT: u8 = 8;
    pub const SYMBOL: u8 = 9;
    pub const STAT: u8 = 10;
    pub const FORMAT: u8 = 11;
}

/// Tags of bodies, the numbers of [`RecordBody`]'s variants.
#[allow(missing_docs)]
pub mod body {
    pub const PRINT: u8 = 0;
    pub const PRINTF: u8 = 1;
    pub const TABLE_BEGIN: u8 = 2;
    pub const TABLE_ROW: u8 = 3;
    pub const TABLE_END: u8 = 4;
    pub const RAW: u8 = 5;
    pub const CLOCK: u8 = 6;
}

/// What stands in front of every record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The trace clock, nanoseconds.
    pub time_ns: u64,
    /// The CPU.
    pub cpu: u16,
    /// The attached probe, or [`MAIN_PROBE`].
    pub probe: u16,
}

/// Most bytes of an encoded header.
pub const MAX_HEADER: usize = 16;

/// Encodes a header and returns its length; header and body, one after the other, are a record.
pub fn encode_header(header: RecordHeader, buf: &mut [u8; MAX_HEADER]) -> usize {
    let mut w = RecordWriter::body(buf);
    w.varint(header.time_ns);
    w.varint(header.cpu as u64);
    w.varint(header.probe as u64);
    w.len
}

/// Writes the body of one record into a fixed buffer: `body`, its values, `finish`.
pub struct RecordWriter<'b> {
    buf: &'b mut [u8],
    len: usize,
    full: bool,
}

impl<'b> RecordWriter<'b> {
    /// Starts a body; its header is [`encode_header`]'s.
    pub fn body(buf: &'b mut [u8]) -> Self {
        RecordWriter {
            buf,
            len: 0,
            full: false,
        }
    }

    /// Ends the body; nothing if it did not fit its buffer.
    pub fn finish(self) -> Option<&'b [u8]> {
        if self.full {
            return None;
        }
        self.buf.get(..self.len)
    }

    /// Starts a `Print` body of `count` values.
    #[inline]
    pub fn print(&mut self, count: usize) {
        self.byte(body::PRINT);
        self.varint(count as u64);
    }

    /// Starts a `Printf` body of `count` values, the first of them the format.
    #[inline]
    pub fn printf(&mut self, count: usize) {
        self.byte(body::PRINTF);
        self.varint(count as u64);
    }

    /// Writes a `TableBegin` body; `limit` is the number of rows asked for, 0 for the style's default.
    pub fn table_begin(&mut self, style: TableStyle, limit: u32, rows: u32) {
        self.byte(body::TABLE_BEGIN);
        self.byte(style as u8);
        self.varint(limit as u64);
        self.varint(rows as u64);
    }

    /// Starts a `TableRow` body; the key and the value follow.
    pub fn table_row(&mut self) {
        self.byte(body::TABLE_ROW);
    }

    /// Writes a `TableEnd` body.
    pub fn table_end(&mut self) {
        self.byte(body::TABLE_END);
    }

    /// Writes a `Raw` body: bytes for the output as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.byte(body::RAW);
        self.byte_string(bytes);
    }

    /// Writes a `Clock` body: the record's own time is to be printed.
    pub fn clock(&mut self) {
        self.byte(body::CLOCK);
    }

    /// Writes the value nil.
    pub fn nil(&mut self) {
        self.byte(tag::NIL);
    }

    /// Writes a boolean.
    pub fn boolean(&mut self, value: bool) {
        self.byte(tag::BOOL);
        self.byte(value as u8);
    }

    /// Writes a number.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.byte(tag::INT);
        self.zigzag(value);
    }

    /// Writes a string.
    #[inline]
    pub fn str(&mut self, bytes: &[u8]) {
        self.byte(tag::STR);
        self.byte_string(bytes);
    }

    /// Writes a table by its handle, for `print` among other values.
    pub fn table(&mut self, handle: u32) {
        self.byte(tag::TABLE);
        self.varint(handle as u64);
    }

    /// Writes a function by its handle.
    pub fn function(&mut self, handle: u32) {
        self.byte(tag::FUNCTION);
        self.varint(handle as u64);
    }

    /// Writes a builtin by its number.
    pub fn builtin(&mut self, number: u8) {
        self.byte(tag::BUILTIN);
        self.byte(number);
    }

    /// Writes a stack: eight little-endian bytes per address, innermost first. With `user` it is of the process `pid`.
    pub fn stack(&mut self, user: bool, pid: u32, addresses: &[u8]) {
        self.byte(tag::STACK);
        self.byte(user as u8);
        self.varint(pid as u64);
        self.byte_string(addresses);
    }

    /// Writes an event: the kernel's id of its format and its raw record.
    #[inline]
    pub fn event(&mut self, id: u16, raw: &[u8]) {
        self.event_head(id, raw.len());
        self.bytes(raw);
    }

    /// Starts an event, whose raw record of `len` bytes is to follow.
    #[inline]
    pub fn event_head(&mut self, id: u16, len: usize) {
        self.byte(tag::EVENT);
        self.varint(id as u64);
        self.varint(len as u64);
    }

    /// Writes a kernel address that is to be shown as its symbol.
    pub fn symbol(&mut self, address: u64) {
        self.byte(tag::SYMBOL);
        self.varint(address);
    }

    /// Writes an aggregation.
    pub fn stat(&mut self, stat: Stat) {
        self.byte(tag::STAT);
        self.varint(stat.count);
        self.zigzag(stat.sum);
        self.zigzag(stat.min);
        self.zigzag(stat.max);
    }

    /// Writes a format's id.
    #[inline]
    pub fn format(&mut self, id: u16) {
        self.byte(tag::FORMAT);
        self.varint(id as u64);
    }

    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        match self.buf.get_mut(self.len) {
            Some(slot) => {
                *slot = byte;
                self.len += 1;
            }
            None => self.full = true,
        }
    }

    #[inline(always)]
    fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.byte(value as u8);
        } else {
            self.long_varint(value);
        }
    }

    /// A number of several bytes. Apart, as there are many numbers to write and most are small.
    #[inline(never)]
    fn long_varint(&mut self, value: u64) {
        let mut rest = value;
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    #[inline(always)]
    fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    #[inline(always)]
    fn byte_string(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let room = self.buf.get_mut(self.len..);
        match room.and_then(|room| room.get_mut(..bytes.len())) {
            Some(slot) => {
                // Of one length, so that there is no panic path.
                slot.copy_from_slice(bytes);
                self.len = self.len.wrapping_add(bytes.len());
            }
            None => self.full = true,
        }
    }
}

/// What an aggregation holds of the numbers given to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
#[repr(C)]
pub struct Stat {
    /// Numbers given.
    pub count: u64,
    /// Their sum, wrapping.
    pub sum: i64,
    /// The least.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

#[cfg(feature = "alloc")]
pub use decoded::{Record, RecordBody, RecordValue};

#[cfg(feature = "alloc")]
mod decoded {
    use super::{Stat, TableStyle};
    use alloc::vec::Vec;
    use serde::{Deserialize, Serialize};

    /// A record, decoded; it borrows from the bytes that came over the link.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Record<'a> {
        /// The trace clock (CLOCK_MONOTONIC unless the engine says otherwise), nanoseconds.
        pub time_ns: u64,
        /// The CPU.
        pub cpu: u16,
        /// The attached probe, or [`super::MAIN_PROBE`].
        pub probe: u16,
        /// What it says.
        #[serde(borrow)]
        pub body: RecordBody<'a>,
    }

    /// What a record says. Variants are append-only.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum RecordBody<'a> {
        /// `print(...)`.
        Print(#[serde(borrow)] Vec<RecordValue<'a>>),
        /// `printf(fmt, ...)`; the first value is the format or its text.
        Printf(#[serde(borrow)] Vec<RecordValue<'a>>),
        /// A table follows: style, rows asked for (0: the default), rows to come.
        TableBegin(TableStyle, u32, u32),
        /// A row of it.
        TableRow(#[serde(borrow)] RecordValue<'a>, RecordValue<'a>),
        /// The table is whole.
        TableEnd,
        /// Bytes for the output.
        Raw(&'a [u8]),
        /// `print_trace_clock()`.
        Clock,
    }

    /// A value in a record. Variants are append-only.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum RecordValue<'a> {
        /// nil.
        Nil,
        /// true or false.
        Bool(bool),
        /// A number.
        Int(i64),
        /// A string.
        Str(&'a [u8]),
        /// A table's handle.
        Table(u32),
        /// A function's handle.
        Function(u32),
        /// A builtin's number.
        Builtin(u8),
        /// A stack: user?, pid, addresses of eight little-endian bytes, innermost first.
        Stack(bool, u32, &'a [u8]),
        /// An event: the kernel's id of its format and its raw record.
        Event(u16, &'a [u8]),
        /// A kernel address to be shown as its symbol.
        Symbol(u64),
        /// An aggregation.
        Stat(Stat),
        /// A format's id.
        Format(u16),
    }

    impl<'a> Record<'a> {
        /// Decodes the first record of `bytes` and returns the rest.
        ///
        /// # Errors
        /// Bytes that are no record.
        pub fn take(bytes: &'a [u8]) -> Result<(Record<'a>, &'a [u8]), postcard::Error> {
            postcard::take_from_bytes(bytes)
        }
    }
}
