//! What kprobes and uprobes share: fetch-args, a format of their own, a filter over it.
//!
//! In: [`Probed`]. Out: a probe in place. Invariant: without a use for its record a probe takes none.

use alloc::vec::Vec;

use ktap_bytecode::fetch::{FetchArg, FetchBase};
use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::engine::fields::Layout;
use crate::engine::kmod::attach::{Planner, Wanted};
use crate::engine::kmod::fetch::{Fetched, Place, Untaken};
use crate::engine::kmod::sources::{Beside, needs_format};
use crate::inventory::events::EventName;
use crate::refusal::refuse;

/// A place in code.
pub(super) struct Probed<'p> {
    /// How.
    pub kind: Kind,
    /// Function or file.
    pub name: &'p str,
    /// Bytes from it.
    pub offset: u64,
    /// By kind.
    pub extra: u64,
    /// The event's name.
    pub event: &'p str,
    /// Fetch-args.
    pub args: &'p [FetchArg],
    /// The script's filter.
    pub filter: Option<&'p str>,
    /// For refusals.
    pub place: &'p str,
    /// True if a glob found it.
    pub by_glob: bool,
}

/// Attaches it; returns 1, or 0 if it is left out.
pub(super) fn put(planner: &mut Planner<'_>, probed: &Probed<'_>) -> Result<u32, Refusal> {
    let ret = matches!(probed.kind, Kind::Kretprobe | Kind::Uretprobe);
    let mut wanted = Wanted::new(probed.kind, probed.name, probed.event);
    wanted.head.offset = probed.offset;
    wanted.head.extra = probed.extra;
    wanted.place = probed.place;
    wanted.beside = Beside {
        retval: ret,
        registers: true,
    };
    let mut pool = Vec::new();
    let mut fetched = Fetched::new(if ret { Place::Return } else { Place::Inside });
    for arg in probed.args {
        let failed = |why| {
            let (code, name) = match (why, &arg.base) {
                (Untaken::NoSymbol, FetchBase::Symbol { name, .. }) => (RefusalCode::NoSuchTarget, name),
                _ => (RefusalCode::BadFetch, &arg.name),
            };
            refuse(Stage::Attach, code, planner.site as i64, name)
        };
        fetched.add(arg, &mut pool).map_err(failed)?;
    }
    let mut found = None;
    if probed.filter.is_some() || needs_format(planner.uses(), &planner.code) {
        let name = EventName::of("probe", probed.event);
        let (id, format) = planner.formats.add(&fetched, probed.event);
        wanted.head.format_id = id;
        found = format.map(|format| (Layout::bind(&name, &format, &planner.code), format));
    }
    wanted.layout = found.as_ref().map(|(layout, _)| layout);
    wanted.filter = probed.filter.zip(found.as_ref().map(|(_, format)| format));
    wanted.fetched = Some((&fetched, &pool));
    planner.put_one_of(&wanted, probed.by_glob).map(|count| count.min(1))
}
