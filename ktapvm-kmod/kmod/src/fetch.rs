//! Fetch-args: registers, stack and memory at the probe, into the record.
//!
//! In: the device's fetches. Out: [`Fetch`], [`fill`]. Invariant: memory is read only by the kernel's fault-safe reads, of what cannot be read a number is
//! 0 and a string has no bytes, and nothing is written outside the record.

use core::ffi::c_void;

use ktap_bytecode::limits::COMM_LEN;
use ktap_device::attach::{self, Base as RawBase, Shape as RawShape};

use crate::border::{
    self, KpEvent, kph_comm, kph_read, kph_read_str, kph_regs_argument, kph_regs_retval, kph_regs_stack, kph_regs_word,
};
use crate::buffer::RECORD_ROOM;
use crate::source::{Size, Span};

/// Most fetch-args of a probe (the kernel's MAX_TRACE_ARGS).
pub(crate) const MAX_FETCHES: usize = 128;
/// Most dereferences of one.
pub(crate) const MAX_DEREFS: u32 = 16;
/// Most elements of an array (the kernel's MAX_ARRAY_LEN).
const MAX_ARRAY: u32 = 64;
/// Bytes of a string's word in the record.
const LOCATED: usize = 4;
/// Largest offset of a register; no pt_regs is larger.
const MAX_REGISTER: u64 = 4096;

/// Where a fetch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Register(u32),
    StackSlot(u32),
    Stack,
    Retval,
    Argument(u32),
    Immediate(u64),
    Text(Span),
    Comm,
}

/// What is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number(Size),
    Bits { size: Size, width: u8, shift: u8 },
    String { user: bool },
}

/// A fetch-arg, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    base: Base,
    shape: Shape,
    first: u32,
    derefs: u32,
    count: u32,
    place: u32,
}

/// A dereference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deref {
    offset: i64,
    user: bool,
}

impl Deref {
    /// Takes a dereference; nothing if it is none.
    pub(crate) fn check(raw: &attach::Deref) -> Option<Deref> {
        (raw.user <= 1 && raw.reserved == 0).then_some(Deref {
            offset: raw.offset,
            user: raw.user == 1,
        })
    }
}

impl Fetch {
    /// Checks a fetch against the sizes of its surroundings. A register stands by the name's place in the text: `register` says where it is.
    pub(crate) fn check(
        raw: &attach::Fetch,
        text: usize,
        derefs: usize,
        record: usize,
        register: impl FnOnce(Span) -> Option<i64>,
    ) -> Result<Fetch, Wrong> {
        let shape = match RawShape::from_number(raw.shape).ok_or(Wrong::Malformed)? {
            RawShape::String => Shape::String { user: false },
            RawShape::UserString => Shape::String { user: true },
            RawShape::Unsigned | RawShape::Signed => Shape::Number(Size::of(raw.size).ok_or(Wrong::Malformed)?),
            RawShape::Bits => {
                let size = Size::of(raw.size).ok_or(Wrong::Malformed)?;
                let (width, shift) = (raw.width, raw.shift);
                let bits = size.bytes() as u32 * 8;
                if width == 0 || width as u32 + shift as u32 > bits {
                    return Err(Wrong::Malformed);
                }
                Shape::Bits { size, width, shift }
            }
        };
        let small = || u32::try_from(raw.value).map_err(|_| Wrong::Malformed);
        let base = match RawBase::from_number(raw.base).ok_or(Wrong::Malformed)? {
            RawBase::Register => {
                let name = Span::packed(raw.value, text).ok_or(Wrong::Malformed)?;
                let offset = register(name).ok_or(Wrong::Malformed)?;
                match u64::try_from(offset) {
                    Ok(offset) if offset < MAX_REGISTER => Base::Register(offset as u32),
                    _ => return Err(Wrong::NoRegister),
                }
            }
            RawBase::StackSlot => Base::StackSlot(small()?),
            RawBase::Stack => Base::Stack,
            RawBase::Retval => Base::Retval,
            RawBase::Argument => Base::Argument(small()?),
            RawBase::Immediate => Base::Immediate(raw.value),
            RawBase::Text => Base::Text(Span::packed(raw.value, text).ok_or(Wrong::Malformed)?),
            RawBase::Comm => Base::Comm,
        };
        let string = matches!(shape, Shape::String { .. });
        let own_text = matches!(base, Base::Text(_) | Base::Comm);
        let listed = raw.first_deref as u64 + raw.derefs as u64 <= derefs as u64;
        let fits = listed && raw.derefs <= MAX_DEREFS && raw.count <= MAX_ARRAY && raw.reserved == 0;
        // A text is there already; an array of strings is one of pointers, so there is something to follow.
        let sensible = if own_text {
            string && raw.derefs == 0 && raw.count == 0
        } else {
            !(string && raw.count > 0 && raw.derefs == 0)
        };
        let fetch = Fetch {
            base,
            shape,
            first: raw.first_deref,
            derefs: raw.derefs,
            count: raw.count,
            place: raw.place,
        };
        let end = raw.place as u64 + fetch.element() as u64 * raw.count.max(1) as u64;
        if !fits || !sensible || raw.place < 8 || end > record as u64 {
            return Err(Wrong::Malformed);
        }
        Ok(fetch)
    }

