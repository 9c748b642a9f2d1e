//! Records on their way to the output, in order.
//!
//! In: batches of records. Out: rendered lines. Invariant: a record waits until what it refers to is known, and all after it wait too.

use std::collections::VecDeque;
use std::io::Write;

use ktap_bytecode::record::Record;
use ktap_render::{RenderError, Renderer, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::names::Names;

/// The way from batches to the output.
pub struct Feed {
    renderer: Renderer,
    names: Names,
    /// Batches not rendered yet, and how far the first of them is.
    waiting: VecDeque<Vec<u8>>,
    offset: usize,
    out: Box<dyn Write>,
    /// Set when nobody wants to read on.
    muted: bool,
    /// Bytes of records taken out of `waiting` since the last call of `consumed`.
    consumed: u32,
}

/// What came of rendering.
#[derive(Debug)]
pub enum Fed {
    /// As far as names are known.
    Going,
    /// The reader of stdout is gone.
    Closed,
    /// A record asks for something no format can do; the script is at fault.
    Error(RenderError),
}

impl Feed {
    /// Makes an empty feed.
    pub fn new(renderer: Renderer, names: Names, out: Box<dyn Write>) -> Feed {
        Feed {
            renderer,
            names,
            waiting: VecDeque::new(),
            offset: 0,
            out,
            muted: false,
            consumed: 0,
        }
    }

    /// Writes an object of the run's own among the records.
    pub fn json(&mut self, object: &serde_json::Value) {
        // An output that is gone is found by the records.
        let _ = json::write_line(object, &mut self.out).and_then(|()| self.out.flush());
    }

    /// Drops everything from now on.
    pub fn mute(&mut self) {
        self.muted = true;
    }

    /// Queues a batch.
    pub fn push(&mut self, batch: Vec<u8>) {
        self.waiting.push_back(batch);
    }

    /// Returns the names, for answers that arrive.
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Returns true if records wait for names.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns the bytes of records rendered since the last call: what the host can take anew.
    pub fn consumed(&mut self) -> u32 {
        std::mem::take(&mut self.consumed)
    }

    /// Renders what can be rendered. With `final_call`, missing names are not waited for.
    ///
    /// # Errors
    /// A broken link while asking for names, bytes that are no record.
    pub fn render(&mut self, client: &mut Client, final_call: bool) -> Result<Fed, Failure> {
        while let Some(batch) = self.waiting.front() {
            let rest = &batch[self.offset..];
            if rest.is_empty() {
                self.consumed = self.consumed.saturating_add(batch.len() as u32);
                self.waiting.pop_front();
                self.offset = 0;
                continue;
            }
            let Ok((record, after)) = Record::take(rest) else {
                return Err(Failure::Session("the board sent a record that cannot be read".into()));
            };
            if !self.muted {
                let needs = self.renderer.needs(&record);
                if !self.names.prepare(&needs, client)? && !final_call {
                    break;
                }
                match self.renderer.feed(&record, &self.names, &mut self.out) {
                    Ok(()) => {}
                    Err(RenderError::Io(_)) => return Ok(Fed::Closed),
                    Err(error) => return Ok(Fed::Error(error)),
                }
            }
            self.offset = batch.len() - after.len();
        }
        if self.out.flush().is_err() {
            return Ok(Fed::Closed);
        }
        Ok(Fed::Going)
    }
}
