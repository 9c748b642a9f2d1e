//! The record of the event at hand: the kernel's own, or one made here, once, when something first asks for it.
//!
//! In: an event, its probe, the frame's buffer. Out: the record's bytes, the registers' text. Invariant: a record that was given out is not
//! written again while its event is handled.

use core::cell::Cell;
use core::marker::PhantomData;

use ktap_bytecode::record::RecordWriter;
use ktap_device::attach::Kind;

use crate::border::{KpEvent, kph_regs_text};
use crate::buffer::{Buffer, Buffers, HEAD_ROOM, TEXT_ROOM, Taken};
use crate::fetch::{self, Fetches};

/// How a probe's events come by a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    /// The probe's kind.
    pub(crate) kind: Kind,
    /// The id in the first two bytes.
    pub(crate) format: u16,
    /// Bytes of the fixed part.
    pub(crate) fixed: usize,
    /// What goes there behind the head.
    pub(crate) fetches: Fetches,
    /// What comes before a record of the fixed part alone.
    pub(crate) head: Head,
}

/// What comes before a record in the body that prints it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// At the end of these.
    bytes: [u8; HEAD_ROOM],
    len: usize,
}

impl Head {
    /// That of a record of `record` bytes. It fits: 3 tags and counts, 3 bytes at most for the format and 2 for the length.
    pub(crate) fn new(format: u16, record: usize) -> Head {
        let mut bytes = [0; HEAD_ROOM];
        let mut writer = RecordWriter::body(&mut bytes);
        writer.print(1);
        writer.event_head(format, record);
        let len = writer.finish().map_or(0, <[u8]>::len);
        let free = (HEAD_ROOM as u32).saturating_sub(len as u32);
        let moved = u64::from_le_bytes(bytes).checked_shl(free.wrapping_mul(8)).unwrap_or(0);
        Head {
            bytes: moved.to_le_bytes(),
            len,
        }
    }
}

impl Recipe {
    /// True if the module makes the record.
    pub(crate) fn is_made(&self) -> bool {
        !matches!(
            self.kind,
            Kind::RawTracepoint | Kind::Tracepoint | Kind::Tick | Kind::Profile | Kind::PerfEvent | Kind::Breakpoint
        )
    }
}

/// A frame's buffer, taken when it is first needed and kept to the end of the event.
pub(crate) struct Paper<'a> {
    /// Null: not asked for, or there are none.
    buffer: Cell<*const Buffer>,
    buffers: PhantomData<&'a Buffers>,
}

/// No buffer: the frame's is taken.
const REFUSED: *const Buffer = core::ptr::dangling();

impl Default for Paper<'_> {
    #[inline(always)]
    fn default() -> Self {
        Paper {
            buffer: Cell::new(core::ptr::null()),
            buffers: PhantomData,
        }
    }
}

impl<'a> Paper<'a> {
    /// Returns the event's record, made if need be; nothing if it has none or the buffer is taken.
    pub(crate) fn record(&self, recipe: &Recipe, event: &'a KpEvent, buffers: &'a Buffers) -> Option<&'a [u8]> {
        if !recipe.is_made() {
            if event.record.is_null() || recipe.kind != Kind::Tracepoint {
                return None;
            }
            // SAFETY: C's word: so many bytes are there, for as long as the event is handled.
            return Some(unsafe { core::slice::from_raw_parts(event.record, event.record_len as usize) });
        }
        Some(self.made(recipe, event, buffers)?.1)
    }

    /// Returns the body of the record that says the event as it is; nothing if its record is the kernel's own or the buffer is taken.
    #[inline(always)]
    pub(crate) fn body(&self, recipe: &Recipe, event: &'a KpEvent, buffers: &'a Buffers) -> Option<&'a [u8]> {
        if !recipe.is_made() {
            return None;
        }
        let (buffer, record) = self.made(recipe, event, buffers)?;
        let head = match record.len() {
            len if len == recipe.fixed => recipe.head,
            len => Head::new(recipe.format, len),
        };
        Some(buffer.headed(head.bytes, head.len))
    }

    /// The frame's buffer and the record in it, made if need be.
    #[inline(always)]
    fn made(&self, recipe: &Recipe, event: &KpEvent, buffers: &'a Buffers) -> Option<(&'a Buffer, &'a [u8])> {
        let buffer = self.hold(buffers, event)?;
        let record = buffer.record(|record| {
            fetch::begin_record(record, recipe.fixed, recipe.kind, recipe.format, event);
            if recipe.fetches.list.is_empty() {
                return recipe.fixed;
            }
            recipe.fetches.fill(record, recipe.fixed, event)
        });
        Some((buffer, record))
    }

    /// Returns the registers as text; nothing if there are none or the buffer is taken.
    pub(crate) fn registers(&self, event: &'a KpEvent, buffers: &'a Buffers) -> Option<&'a [u8]> {
        if event.regs.is_null() {
            return None;
        }
        let buffer = self.hold(buffers, event)?;
        Some(buffer.text(|room| {
            // SAFETY: the registers are the event's, and there is so much room.
            let len = unsafe { kph_regs_text(event.regs, room.as_mut_ptr(), TEXT_ROOM) };
            len.min(TEXT_ROOM)
        }))
    }

    /// True if the buffer was asked for in vain: a handler that this one interrupted has it.
    pub(crate) fn is_refused(&self) -> bool {
        self.buffer.get() == REFUSED
    }

    /// Takes the frame's buffer, if that was not done yet; nothing if there is none or it is taken.
    pub(crate) fn hold(&self, buffers: &'a Buffers, event: &KpEvent) -> Option<&'a Buffer> {
        if self.buffer.get().is_null() {
            let held = match buffers.hold(event.frame()) {
                Ok(held) => held.map_or(core::ptr::null(), core::ptr::from_ref),
                Err(Taken) => REFUSED,
            };
            self.buffer.set(held);
        }
        self.held()
    }

    #[inline(always)]
    fn held(&self) -> Option<&'a Buffer> {
        let held = self.buffer.get();
        if held.is_null() || held == REFUSED {
            return None;
        }
        // SAFETY: it is one of the session's, ours until we let go of it, and lives as long as events do.
        Some(unsafe { &*held })
    }
}

impl Drop for Paper<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.held() {
            buffer.release();
        }
    }
}