    /// Bytes an element takes in the fixed part.
    fn element(&self) -> usize {
        match self.shape {
            Shape::Number(size) | Shape::Bits { size, .. } => size.bytes(),
            Shape::String { .. } => LOCATED,
        }
    }
}

/// Why a fetch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Malformed,
    NoRegister,
}

/// What fetches of one probe share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetches {
    pub(crate) list: &'static [Fetch],
    pub(crate) derefs: &'static [Deref],
    pub(crate) text: &'static [u8],
}

impl Fetches {
    /// Evaluates all into the record, whose fixed part has `fixed` bytes; returns the bytes of the whole.
    pub(crate) fn fill(&self, record: &mut [u8; RECORD_ROOM], fixed: usize, event: &KpEvent) -> usize {
        let mut end = fixed;
        for fetch in self.list {
            self.one(record, &mut end, fetch, event);
        }
        end
    }

    fn one(&self, record: &mut [u8; RECORD_ROOM], end: &mut usize, fetch: &Fetch, event: &KpEvent) {
        let place = fetch.place as usize;
        let start = match fetch.base {
            Base::Text(span) => return string(record, end, place, |room| fill(room, span.of(self.text))),
            Base::Comm => return string(record, end, place, comm),
            base => begin(base, event),
        };
        let first = fetch.first as usize;
        let derefs = self
            .derefs
            .get(first..first.wrapping_add(fetch.derefs as usize))
            .unwrap_or_default();
        // The address of the last step, if there is one; without, the value itself.
        let (address, last) = match derefs.split_last() {
            Some((last, before)) => match follow(start, before, event) {
                Some(value) => (value.wrapping_add(last.offset as u64), Some(last)),
                None => (0, Some(last)),
            },
            None => (start, None),
        };
        let user_of = |deref: &Deref| deref.user || event.user_regs != 0;
        for i in 0..fetch.count.max(1) {
            let at = place.wrapping_add(fetch.element().wrapping_mul(i as usize));
            match fetch.shape {
                Shape::String { user } => {
                    // As the kernel: a string behind `+u` is one of the task.
                    let user = user || last.is_some_and(user_of);
                    let user = user || event.user_regs != 0;
                    let address = match last {
                        // An array of strings is one of pointers.
                        Some(last) if fetch.count > 0 => {
                            let pointer = address.wrapping_add((i as u64).wrapping_mul(8));
                            read(user_of(last), pointer, Size::Eight).unwrap_or(0)
                        }
                        _ => address,
                    };
                    string(record, end, at, |room| text_at(user, address, room));
                }
                Shape::Number(size) => {
                    let value = self.number(address, last, i, size, event);
                    put(record, at, size, value);
                }
                Shape::Bits { size, width, shift } => {
                    let value = self.number(address, last, i, size, event);
                    let mask = u64::MAX.checked_shr(64u32.wrapping_sub(width as u32)).unwrap_or(0);
                    put(record, at, size, value.checked_shr(shift as u32).unwrap_or(0) & mask);
                }
            }
        }
    }

