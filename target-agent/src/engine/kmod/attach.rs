//! From a program's attachments to probes of the module.
//!
//! In: probe sites, attachments. Out: `Attach` requests, their answers, formats of the probes that the kernel knows no format of. Invariant: a probe
//! that a glob found and that cannot be attached is left out, unless that leaves nothing.

use alloc::string::String;
use alloc::vec::Vec;

use ktap_bytecode::code::CodeRef;
use ktap_bytecode::probe::ProbePoint;
use ktap_device::attach::{Attach, Attached, Kind, NEEDS_RECORD};
use ktap_device::request::{self, Section};
use ktap_link::message::{Refusal, RefusalCode, Stage};

use super::device::{About, Module, call};
use super::fetch::Fetched;
use super::filter;
use super::pack::{Pack, put_head};
use super::point;
use super::sources::{Beside, Sources};
use super::uses::Uses;
use crate::engine::catalog::Catalog;
use crate::engine::fields::Layout;
use crate::inventory::format::Format;
use crate::inventory::formats::Formats;
use crate::refusal::refuse;

/// A probe to be attached.
pub struct Wanted<'w> {
    /// Its numbers.
    pub head: Attach,
    /// What it is put on, for the module: a name, a glob, a path.
    pub name: &'w str,
    /// The event's name.
    pub event: &'w str,
    /// The event's fields, if any are asked for.
    pub layout: Option<&'w Layout>,
    /// What it has beside a record.
    pub beside: Beside,
    /// The script's filter and the format it is about.
    pub filter: Option<(&'w str, &'w Format)>,
    /// What it takes along, and the text that refers to.
    pub fetched: Option<(&'w Fetched, &'w [u8])>,
    /// Where it is, for refusals.
    pub place: &'w str,
    /// The event's id: attached by it instead if its record is asked for, or if there is no tracepoint of this name.
    pub by_id: Option<u32>,
}

impl<'w> Wanted<'w> {
    /// A probe of a kind on a name.
    pub fn new(kind: Kind, name: &'w str, event: &'w str) -> Wanted<'w> {
        Wanted {
            head: Attach {
                kind: kind as u16,
                syscall: -1,
                ..Attach::default()
            },
            name,
            event,
            layout: None,
            beside: Beside::default(),
            filter: None,
            fetched: None,
            place: name,
            by_id: None,
        }
    }
}

/// Puts the probes of a session in place.
pub struct Planner<'p> {
    /// The module's session.
    pub module: &'p dyn Module,
    /// The program's code.
    pub code: CodeRef<'p>,
    /// What the handler of each site uses.
    pub uses: &'p [Uses],
    /// The kernel's events.
    pub catalog: Option<&'p Catalog>,
    /// Formats of probes that the kernel knows none of.
    pub formats: &'p Formats,
    /// The attachment in hand.
    pub attached: u16,
    /// Its site.
    pub site: u16,
    /// Gives the link its turn; false: give up.
    pub breathe: &'p mut dyn FnMut() -> bool,
    /// What was left out of a glob last.
    pub left_out: Option<Refusal>,
    /// Tracepoints (by number in the catalog) and filters of the attachment in hand, so that its handler runs once for each.
    pub events: Vec<(usize, Option<String>)>,
}

