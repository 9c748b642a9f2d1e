//! The `%p` conversions of the kernel's printf.
//!
//! In: the letters after `%p`, an address or a place in the record. Out: text. Invariant: an address is shown as it is, as the
//! kernel's trace does with `nohash-ptr`; the hash of another boot could not be made here.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::operand::Operand;
use super::printf::{Spec, integer, pad};
use super::tables;
use crate::abi::Abi;
use crate::symbol::Symbolize;

/// Appends the conversion; nothing if it needs memory that is not in the record.
pub(super) fn write(
    out: &mut Vec<u8>,
    spec: Spec,
    kind: &[u8],
    argument: &Operand<'_>,
    symbols: &dyn Symbolize,
    abi: Abi,
) -> Option<()> {
    match (kind, argument) {
        ([b'S' | b's' | b'F' | b'f' | b'B', ..], Operand::Int(address, _)) => {
            let offset = matches!(kind[0], b'S' | b'F' | b'B');
            pad(out, spec, symbol(*address, offset, symbols).as_bytes());
        }
        ([b'I' | b'i', b'4', ..], Operand::Array(bytes, _)) => pad(out, spec, ipv4(bytes)?.as_bytes()),
        ([b'I', b'6', b'c', ..], Operand::Array(bytes, _)) => pad(out, spec, ipv6(bytes)?.to_string().as_bytes()),
        ([b'I' | b'i', b'6', ..], Operand::Array(bytes, _)) => {
            let separator = if kind[0] == b'I' { ":" } else { "" };
            let groups = ipv6(bytes)?.segments().map(|group| format!("{group:04x}"));
            pad(out, spec, groups.join(separator).as_bytes());
        }
        ([b'I', b'S', options @ ..], Operand::Array(bytes, _)) => {
            pad(out, spec, socket(bytes, options, abi)?.as_bytes())
        }
        ([b'M' | b'm', options @ ..], Operand::Array(bytes, _)) => {
            let mut mac = bytes.get(..6)?.to_vec();
            if options.contains(&b'R') {
                mac.reverse();
            }
            let separator = match (kind[0], options.contains(&b'F')) {
                (b'm', _) => "",
                (_, true) => "-",
                _ => ":",
            };
            pad(out, spec, &tables::hex(&mac, separator));
        }
        ([b'U', options @ ..], Operand::Array(bytes, _)) => pad(out, spec, uuid(bytes, options.first())?.as_bytes()),
        ([b'h', options @ ..], Operand::Array(bytes, _)) => {
            // The width is the number of bytes, at most 64.
            let bytes = bytes.get(..spec.width.unwrap_or(1).min(64))?;
            let separator = match options.first() {
                Some(b'C') => ":",
                Some(b'D') => "-",
                Some(b'N') => "",
                _ => " ",
            };
            out.extend_from_slice(&tables::hex(bytes, separator));
        }
        ([b'b', options @ ..], Operand::Array(bytes, _)) => {
            let bits = spec.width.unwrap_or(0).min(bytes.len() * 8);
            let text = match options.first() {
                Some(b'l') => tables::bit_list(bytes, bits, abi),
                _ => tables::bitmask(bytes.get(..bits.div_ceil(8))?, abi),
            };
            out.extend_from_slice(&text);
        }
        ([] | [b'x' | b'K' | b'e', ..], Operand::Int(address, _)) => {
            let full = usize::from(abi.long_bytes) * 2;
            let spec = match spec.width {
                Some(_) => spec,
                None => Spec {
                    width: Some(full),
                    zero: true,
                    ..spec
                },
            };
            integer(out, spec, 16, false, *address, false);
        }
        _ => return None,
    }
    Some(())
}

fn symbol(address: u64, offset: bool, symbols: &dyn Symbolize) -> String {
    let mut name = String::new();
    match symbols.symbol(address) {
        Some(symbol) if offset => symbol.to_string(),
        Some(symbol) if symbol.write_name(&mut name).is_ok() => name,
        _ => format!("{address:#x}"),
    }
}

fn ipv4(bytes: &[u8]) -> Option<String> {
    let octets: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).to_string())
}

fn ipv6(bytes: &[u8]) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

/// `%pIS`: a sockaddr; `p` adds the port, `c` shortens IPv6.
fn socket(bytes: &[u8], options: &[u8], abi: Abi) -> Option<String> {
    /// Source: include/linux/socket.h.
    const AF_INET: u64 = 2;
    const AF_INET6: u64 = 10;
    let port = options
        .contains(&b'p')
        .then(|| bytes.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]])));
    let port = match port {
        Some(port) => Some(port?),
        None => None,
    };
    let (host, v6) = match abi.read(bytes.get(..2)?) {
        AF_INET => (ipv4(bytes.get(4..)?)?, false),
        AF_INET6 => {
            let address = ipv6(bytes.get(8..)?)?;
            let groups = || address.segments().map(|group| format!("{group:04x}")).join(":");
            (
                if options.contains(&b'c') {
                    address.to_string()
                } else {
                    groups()
                },
                true,
            )
        }
        // What the kernel says of other families.
        _ => return Some("(einval)".to_owned()),
    };
    Some(match (port, v6) {
        (None, _) => host,
        (Some(port), false) => format!("{host}:{port}"),
        (Some(port), true) => format!("[{host}]:{port}"),
    })
}

/// `%pUb` (the default) is big-endian, `%pUl` little; capitals make capitals.
fn uuid(bytes: &[u8], option: Option<&u8>) -> Option<String> {
    const LITTLE: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let bytes: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
    let mut text = String::new();
    for (at, from) in LITTLE.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = if matches!(option, Some(b'l' | b'L')) {
            bytes[from]
        } else {
            bytes[at]
        };
        text.push_str(&format!("{byte:02x}"));
    }
    Some(if matches!(option, Some(b'L' | b'B')) {
        text.to_uppercase()
    } else {
        text
    })
}
