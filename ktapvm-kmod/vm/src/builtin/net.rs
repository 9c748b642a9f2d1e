//! IPv4 addresses.
//!
//! In: numbers. Out: texts. Invariant: none.

use ktap_bytecode::trap::Trap;

use super::Args;
use crate::arith::decimal;
use crate::host::Host;
use crate::run::{Ran, Run};
use crate::value::Value;

/// `net.format_ip_addr(n)`.
pub(super) fn format_ip_addr<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    // A number in network order holds the first byte where the board's memory has it first.
    let bytes = (args.int(run, 0)? as u32).to_ne_bytes();
    let mut text = [0u8; 15];
    let mut len = 0usize;
    let mut push = |byte: u8| {
        if let Some(to) = text.get_mut(len) {
            *to = byte;
            len = len.wrapping_add(1);
        }
    };
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            push(b'.');
        }
        for digit in decimal(*byte as i64, &mut [0; 20]) {
            push(*digit);
        }
    }
    run.text(text.get(..len).unwrap_or_default())
}

/// `net.ip_sock_saddr(sk)`, `net.ip_sock_daddr(sk)`: they need the kernel's struct layout, which no host gives yet.
pub(super) fn sock_addr<H: Host>(run: &mut Run<'_, '_, H>, args: Args) -> Ran<Value> {
    args.int(run, 0)?;
    Err(Trap::Unsupported.into())
}
