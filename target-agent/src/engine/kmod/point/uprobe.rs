//! `probe:/PATH:SYM[+OFF][%return] [fetch-args]` and `sdt:/PATH:MARK`.
//!
//! In: a place in a file, which the host found. Out: one probe. Invariant: a point the host has not looked up is refused, never guessed.

use alloc::string::String;

use ktap_bytecode::probe::ProbePoint;
use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use super::event_name;
use super::probe::{Probed, put};
use crate::engine::kmod::attach::Planner;
use crate::refusal::refuse;

/// Attaches to a file.
pub(super) fn attach(planner: &mut Planner<'_>, point: &ProbePoint) -> Result<u32, Refusal> {
    let (path, bound, filter, event, ret): (_, _, _, String, _) = match point {
        ProbePoint::Uprobe {
            path,
            symbol,
            offset,
            ret,
            filter,
            bound,
            ..
        } => {
            let file = path.rsplit('/').next().unwrap_or_default();
            let named = if symbol.is_empty() { file } else { symbol };
            (path, bound, filter, event_name(named, *offset, *ret), *ret)
        }
        ProbePoint::Sdt {
            path,
            mark,
            filter,
            bound,
            ..
        } => (path, bound, filter, event_name(mark, 0, false), false),
        _ => return Ok(0),
    };
    let Some(bound) = bound else {
        return Err(refuse(
            Stage::Attach,
            RefusalCode::NoSuchTarget,
            planner.site as i64,
            path,
        ));
    };
    put(
        planner,
        &Probed {
            kind: if ret { Kind::Uretprobe } else { Kind::Uprobe },
            name: path,
            offset: bound.offset,
            extra: bound.ref_ctr,
            event: &event,
            args: point.args(),
            filter: filter.as_deref(),
            place: path,
            by_glob: false,
        },
    )
}
