//! `Attach`: from a request's bytes to a probe in place.
//!
//! In: [`Attach`] and its sections. Out: a [`Probe`]. Invariant: what is kept is a checked copy, so that no later byte of the request matters; a
//! probe that could not be put in place leaves nothing behind.

use core::mem::offset_of;

use ktap_bytecode::limits::MAX_LIST;
use ktap_device::attach::{self, Attach, Attached, Kind, NEEDS_RECORD};
use ktap_device::request::Reply;

use crate::block::{Block, room};
use crate::border::{KphAttach, kph_attach, kph_register};
use crate::buffer::RECORD_ROOM;
use crate::event::{Head, Recipe};
use crate::fetch::{self, Deref, Fetch, Fetches, MAX_DEREFS, MAX_FETCHES, Wrong};
use crate::filter::{Depth, MAX_TESTS, MOST_WORK, Quick, Test};
use crate::load::require;
use crate::probe::{Probe, Way};
use crate::request::{Input, Refused};
use crate::session::{Session, State};
use crate::source::Source;

/// Longest name, glob or path (the kernel's PATH_MAX, with its NUL).
const MAX_NAME: usize = 4095;
/// Longest name of an event.
const MAX_EVENT: usize = 1024;
/// Most own fields of an event.
const MAX_OWN: usize = 1024;
/// Most bytes of a probe's text.
const MAX_TEXT: usize = 64 << 10;
/// Most probes of a session.
const MAX_ALL: u32 = 16 << 10;
/// Shortest time between two ticks or samples, nanoseconds.
const LEAST_PERIOD: u64 = 10_000;

const ENOENT: i32 = 2;
const EOPNOTSUPP: i32 = 95;

/// The lists of a request, inside it but not looked at yet.
struct Lists<'a> {
    name: &'a [u8],
    event: &'a [u8],
    fields: &'a [attach::Source],
    own: &'a [attach::Source],
    filter: &'a [attach::Test],
    fetches: &'a [attach::Fetch],
    derefs: &'a [attach::Deref],
    text: &'a [u8],
}