impl Planner<'_> {
    /// Attaches all points of a site for the attachment in hand; returns how many events they came to.
    ///
    /// # Errors
    /// A refusal by the first that cannot be attached.
    pub fn site(&mut self, points: &[ProbePoint]) -> Result<u32, Refusal> {
        let mut count = 0;
        self.left_out = None;
        self.events.clear();
        for one in points {
            count += point::attach(self, one)?;
        }
        match self.left_out.take() {
            Some(refusal) if count == 0 => Err(refusal),
            _ => Ok(count),
        }
    }

    /// Returns what the handler uses.
    pub fn uses(&self) -> &Uses {
        static NOTHING: Uses = Uses::nothing();
        self.uses.get(self.site as usize).unwrap_or(&NOTHING)
    }

    /// Attaches one of the probes a glob found: what cannot be attached counts nothing.
    ///
    /// # Errors
    /// As [`Planner::put`], for what is no fault of the one probe.
    pub fn put_one_of(&mut self, wanted: &Wanted<'_>, by_glob: bool) -> Result<u32, Refusal> {
        match self.put(wanted) {
            Err(refusal) if by_glob && is_its_own_fault(&refusal) => {
                self.left_out = Some(refusal);
                Ok(0)
            }
            other => other,
        }
    }

    /// Attaches a probe; returns what it matched.
    ///
    /// # Errors
    /// A filter that is none, or what the module refuses.
    pub fn put(&mut self, wanted: &Wanted<'_>) -> Result<u32, Refusal> {
        if !(self.breathe)() {
            return Err(refuse(Stage::Attach, RefusalCode::OutOfOrder, 0, ""));
        }
        let mut head = wanted.head;
        let uses = self.uses();
        let mut pool = wanted.fetched.map_or(Vec::new(), |(_, text)| text.to_vec());
        let tests = match wanted.filter {
            None => Vec::new(),
            Some((text, format)) => filter::compile(text, format, &mut pool).map_err(|_| self.bad_filter(text))?,
        };
        let sources = Sources::find(&self.code, uses, wanted.layout, wanted.event, wanted.beside, &mut pool);
        if uses.record && wanted.layout.is_some() {
            head.flags |= NEEDS_RECORD;
        }
        let recorded = uses.record || sources.read_record() || filter::reads_record(&tests);
        if let (Some(id), true) = (wanted.by_id, recorded) {
            as_formatted(&mut head, id);
        }
        head.attached = self.attached;
        let mut pack = Pack::new(size_of::<Attach>());
        // With its name too, the module puts a formatted event on the tracepoint itself, which costs less than a counter for each.
        let named = head.kind == Kind::Tracepoint as u16;
        head.name = pack.list(if named { wanted.place } else { wanted.name }.as_bytes());
        head.event = pack.list(wanted.event.as_bytes());
        head.fields = pack.list(&sources.fields);
        head.own = pack.list(&sources.own);
        head.filter = pack.list(&tests);
        if let (Some((fetched, _)), true) = (wanted.fetched, recorded) {
            head.record_len = fetched.record_len.next_multiple_of(8);
            head.fetches = pack.list(&fetched.fetches);
            head.derefs = pack.list(&fetched.derefs);
        }
        head.text = pack.list(&pool);
        head.len = pack.len();
        let about = About {
            stage: Stage::Attach,
            site: self.site,
            name: wanted.place,
        };
        let mut request = pack.finish(&head);
        let mut reply = call::<Attached>(self.module, request::Kind::Attach, &request, about);
        if let (Err(refusal), Some(id)) = (&reply, wanted.by_id)
            && refusal.code == RefusalCode::NoSuchTarget
            && head.kind == Kind::RawTracepoint as u16
        {
            // An event that is no tracepoint, or one under another name.
            as_formatted(&mut head, id);
            put_head(&mut request, &head);
            reply = call(self.module, request::Kind::Attach, &request, about);
        }
        Ok(reply?.matched.max(1))
    }

    /// Refuses a filter as the kernel does.
    pub fn bad_filter(&self, text: &str) -> Refusal {
        Refusal {
            errno: crate::sys::Errno::EINVAL.into_raw(),
            ..refuse(Stage::Attach, RefusalCode::BadFilter, self.site as i64, text)
        }
    }
}

/// The event's own record, by its id.
fn as_formatted(head: &mut Attach, id: u32) {
    head.kind = Kind::Tracepoint as u16;
    head.config = id as u64;
    head.format_id = id as u16;
    head.name = Section::default();
}

/// True for what may be so for one of many.
fn is_its_own_fault(refusal: &Refusal) -> bool {
    matches!(
        refusal.code,
        RefusalCode::System | RefusalCode::Unsupported | RefusalCode::NoSuchTarget | RefusalCode::NoPermission
    )
}