    /// Element `i` of a number.
    fn number(&self, address: u64, last: Option<&Deref>, i: u32, size: Size, event: &KpEvent) -> u64 {
        match last {
            Some(last) => {
                let at = address.wrapping_add((i as u64).wrapping_mul(size.bytes() as u64));
                read(last.user || event.user_regs != 0, at, size).unwrap_or(0)
            }
            None => address,
        }
    }
}

/// Follows dereferences; nothing if one cannot be read.
fn follow(start: u64, derefs: &[Deref], event: &KpEvent) -> Option<u64> {
    let mut value = start;
    for deref in derefs {
        let user = deref.user || event.user_regs != 0;
        value = read(user, value.wrapping_add(deref.offset as u64), Size::Eight)?;
    }
    Some(value)
}

fn begin(base: Base, event: &KpEvent) -> u64 {
    let regs = event.regs;
    match base {
        Base::Immediate(value) => value,
        Base::Retval if event.words_len > 0 => event.words[0],
        _ if regs.is_null() => 0,
        // SAFETY: `regs` are the event's, which lives; `offset` is one that kph_register gave.
        Base::Register(offset) => unsafe { kph_regs_word(regs, offset) },
        // SAFETY: as above.
        Base::Stack => unsafe { kph_regs_stack(regs) },
        Base::StackSlot(slot) => {
            // SAFETY: as above.
            let stack = unsafe { kph_regs_stack(regs) };
            let address = stack.wrapping_add((slot as u64).wrapping_mul(8));
            read(event.user_regs != 0, address, Size::Eight).unwrap_or(0)
        }
        // SAFETY: as above.
        Base::Retval => unsafe { kph_regs_retval(regs) },
        // SAFETY: as above.
        Base::Argument(n) => unsafe { kph_regs_argument(regs, n) },
        Base::Text(_) | Base::Comm => 0,
    }
}

/// Whose memory it is: the task's if the fetch says so, else that of the address, as the kernel has it since 5.8.
fn space(user: bool) -> u32 {
    if user { border::USER_MEMORY } else { border::ANY_MEMORY }
}

/// Reads a number; nothing if it cannot be read.
fn read(user: bool, address: u64, size: Size) -> Option<u64> {
    let mut bytes = [0u8; 8];
    let out = (&raw mut bytes).cast::<c_void>();
    // SAFETY: there is room for eight bytes and at most eight are asked for; the kernel checks the address.
    let failed = unsafe { kph_read(space(user), address, out, size.bytes()) };
    if failed != 0 {
        return None;
    }
    let [a, b, c, d, ..] = bytes;
    Some(match size {
        Size::One => a as u64,
        Size::Two => u16::from_ne_bytes([a, b]) as u64,
        Size::Four => u32::from_ne_bytes([a, b, c, d]) as u64,
        Size::Eight => u64::from_ne_bytes(bytes),
    })
}

/// Puts a number at its place.
#[inline(always)]
pub(crate) fn put(record: &mut [u8; RECORD_ROOM], place: usize, size: Size, value: u64) {
    match size {
        Size::One => put_bytes(record, place, [value as u8]),
        Size::Two => put_bytes(record, place, (value as u16).to_ne_bytes()),
        Size::Four => put_bytes(record, place, (value as u32).to_ne_bytes()),
        Size::Eight => put_bytes(record, place, value.to_ne_bytes()),
    }
}

#[inline(always)]
fn put_bytes<const N: usize>(record: &mut [u8; RECORD_ROOM], place: usize, bytes: [u8; N]) {
    let room = record.get_mut(place..);
    if let Some(room) = room.and_then(|room| room.first_chunk_mut::<N>()) {
        *room = bytes;
    }
}

