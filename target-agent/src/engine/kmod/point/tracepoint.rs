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
    let mut format = read.then(|| events::format(&catalog.tracefs, name).ok()).flatten();
    let call = SystemCall::of(name);
    // The words of a system call are all there is to it, mostly.
    let by_words = call.is_some() && format.as_ref().is_none_or(is_plain);
    if let (true, Some(format)) = (by_words, &mut format) {
        as_words(format);
    }
    if let (Some(text), None) = (filter, &format) {
        return Err(planner.bad_filter(text));
    }
    let layout = format.as_ref().map(|format| Layout::bind(name, format, &planner.code));
    let full = alloc::format!("{}:{}", name.system, name.event);
    let mut wanted = Wanted::new(Kind::RawTracepoint, &name.event, &name.event);
    wanted.layout = layout.as_ref();
    wanted.filter = filter.zip(format.as_ref());
    wanted.place = &full;
    if let Some(call) = &call {
        wanted.head.kind = call.kind as u16;
        wanted.head.syscall = call.number;
        wanted.head.format_id = format.as_ref().map_or(0, |format| format.id);
        wanted.name = "";
    }
    if !by_words {
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

/// Places the fields as the module's own record of a system call has them, a word each behind the first 8 bytes; the kernel's has them further back
/// where it counts more for every event (PREEMPT_RT), and those counts are not in the module's.
fn as_words(format: &mut Format) {
    format.common.retain(|field| field.offset + field.size <= 8);
    for (index, field) in (1..).zip(&mut format.own) {
        field.offset = 8 * index;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_where_the_module_has_them() {
        // Of a kernel with PREEMPT_RT.
        let text = "name: sys_enter\nID: 351\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
            \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\
            \tfield:unsigned char common_preempt_lazy_count;\toffset:8;\tsize:1;\tsigned:0;\n\n\
            \tfield:long id;\toffset:16;\tsize:8;\tsigned:1;\n\
            \tfield:unsigned long args[6];\toffset:24;\tsize:48;\tsigned:0;\n\n\
            print fmt: \"\"\n";
        let mut format = Format::parse(text).expect("a format");
        assert!(is_plain(&format));
        as_words(&mut format);
        let place = |name: &str| format.field(name.as_bytes()).map(|field| field.offset);
        assert_eq!((place("id"), place("args")), (Some(8), Some(16)));
        assert_eq!(
            (place("common_pid"), place("common_preempt_lazy_count")),
            (Some(4), None)
        );
    }
}
