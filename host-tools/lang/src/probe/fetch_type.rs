//! Types of fetch-args: `u8` .. `x64`, `char`, `symbol`, `string`, `ustring`, `b3@2/32`, and arrays of them.
//!
//! In: the text behind the colon. Out: a [`FetchType`] and how many. Invariant: widths are 8, 16, 32 or 64 bits, and a bit field lies in its number.

use ktap_bytecode::fetch::{FetchType, MAX_ARRAY};

use super::number;

/// What is wrong with a type.
pub(super) struct WrongType {
    pub(super) label: String,
    pub(super) help: Option<String>,
}

/// Reads `TYPE` or `TYPE[N]`.
pub(super) fn parse(text: &str) -> Result<(FetchType, u8), WrongType> {
    let Some((name, count)) = text.split_once('[') else {
        return one(text).map(|kind| (kind, 0));
    };
    let elements = count
        .strip_suffix(']')
        .and_then(number)
        .and_then(|n| u8::try_from(n).ok());
    match elements {
        Some(count @ 1..=MAX_ARRAY) => one(name).map(|kind| (kind, count)),
        _ => Err(WrongType {
            label: format!("'[{count}' is no number of elements"),
            help: Some(format!("an array has 1 to {MAX_ARRAY} elements, u8[4]")),
        }),
    }
}

fn one(text: &str) -> Result<FetchType, WrongType> {
    let unknown = || {
        WrongType {
        label: format!("'{text}' is no type"),
        help: Some(
            "u8 u16 u32 u64, s8 .. s64, x8 .. x64, char, symbol, string, ustring, bits b<width>@<shift>/<of>, with [N] behind"
                .into(),
        ),
    }
    };
    match text {
        "char" => return Ok(FetchType::Char),
        "symbol" => return Ok(FetchType::Symbol),
        "string" => return Ok(FetchType::String),
        "ustring" => return Ok(FetchType::UserString),
        _ => {}
    }
    if let Some(bits) = text.strip_prefix('b') {
        return bit_field(bits).ok_or_else(|| WrongType {
            label: format!("'{text}' is no bit field"),
            help: Some("b<width>@<shift>/<of>: 3 bits from bit 2 of 32 are b3@2/32".into()),
        });
    }
    let Some((letter, bits)) = text.split_at_checked(1) else {
        return Err(unknown());
    };
    let bytes = match bits {
        "8" => 1,
        "16" => 2,
        "32" => 4,
        "64" => 8,
        _ => return Err(unknown()),
    };
    match letter {
        "u" => Ok(FetchType::Unsigned(bytes)),
        "s" => Ok(FetchType::Signed(bytes)),
        "x" => Ok(FetchType::Hex(bytes)),
        _ => Err(unknown()),
    }
}

/// `<width>@<shift>/<container>`.
fn bit_field(text: &str) -> Option<FetchType> {
    let (width, rest) = text.split_once('@')?;
    let (shift, container) = rest.split_once('/')?;
    let small = |text: &str| number(text).filter(|&n| n <= 64);
    let (width, shift, container) = (small(width)?, small(shift)?, small(container)?);
    let fits = matches!(container, 8 | 16 | 32 | 64) && width > 0 && width + shift <= container;
    fits.then_some(FetchType::Bits {
        width: width as u8,
        shift: shift as u8,
        container: container as u8,
    })
}