impl<'a> Lists<'a> {
    fn find(request: &Attach, input: Input<'a>) -> Result<Lists<'a>, Refused> {
        let derefs = MAX_FETCHES.wrapping_mul(MAX_DEREFS as usize);
        Ok(Lists {
            name: input.list(request.name, MAX_NAME, offset_of!(Attach, name))?,
            event: input.list(request.event, MAX_EVENT, offset_of!(Attach, event))?,
            fields: input.list(request.fields, MAX_LIST, offset_of!(Attach, fields))?,
            own: input.list(request.own, MAX_OWN, offset_of!(Attach, own))?,
            filter: input.list(request.filter, MAX_TESTS, offset_of!(Attach, filter))?,
            fetches: input.list(request.fetches, MAX_FETCHES, offset_of!(Attach, fetches))?,
            derefs: input.list(request.derefs, derefs, offset_of!(Attach, derefs))?,
            text: input.list(request.text, MAX_TEXT, offset_of!(Attach, text))?,
        })
    }

    /// Bytes of a probe with these lists.
    fn bytes(&self) -> usize {
        [
            size_of::<Probe>(),
            room::<Source>(self.fields.len()),
            room::<Source>(self.own.len()),
            room::<Test>(self.filter.len()),
            room::<Fetch>(self.fetches.len()),
            room::<Deref>(self.derefs.len()),
            self.text.len(),
            self.event.len(),
            self.name.len(),
            1,
        ]
        .iter()
        .fold(0usize, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl Session {
    /// `Attach`.
    pub(crate) fn attach(&self, input: Input<'_>) -> Result<Attached, Refused> {
        self.only_in(&[State::MainRan])?;
        let request: Attach = input.head()?;
        let kind = check(&request, input, self.attached())?;
        if self.probes() >= MAX_ALL {
            return Err(Refused::no_memory(0));
        }
        let lists = Lists::find(&request, input)?;
        // Not `contains`: core's search for a byte is a function of core's, which is not linked.
        require(lists.name.iter().all(|byte| *byte != 0), offset_of!(Attach, name))?;
        let block = Block::take(lists.bytes())?;
        let made = self.fill(&block, &request, kind, &lists)?;
        let program = self.program()?;
        if made.needs_buffers && !program.buffers.are_there() {
            self.add_memory(program.buffers.make(program.process_frame)?);
        }
        let what = KphAttach {
            kind: kind as u32,
            perf_type: request.perf_type,
            syscall: request.syscall,
            needs_words: made.needs_words as u32,
            idle: made.idle as u32,
            reserved: 0,
            offset: request.offset,
            extra: match kind {
                Kind::Tick | Kind::Profile => request.extra.max(LEAST_PERIOD),
                Kind::PerfEvent => request.extra.max(1),
                _ => request.extra,
            },
            config: request.config,
            name: made.name,
            filter: if lists.filter.is_empty() {
                core::ptr::null()
            } else {
                block.start().cast_const().cast()
            },
        };
        let (mut matched, mut lacking) = (0u32, 0u32);
        // SAFETY: process context. The description lives until it is taken, the name and the probe as long as the session, from here on if it works:
        // if it does not, C keeps neither.
        let failed = unsafe {
            kph_attach(
                self.c,
                &raw const what,
                block.start().cast(),
                &raw mut matched,
                &raw mut lacking,
            )
        };
        if failed != 0 {
            let errno = failed.wrapping_neg();
            return Err(match errno {
                EOPNOTSUPP => Refused::unsupported(errno, lacking),
                ENOENT => Refused::not_found(errno, 0),
                _ => Refused::system(errno),
            });
        }
        let bytes = block.bytes() as u64;
        self.add_probe(block.into_start().cast_const().cast(), bytes);
        Ok(Attached {
            reply: Reply::default(),
            matched,
            reserved: 0,
        })
    }

    /// Checks all lists and writes the probe into its block.
    fn fill(&self, block: &Block, request: &Attach, kind: Kind, lists: &Lists<'_>) -> Result<Made, Refused> {
        let words = matches!(kind, Kind::SyscallEnter | Kind::SyscallExit);
        let fixed = (request.record_len as usize).max(fetch::head(kind));
        let (text, derefs) = (lists.text.len(), lists.derefs.len());
        let mut carver = block.carver(size_of::<Probe>());
        let mut uses = Uses::default();
        let malformed = Refused::malformed;
        let mut source = |raw: attach::Source, named| {
            let source = Source::check(&raw, text, words).ok_or(malformed(named))?;
            uses.of(source);
            Ok(source)
        };
        let fields = carver.list(lists.fields, |_, raw| source(raw, offset_of!(Attach, fields)))?;
        let own = carver.list(lists.own, |_, raw| source(raw, offset_of!(Attach, own)))?;
        let (mut depth, mut work) = (Depth::default(), 0u64);
        let tests = carver.list(lists.filter, |_, raw| {
            let wrong = malformed(offset_of!(Attach, filter));
            let test = Test::check(&raw, text, words).ok_or(wrong)?;
            uses.of(test.source());
            work = work.saturating_add(test.work());
            if work <= MOST_WORK && depth.step(test) {
                Ok(test)
            } else {
                Err(wrong)
            }
        })?;
        require(depth.is_whole(tests.len()), offset_of!(Attach, filter))?;
        let fetches = carver.list(lists.fetches, |index, raw| {
            let checked = Fetch::check(&raw, text, derefs, fixed, |name| {
                let name = name.of(lists.text);
                // SAFETY: so many bytes are there.
                Some(unsafe { kph_register(name.as_ptr(), name.len()) })
            });
            checked.map_err(|wrong| match wrong {
                Wrong::Malformed => malformed(offset_of!(Attach, fetches)),
                Wrong::NoRegister => Refused::not_found(0, index as i64),
            })
        })?;
        let derefs = carver.list(lists.derefs, |_, raw| {
            Deref::check(&raw).ok_or(malformed(offset_of!(Attach, derefs)))
        })?;
        let text = carver.copy(lists.text)?;
        let event = carver.copy(lists.event)?;
        let name = carver.name(lists.name)?;
        let recipe = Recipe {
            kind,
            format: request.format_id,
            fixed,
            head: Head::new(request.format_id, fixed),
            fetches: Fetches {
                list: fetches,
                derefs,
                text,
            },
        };
        let program = self.program()?;
        let needs_record = uses.record || request.flags & NEEDS_RECORD != 0;
        let made = Made {
            name,
            idle: program.vm.attached_is_idle(request.attached),
            needs_words: uses.words || words && needs_record,
            needs_buffers: needs_record && recipe.is_made() || uses.registers,
        };
        let mut probe = Probe::new(program, recipe, request.attached, self.probes());
        if made.idle {
            probe.way = Way::Idle;
        } else if let Some(quick) = Quick::of(tests) {
            (probe.way, probe.quick) = (Way::Sifted, quick);
        } else if !tests.is_empty() {
            probe.way = Way::Filtered;
        }
        probe.needs_buffer = made.needs_buffers;
        probe.gist = program.vm.attached_gist(request.attached);
        (probe.tests, probe.fields, probe.own, probe.name) = (tests, fields, own, event);
        // SAFETY: the block begins with room for a probe, aligned, and nobody uses it yet.
        unsafe { block.start().cast::<Probe>().write(probe) };
        Ok(made)
    }
}

/// What C is told about a probe that was made.
struct Made {
    name: *const u8,
    idle: bool,
    needs_words: bool,
    needs_buffers: bool,
}

/// What the sources of a probe look at.
#[derive(Default)]
struct Uses {
    words: bool,
    record: bool,
    registers: bool,
}

impl Uses {
    fn of(&mut self, source: Source) {
        self.words |= source.is_word();
        self.record |= source.is_record();
        self.registers |= source == Source::Registers;
    }
}

/// Checks what is not in a list; returns the kind.
fn check(request: &Attach, input: Input<'_>, attached: usize) -> Result<Kind, Refused> {
    require(request.len as usize == input.len(), offset_of!(Attach, len))?;
    let kind = Kind::from_number(request.kind).ok_or(Refused::malformed(offset_of!(Attach, kind)))?;
    require((request.attached as usize) < attached, offset_of!(Attach, attached))?;
    require(request.flags & !NEEDS_RECORD == 0, offset_of!(Attach, flags))?;
    require(request.reserved == 0, offset_of!(Attach, reserved))?;
    require(request.reserved2 == 0, offset_of!(Attach, reserved2))?;
    require(request.syscall >= -1, offset_of!(Attach, syscall))?;
    let record = request.record_len;
    let sized = record as usize <= RECORD_ROOM && record.is_multiple_of(8);
    require(sized, offset_of!(Attach, record_len))?;
    let named = match kind {
        Kind::RawTracepoint
        | Kind::Kretprobe
        | Kind::Function
        | Kind::FunctionExit
        | Kind::Uprobe
        | Kind::Uretprobe => request.name.count > 0,
        Kind::Kprobe => request.name.count > 0 || request.offset != 0,
        _ => true,
    };
    require(named, offset_of!(Attach, name))?;
    // A tick has nothing to be filtered by.
    require(
        kind != Kind::Tick || request.filter.count == 0,
        offset_of!(Attach, filter),
    )?;
    if kind == Kind::Breakpoint {
        let (len, access) = (request.extra & 0xff, request.extra >> 8);
        let watched = matches!(len, 1 | 2 | 4 | 8) && (1..=7).contains(&access);
        require(watched, offset_of!(Attach, extra))?;
    }
    Ok(kind)
}
