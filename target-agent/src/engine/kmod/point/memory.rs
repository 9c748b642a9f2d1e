//! `mem:ADDR[/len][:rwx]`.
//!
//! In: an address or a symbol. Out: one hardware breakpoint on every CPU. Invariant: a symbol that is not there is refused by name.

use ktap_device::attach::Kind;
use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::engine::kmod::attach::{Planner, Wanted};
use crate::inventory::symbols;
use crate::refusal::refuse;

/// Attaches to an address.
pub(super) fn attach(planner: &mut Planner<'_>, address: &str, len: u8, access: u8) -> Result<u32, Refusal> {
    let found = match address.starts_with(|c: char| c.is_ascii_digit()) {
        true => symbols::number(address),
        false => symbols::address(address),
    };
    let none = || refuse(Stage::Attach, RefusalCode::NoSuchTarget, planner.site as i64, address);
    let found = found.ok_or_else(none)?;
    let event = alloc::format!("mem:{address}");
    let mut wanted = Wanted::new(Kind::Breakpoint, "", &event);
    wanted.head.offset = found;
    wanted.head.extra = len as u64 | (access as u64) << 8;
    wanted.beside.registers = true;
    wanted.place = &event;
    planner.put(&wanted).map(|_| 1)
}
