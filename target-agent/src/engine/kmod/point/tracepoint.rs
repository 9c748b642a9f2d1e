//! `SYSTEM:EVENT [/filter/]`.
//!
//! In: globs, a filter. Out: a probe on each event. Invariant: the cheapest way that gives what the handler asks for: system calls by number, others raw
//! without a record, else the kernel's own record.

use ktap_bytecode::probe::ProbePoint;
use ktap_device::attach::Kind;
use ktap_link::message::Refusal;

use crate::engine::catalog::{Catalog, is_glob};
use crate::engine::fields::Layout;
use crate::engine::kmod::attach::{Planner, Wanted};
use crate::engine::kmod::sources::needs_format;
use crate::engine::kmod::syscalls;
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
    for (at, name) in catalog.events.iter().enumerate() {
        let key = (at, filter.map(Into::into));
        // Two points of one site may name the same event: its handler still runs once.
        if events::matches(name, system, event) && !planner.events.contains(&key) {
            planner.events.push(key);
            count += one(planner, catalog, name, filter, by_glob)?;
        }
    }
    Ok(count)
}

fn one(
    planner: &mut Planner<'_>,
    catalog: &Catalog,
    name: &EventName,
    filter: Option<&str>,
    by_glob: bool,
) -> Result<u32, Refusal> {
    let read = filter.is_some() || needs_format(planner.uses(), &planner.code);
    let format = read.then(|| events::format(&catalog.tracefs, name).ok()).flatten();
    if let (Some(text), None) = (filter, &format) {
        return Err(planner.bad_filter(text));
    }
    let layout = format.as_ref().map(|format| Layout::bind(name, format, &planner.code));
    let full = alloc::format!("{}:{}", name.system, name.event);
    let mut wanted = Wanted::new(Kind::RawTracepoint, &name.event, &name.event);
    wanted.layout = layout.as_ref();
    wanted.filter = filter.zip(format.as_ref());
    wanted.place = &full;
    let call = SystemCall::of(name);
    if let Some(call) = &call {
        wanted.head.kind = call.kind as u16;
        wanted.head.syscall = call.number;
        wanted.head.format_id = format.as_ref().map_or(0, |format| format.id);
        wanted.name = "";
    }
    // The words of a system call are all there is to it, mostly.
    if call.is_none() || !format.as_ref().is_none_or(is_plain) {
        wanted.by_id = events::id(&catalog.tracefs, name).ok();
    }
    planner.put_one_of(&wanted, by_glob).map(|count| count.min(1))
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
