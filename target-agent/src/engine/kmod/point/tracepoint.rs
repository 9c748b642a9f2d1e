//! `SYSTEM:EVENT [/filter/]`.
//!
//! In: globs, a filter. Out: a probe on each event. Invariant: the cheapest way that gives what the handler asks for: system calls by number, others raw
//! without a record, else the kernel's own record.

use ktap_bytecode::probe::ProbePoint;
use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode};

use crate::engine::catalog::is_glob;
use crate::engine::fields::Layout;
use crate::engine::kmod::attach::{Planner, Wanted};
use crate::engine::kmod::sources::{Sources, needs_format};
use crate::engine::kmod::{filter, syscalls};
use crate::inventory::events::{self, EventName};
use crate::inventory::format::{Class, Format};

/// Attaches to every event.
pub(super) fn attach(planner: &mut Planner<'_>, point: &ProbePoint) -> Result<u32, Refusal> {
    let (ProbePoint::Tracepoint { system, event, filter }, Some(catalog)) = (point, planner.catalog) else {
        return Ok(0);
    };
    let filter = filter.as_deref().filter(|filter| !filter.trim().is_empty());
    let by_glob = is_glob(system, event);
    let mut count = 0;
    for name in events::matching(&catalog.events, system, event) {
        count += one(planner, name, filter, by_glob)?;
    }
    Ok(count)
}

fn one(planner: &mut Planner<'_>, name: &EventName, filter: Option<&str>, by_glob: bool) -> Result<u32, Refusal> {
    let Some(catalog) = planner.catalog else { return Ok(0) };
    let uses = planner.uses();
    let read = filter.is_some() || needs_format(uses, &planner.code);
    let format = read.then(|| events::format(&catalog.tracefs, name).ok()).flatten();
    let layout = format.as_ref().map(|format| Layout::bind(name, format, &planner.code));
    let mut wanted = Wanted::new(Kind::RawTracepoint, &name.event, &name.event);
    wanted.layout = layout.as_ref();
    wanted.filter = filter.zip(format.as_ref());
    let full = alloc::format!("{}:{}", name.system, name.event);
    wanted.place = &full;
    if let (Some(text), None) = (filter, &format) {
        return Err(planner.bad_filter(text));
    }
    let record = uses.record || reads_record(planner, &wanted)?;
    let call = SystemCall::of(name).filter(|_| !record || format.as_ref().is_none_or(is_plain));
    if let Some(call) = call {
        wanted.head.kind = call.kind as u16;
        wanted.head.syscall = call.number;
        wanted.head.format_id = format.as_ref().map_or(0, |format| format.id);
        wanted.name = "";
    } else if record {
        as_formatted(planner, name, &mut wanted)?;
    }
    let key = (
        wanted.head.kind,
        match wanted.head.kind {
            kind if kind == Kind::Tracepoint as u16 => wanted.head.config,
            kind if kind == Kind::RawTracepoint as u16 => raw_key(planner, name),
            _ => wanted.head.syscall as u32 as u64,
        },
        filter.map(Into::into),
    );
    // Two points of one site may name the same event: its handler still runs once.
    if planner.events.contains(&key) {
        return Ok(0);
    }
    planner.events.push(key);
    match planner.put_one_of(&wanted, by_glob && wanted.head.kind != Kind::RawTracepoint as u16) {
        // An event that is no tracepoint, or one under another name.
        Err(refusal) if refusal.code == RefusalCode::NoSuchTarget && wanted.head.kind == Kind::RawTracepoint as u16 => {
            as_formatted(planner, name, &mut wanted)?;
            planner.put_one_of(&wanted, by_glob)
        }
        other => other,
    }
    .map(|count| count.min(1))
}

/// The event's own record, by its id.
fn as_formatted(planner: &Planner<'_>, name: &EventName, wanted: &mut Wanted<'_>) -> Result<(), Refusal> {
    wanted.head.kind = Kind::Tracepoint as u16;
    let id = planner
        .catalog
        .and_then(|catalog| events::id(&catalog.tracefs, name).ok());
    wanted.head.config = id.unwrap_or(0) as u64;
    wanted.head.format_id = id.unwrap_or(0) as u16;
    wanted.name = "";
    Ok(())
}

/// True if a field asked for or the filter is in the record.
fn reads_record(planner: &Planner<'_>, wanted: &Wanted<'_>) -> Result<bool, Refusal> {
    let mut pool = alloc::vec::Vec::new();
    let sources = Sources::find(
        &planner.code,
        planner.uses(),
        wanted.layout,
        wanted.event,
        wanted.beside,
        &mut pool,
    );
    let tests = match wanted.filter {
        Some((text, format)) => filter::compile(text, format, &mut pool).map_err(|_| planner.bad_filter(text))?,
        None => alloc::vec::Vec::new(),
    };
    Ok(sources.read_record() || filter::reads_record(&tests))
}

fn raw_key(planner: &Planner<'_>, name: &EventName) -> u64 {
    let all = planner.catalog.map_or(&[][..], |catalog| &catalog.events);
    all.iter().position(|other| other == name).unwrap_or(0) as u64
}

/// A system call's event.
struct SystemCall {
    kind: Kind,
    number: i32,
}

impl SystemCall {
    fn of(name: &EventName) -> Option<SystemCall> {
        let call = |kind, number| Some(SystemCall { kind, number });
        match (name.system.as_str(), name.event.as_str()) {
            ("raw_syscalls", "sys_enter") => call(Kind::SyscallEnter, -1),
            ("raw_syscalls", "sys_exit") => call(Kind::SyscallExit, -1),
            ("syscalls", event) => match (event.strip_prefix("sys_enter_"), event.strip_prefix("sys_exit_")) {
                (Some(called), _) => call(Kind::SyscallEnter, syscalls::number(called)?),
                (_, Some(called)) => call(Kind::SyscallExit, syscalls::number(called)?),
                _ => None,
            },
            _ => None,
        }
    }
}

/// True if the record is nothing but words: newer kernels also copy strings of some calls.
fn is_plain(format: &Format) -> bool {
    let located = |class| matches!(class, Class::DataLocChars | Class::RelLocChars);
    !format
        .own
        .iter()
        .any(|field| located(field.class) || field.kind.starts_with("__"))
}
