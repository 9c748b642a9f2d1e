//! What records refer to, fetched from the board when it is first needed.
//!
//! In: ids and addresses in records. Out: event formats and symbols, for the renderer. Invariant: each thing is asked for once, and a
//! board that cannot tell it does not hold up the records.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use ktap_link::message::{Answer, Question};
use ktap_render::{Needs, Resolver};
use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::printk_formats::PrintkFormats;
use ktap_symbols::symbol::{Symbol, Symbolize};

use crate::client::{Client, append_text};
use crate::failure::Failure;
use crate::ui::Ui;

/// Where a board tells of the constant strings its records point to.
const PRINTK_FORMATS: &str = "/sys/kernel/tracing/printk_formats";
/// More than any kernel has of them, which is some kilobytes.
const PRINTK_FORMATS_LIMIT: u32 = 4 << 20;

/// Where a kernel tells of its symbols, in the order of their addresses.
const KALLSYMS: &str = "/proc/kallsyms";
/// As much of them as tells where the kernel lies, beside its System.map.
const KALLSYMS_HEAD: u32 = 128 << 10;

/// What is being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wanted {
    Event(u16),
    Symbols,
    /// The first of the symbols, beside a System.map.
    Slide,
    Strings,
}

/// Formats and symbols of one board.
pub struct Names {
    abi: Abi,
    /// Formats that came; nothing for events the board could not tell about.
    events: HashMap<u16, Option<Rc<EventFormat>>>,
    symbols: Option<Kallsyms>,
    /// The kernel's System.map on this PC, until it was read.
    system_map: Option<PathBuf>,
    ui: Ui,
    strings: Option<PrintkFormats>,
    /// Questions under way: their id, what they are about, the text so far.
    asked: HashMap<u32, (Wanted, Vec<u8>)>,
}

impl Names {
    /// Knows nothing yet of a kernel of these sizes; its symbols are in a `System.map` on this PC, or the board's own.
    pub fn new(abi: Abi, system_map: Option<PathBuf>, ui: Ui) -> Names {
        Names {
            abi,
            events: HashMap::new(),
            symbols: None,
            system_map,
            ui,
            strings: None,
            asked: HashMap::new(),
        }
    }

    /// Asks for all of `needs` that is neither here nor on its way. Returns true if everything is here.
    ///
    /// # Errors
    /// A broken link.
    pub fn prepare(&mut self, needs: &Needs, client: &mut Client) -> Result<bool, Failure> {
        let mut ready = true;
        for &id in &needs.events {
            match self.events.get(&id) {
                Some(_) => {}
                None => {
                    ready = false;
                    self.ask(Wanted::Event(id), Question::Format { id }, client)?;
                }
            }
        }
        let any = |wants: fn(&EventFormat) -> bool| {
            needs
                .events
                .iter()
                .any(|id| matches!(self.events.get(id), Some(Some(format)) if wants(format)))
        };
        let symbols = needs.kernel_symbols || any(EventFormat::names_addresses);
        let strings = any(EventFormat::reads_kernel_strings);
        if symbols && self.symbols.is_none() {
            ready = false;
            match &self.system_map {
                Some(_) => {
                    let question = Question::File {
                        path: KALLSYMS.into(),
                        limit: KALLSYMS_HEAD,
                    };
                    self.ask(Wanted::Slide, question, client)?;
                }
                None => self.ask(Wanted::Symbols, Question::Kallsyms, client)?,
            }
        }
        if strings && self.strings.is_none() {
            ready = false;
            let question = Question::File {
                path: PRINTK_FORMATS.into(),
                limit: PRINTK_FORMATS_LIMIT,
            };
            self.ask(Wanted::Strings, question, client)?;
        }
        Ok(ready)
    }

    fn ask(&mut self, wanted: Wanted, question: Question, client: &mut Client) -> Result<(), Failure> {
        if !self.asked.values().any(|(w, _)| *w == wanted) {
            let id = client.ask_later(question)?;
            self.asked.insert(id, (wanted, Vec::new()));
        }
        Ok(())
    }

    /// Takes a part of an answer. Returns false if the question was not asked from here.
    pub fn answer(&mut self, id: u32, last: bool, answer: Answer) -> bool {
        let Some((wanted, text)) = self.asked.get_mut(&id) else {
            return false;
        };
        let wanted = *wanted;
        let refused = append_text(answer, text).is_err();
        if last || refused {
            let text = self.asked.remove(&id).map(|(_, text)| text).unwrap_or_default();
            self.learn(wanted, &String::from_utf8_lossy(&text));
        }
        true
    }

    fn learn(&mut self, wanted: Wanted, text: &str) {
        match wanted {
            Wanted::Event(id) => {
                self.events
                    .insert(id, EventFormat::parse(text, self.abi).ok().map(Rc::new));
            }
            // An empty table still counts as known: it will not be asked for again.
            Wanted::Symbols => self.symbols = Some(Kallsyms::parse(text)),
            Wanted::Slide => self.read_map(&Kallsyms::parse(text)),
            Wanted::Strings => self.strings = Some(PrintkFormats::parse(text)),
        }
    }
}

impl Names {
    /// Reads the System.map and lays it where the board's kernel is. One of another kernel is left, and the board's own symbols are asked for.
    fn read_map(&mut self, board: &Kallsyms) {
        let Some(path) = self.system_map.take() else { return };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) => return self.ui.warn(format!("cannot read {}: {error}", path.display())),
        };
        let map = Kallsyms::parse(&String::from_utf8_lossy(&text));
        if board.is_empty() {
            self.ui.warn(format!(
                "the board hides the addresses of its kernel: names are those of {} as linked",
                path.display()
            ));
            self.symbols = Some(map);
            return;
        }
        match map.slide_to(board) {
            Some(slide) => {
                self.ui.verbose(format!(
                    "{}: {} symbols, moved by {slide:#x}",
                    path.display(),
                    map.len()
                ));
                self.symbols = Some(map.with_slide(slide));
            }
            None => self.ui.warn(format!(
                "{} is of another kernel than the board's: the board's own symbols are taken",
                path.display()
            )),
        }
    }
}

impl Symbolize for Names {
    fn symbol(&self, address: u64) -> Option<Symbol<'_>> {
        self.symbols.as_ref()?.lookup(address)
    }

    fn string(&self, address: u64) -> Option<&[u8]> {
        self.strings.as_ref()?.get(address)
    }
}

impl Resolver for Names {
    fn event(&self, id: u16) -> Option<Rc<EventFormat>> {
        self.events.get(&id)?.clone()
    }
}
