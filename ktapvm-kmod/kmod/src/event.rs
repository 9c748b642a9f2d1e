//! The record of the event at hand: the kernel's own, or one made here, once, when something first asks for it.
//!
//! In: an event, its probe, the frame's buffer. Out: the record's bytes, the registers' text. Invariant: a record that was given out is not
//! written again while its event is handled.

use core::cell::Cell;

use ktap_device::attach::Kind;

use crate::border::{KpEvent, kph_regs_text, kph_tid};
use crate::buffer::{Buffer, Buffers, RECORD_ROOM, TEXT_ROOM};
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
#[derive(Default)]
pub(crate) struct Paper<'a> {
    /// The buffer, once it was asked for and if it was to be had.
    held: Cell<Option<Option<&'a Buffer>>>,
    record: Cell<Option<&'a [u8]>>,
    text: Cell<Option<&'a [u8]>>,
}

impl<'a> Paper<'a> {
    /// Returns the event's record, made if need be; nothing if it has none or the buffer is taken.
    pub(crate) fn record(
        &self,
        recipe: &Recipe,
        event: &'a KpEvent,
        buffers: &'a Buffers,
        frame: usize,
    ) -> Option<&'a [u8]> {
        if !recipe.is_made() {
            if event.record.is_null() || recipe.kind != Kind::Tracepoint {
                return None;
            }
            // SAFETY: C's word: so many bytes are there, for as long as the event is handled.
            return Some(unsafe { core::slice::from_raw_parts(event.record, event.record_len as usize) });
        }
        if let Some(record) = self.record.get() {
            return Some(record);
        }
        let held = self.hold(buffers, frame)?;
        // SAFETY: only here, and only once for each holder: the next call finds the record made.
        let record: &'a mut [u8; RECORD_ROOM] = unsafe { held.record() };
        // SAFETY: it can be called anywhere.
        let tid = unsafe { kph_tid() };
        fetch::begin_record(record, recipe.fixed, recipe.kind, recipe.format, tid, event);
        let len = recipe.fetches.fill(record, recipe.fixed, event);
        let made: &'a [u8] = record.get(..len).unwrap_or_default();
        self.record.set(Some(made));
        Some(made)
    }

    /// Returns the registers as text; nothing if there are none or the buffer is taken.
    pub(crate) fn registers(&self, event: &'a KpEvent, buffers: &'a Buffers, frame: usize) -> Option<&'a [u8]> {
        if let Some(text) = self.text.get() {
            return Some(text);
        }
        if event.regs.is_null() {
            return None;
        }
        let held = self.hold(buffers, frame)?;
        // SAFETY: only here, and only once for each holder.
        let room: &'a mut [u8; TEXT_ROOM] = unsafe { held.text() };
        // SAFETY: the registers are the event's, and there is so much room.
        let len = unsafe { kph_regs_text(event.regs, room.as_mut_ptr(), TEXT_ROOM) };
        let text: &'a [u8] = room.get(..len.min(TEXT_ROOM)).unwrap_or_default();
        self.text.set(Some(text));
        Some(text)
    }

    fn hold(&self, buffers: &'a Buffers, frame: usize) -> Option<&'a Buffer> {
        if let Some(held) = self.held.get() {
            return held;
        }
        let held = buffers.hold(frame);
        self.held.set(Some(held));
        held
    }
}

impl Drop for Paper<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(Some(buffer)) = self.held.get() {
            buffer.release();
        }
    }
}
