//! Loading a program into the module.
//!
//! In: verified code, limits. Out: a `Load` request, a `Scope` request. Invariant: sections hold the contract's own `repr(C)` types, as the agent has
//! them in memory.

use alloc::vec::Vec;

use ktap_bytecode::code::CodeRef;
use ktap_device::load::{Load, MAX_EXCLUDED, Scope as DeviceScope, UNSAFE};

use super::pack::Pack;
use crate::engine::Program;
use crate::engine::scope::Scope;
use crate::sys::memory::page_size;

/// Packs code to be run as a program is.
pub fn request(program: &Program<'_>, code: &CodeRef<'_>) -> Vec<u8> {
    let limits = &program.limits;
    let mut pack = Pack::new(size_of::<Load>());
    let pages = program.options.ring_pages.min(1 << 16).checked_next_power_of_two();
    let mut load = Load {
        flags: if program.options.allow_unsafe { UNSAFE } else { 0 },
        limits: [
            limits.memory,
            limits.loops,
            limits.fuel,
            limits.stack_slots,
            limits.call_depth,
            limits.scratch,
        ],
        ring_bytes: match program.options.ring_pages {
            0 => 0,
            _ => pages.unwrap_or(1).saturating_mul(page_size() as u32),
        },
        globals: code.globals,
        probes: code.probes,
        functions: pack.list(code.functions),
        code: pack.list(code.code),
        consts: pack.list(code.consts),
        bytes: pack.list(code.bytes),
        captures: pack.list(code.captures),
        fields: pack.list(code.fields),
        formats: pack.list(code.formats),
        ..Load::default()
    };
    load.len = pack.len();
    pack.finish(&load)
}

/// Makes the scope.
pub fn scope(scope: &Scope) -> DeviceScope {
    let mut out = DeviceScope {
        only: scope.only.unwrap_or(0),
        follow: scope.follow as u32,
        cpu: scope.cpu.map_or(-1, |cpu| cpu as i32),
        ..DeviceScope::default()
    };
    // The agent comes first; a longer chain of processes than there is room for ends far from it.
    for (to, pid) in out.excluded.iter_mut().zip(scope.exclusion.pids()).take(MAX_EXCLUDED) {
        *to = *pid;
        out.excluded_count += 1;
    }
    out
}
