//! Values: 16 bytes, a tag with a kind and a payload.
//!
//! In: constants, fields, results. Out: [`Value`]. Invariant: a value's two words are equal exactly when the values are, for
//! values that are keys of tables (retained strings are interned, so a handle stands for its bytes).

/// What a value is. The low 32 bits of its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Tag {
    Nil = 0,
    /// Payload 0 or 1.
    Bool = 1,
    Int = 2,
    /// A string in the frame's scratch arena; the payload is the word where its body starts, `aux` its [`Kind`].
    Temp = 3,
    /// A retained string; the payload is its handle, `aux` its [`Kind`].
    Str = 4,
    Table = 5,
    Closure = 6,
    /// Payload is the builtin's number.
    Builtin = 7,
    /// The current event.
    Event = 8,
    /// A kernel address shown as its symbol.
    Symbol = 9,
    /// Payload is the format's id.
    Format = 10,
    /// A snapshot of an aggregation in the scratch arena.
    Snapshot = 11,
    /// An aggregation in a table's slot.
    Stat = 12,
    /// A captured variable; never leaves the registers of its function.
    Cell = 13,
    /// How far `pairs` came; `aux` 0 in the list part, 1 in the keyed part.
    Cursor = 14,
    /// No value: what was asked for could not be done quickly. Never in a register.
    Missed = 15,
}

/// What a string holds. The `aux` of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Text = 0,
    /// Addresses, eight little-endian bytes each.
    Stack = 1,
    /// A raw event.
    Event = 2,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Value {
    /// `tag:32 aux:32` from the low half up.
    head: u64,
    pub(crate) payload: u64,
}

const _: () = assert!(size_of::<Value>() == 16);

impl Value {
    pub(crate) const NIL: Value = Value::new(Tag::Nil, 0, 0);
    pub(crate) const MISSED: Value = Value::new(Tag::Missed, 0, 0);
    pub(crate) const EVENT: Value = Value::new(Tag::Event, 0, 0);

    pub(crate) const fn new(tag: Tag, aux: u32, payload: u64) -> Value {
        Value {
            head: tag as u64 | (aux as u64) << 32,
            payload,
        }
    }

    #[inline(always)]
    pub(crate) const fn tag(self) -> u32 {
        self.head as u32
    }

    #[inline(always)]
    pub(crate) const fn aux(self) -> u32 {
        (self.head >> 32) as u32
    }

    pub(crate) const fn int(value: i64) -> Value {
        Value::new(Tag::Int, 0, value as u64)
    }

    pub(crate) const fn boolean(value: bool) -> Value {
        Value::new(Tag::Bool, 0, value as u64)
    }

    #[inline(always)]
    pub(crate) const fn is(self, tag: Tag) -> bool {
        self.tag() == tag as u32
    }

    #[inline(always)]
    pub(crate) const fn is_nil(self) -> bool {
        self.is(Tag::Nil)
    }

    /// Only nil and false are false.
    #[inline(always)]
    pub(crate) const fn truth(self) -> bool {
        !(self.is_nil() || self.is(Tag::Bool) && self.payload == 0)
    }

    pub(crate) const fn as_int(self) -> Option<i64> {
        if self.is(Tag::Int) {
            Some(self.payload as i64)
        } else {
            None
        }
    }

    /// True for strings of any kind.
    pub(crate) const fn is_string(self) -> bool {
        self.is(Tag::Temp) || self.is(Tag::Str)
    }

    /// True for strings with a text.
    pub(crate) const fn is_text(self) -> bool {
        self.is_string() && self.aux() == Kind::Text as u32
    }

    /// The handle of a heap object.
    pub(crate) const fn handle(self) -> u32 {
        self.payload as u32
    }

    /// True for values that refer to a counted object of the heap.
    pub(crate) const fn is_counted(self) -> bool {
        const COUNTED: u64 = 1 << Tag::Str as u64
            | 1 << Tag::Table as u64
            | 1 << Tag::Closure as u64
            | 1 << Tag::Stat as u64
            | 1 << Tag::Cell as u64;
        // A tag is below 16.
        COUNTED >> (self.tag() & 63) & 1 == 1
    }

    /// True for values that may be put anywhere as they are: no string or aggregation of the run's own, and not counted.
    #[inline(always)]
    pub(crate) const fn is_plain(self) -> bool {
        const PLAIN: u64 = 1 << Tag::Nil as u64
            | 1 << Tag::Bool as u64
            | 1 << Tag::Int as u64
            | 1 << Tag::Builtin as u64
            | 1 << Tag::Symbol as u64
            | 1 << Tag::Format as u64;
        PLAIN >> (self.tag() & 63) & 1 == 1
    }

    /// The first of its two words.
    #[inline(always)]
    pub(crate) const fn head(self) -> u64 {
        self.head
    }

    /// From its two words.
    #[inline(always)]
    pub(crate) const fn from_words(head: u64, payload: u64) -> Value {
        Value { head, payload }
    }
}