/// Puts a string behind what is there and its word at `place`. `write` gives the string's length, or nothing if it cannot be read: then the word
/// is 0, as the kernel says "(fault)".
fn string(
    record: &mut [u8; RECORD_ROOM],
    end: &mut usize,
    place: usize,
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) {
    let start = *end;
    let Some(room) = record.get_mut(start..) else {
        return;
    };
    // One byte is kept for the NUL.
    let usable = room.len().saturating_sub(1);
    let Some(text) = room.get_mut(..usable).filter(|text| !text.is_empty()) else {
        return;
    };
    let Some(len) = write(text).map(|len| len.min(usable)) else {
        return;
    };
    if let Some(nul) = room.get_mut(len) {
        *nul = 0;
    }
    let whole = len.wrapping_add(1);
    *end = start.wrapping_add(whole);
    put(
        record,
        place,
        Size::Four,
        (start as u64 & 0xffff) | (whole as u64) << 16,
    );
}

fn fill(room: &mut [u8], from: &[u8]) -> Option<usize> {
    let len = from.len().min(room.len());
    for (to, from) in room.iter_mut().zip(from) {
        *to = *from;
    }
    Some(len)
}

fn comm(room: &mut [u8]) -> Option<usize> {
    let mut name = [0; COMM_LEN];
    // SAFETY: there is room for the 16 bytes of a name.
    let len = unsafe { kph_comm(name.as_mut_ptr()) } as usize;
    fill(room, name.get(..len)?)
}

fn text_at(user: bool, address: u64, room: &mut [u8]) -> Option<usize> {
    // SAFETY: there is room for so many bytes; the kernel checks the address.
    let len = unsafe { kph_read_str(space(user), address, room.as_mut_ptr(), room.len()) };
    if len == 0 {
        // An empty string, or none at all.
        read(user, address, Size::One)?;
    }
    Some(len)
}

/// Bytes of a record's fixed part that are not fetch-args: the common fields and where the probe is.
pub(crate) fn head(kind: attach::Kind) -> usize {
    use attach::Kind;
    match kind {
        Kind::SyscallEnter => 64,
        Kind::Kprobe | Kind::Uprobe => 16,
        Kind::SyscallExit | Kind::Kretprobe | Kind::Uretprobe | Kind::Function | Kind::FunctionExit => 24,
        Kind::RawTracepoint | Kind::Tracepoint | Kind::Tick | Kind::Profile | Kind::PerfEvent | Kind::Breakpoint => 8,
    }
}

/// Writes the common fields, and where the probe is.
pub(crate) fn begin_record(
    record: &mut [u8; RECORD_ROOM],
    fixed: usize,
    kind: attach::Kind,
    format: u16,
    event: &KpEvent,
) {
    // As the kernel's TRACE_FLAG_HARDIRQ, _SOFTIRQ and _NMI.
    let flags = match event.level {
        border::SOFTIRQ => 0x10,
        border::HARDIRQ => 0x08,
        border::NMI => 0x40,
        _ => 0,
    };
    let [format_low, format_high] = format.to_ne_bytes();
    let [a, b, c, d] = event.tid.to_ne_bytes();
    let common = [format_low, format_high, flags, 0, a, b, c, d];
    let Some((head, rest)) = record.get_mut(..fixed).and_then(|fixed| fixed.split_first_chunk_mut()) else {
        return;
    };
    *head = common;
    use attach::Kind;
    let (ip, caller) = ([event.ip], [event.ip, event.caller]);
    let words = match kind {
        Kind::SyscallEnter | Kind::SyscallExit => event.words.get(..event.words_len as usize).unwrap_or_default(),
        Kind::Kretprobe | Kind::Uretprobe | Kind::Function | Kind::FunctionExit => &caller,
        Kind::Kprobe | Kind::Uprobe => &ip,
        _ => &[],
    };
    // The fixed part is a multiple of eight bytes.
    let (eights, _) = rest.as_chunks_mut::<8>();
    let (filled, empty) = eights.split_at_mut(words.len().min(eights.len()));
    for (word, room) in words.iter().zip(filled) {
        *room = word.to_ne_bytes();
    }
    for room in empty {
        *room = [0; 8];
    }
}
