//! `probe:FUNC[+OFF][%return] [fetch-args]`.
//!
//! In: a function or a glob, fetch-args, a filter. Out: a probe on each function. Invariant: each has an event name and, where its record is asked for,
//! a format of its own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_bytecode::glob;
use ktap_bytecode::probe::ProbePoint;
use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use super::event_name;
use super::probe::{Probed, put};
use crate::engine::kmod::attach::Planner;
use crate::inventory::symbols;
use crate::refusal::refuse;

/// Attaches to every function.
pub(super) fn attach(planner: &mut Planner<'_>, point: &ProbePoint) -> Result<u32, Refusal> {
    let ProbePoint::Kprobe {
        function,
        module,
        offset,
        ret,
        args,
        filter,
    } = point
    else {
        return Ok(0);
    };
    let by_glob = glob::is_glob(function.as_bytes());
    let full = |function: &str| match module {
        Some(module) => alloc::format!("{module}:{function}"),
        None => function.to_string(),
    };
    let names: Vec<String> = match by_glob {
        true => symbols::functions(function, module.as_deref()),
        false => alloc::vec![full(function)],
    };
    if names.is_empty() {
        let none = refuse(
            Stage::Attach,
            RefusalCode::NoSuchTarget,
            planner.site as i64,
            &full(function),
        );
        planner.left_out = Some(none);
    }
    let mut count = 0;
    for name in &names {
        // An address stands for itself.
        let address = name.starts_with("0x").then(|| symbols::number(name)).flatten();
        let symbol = name.rsplit_once(':').map_or(name.as_str(), |(_, symbol)| symbol);
        let event = event_name(symbol, *offset, *ret);
        count += put(
            planner,
            &Probed {
                kind: if *ret { Kind::Kretprobe } else { Kind::Kprobe },
                name: if address.is_some() { "" } else { name },
                offset: address.unwrap_or(0).wrapping_add(*offset),
                extra: 0,
                event: &event,
                args,
                filter: filter.as_deref(),
                place: name,
                by_glob,
            },
        )?;
    }
    Ok(count)
}
