//! From the bytes of a `Load` to a verified program.
//!
//! In: packed bytes, options. Out: an image, verified code, warnings. Invariant: what is refused leaves nothing behind.

use alloc::string::ToString;
use alloc::vec::Vec;

use ktap_bytecode::image::{Image, ImageError};
use ktap_bytecode::limits::{Limits, MAX_IMAGE};
use ktap_bytecode::verify::{Verified, verify};
use ktap_link::message::{Packed, Refusal, RefusalCode, RunOptions, Stage};

use crate::agent::Board;
use crate::engine::catalog::{self, Catalog};
use crate::refusal::refuse;

/// Most backward jumps of one run, whatever the host allows: no message is read while a run goes on, so it has to end soon.
const MOST_LOOPS: u32 = 10_000_000;
/// Most ops of one handler run, likewise.
const MOST_FUEL: u32 = 10_000_000;

/// Decodes an image, and reads the kernel's events if it names any.
///
/// # Errors
/// Bytes that are no image for this board.
pub(super) fn decode(
    board: &Board,
    packed: &Packed,
    options: &RunOptions,
) -> Result<(Image, Option<Catalog>), Refusal> {
    if options.allow_unsafe && board.deny_unsafe {
        return Err(refuse(Stage::Attach, RefusalCode::Unsafe, 0, ""));
    }
    let malformed = |detail| refuse(Stage::Decode, RefusalCode::Malformed, detail, "");
    let bytes = packed.unpack(MAX_IMAGE).map_err(|_| malformed(packed.raw_len as i64))?;
    let image = Image::from_bytes(&bytes).map_err(|error| match error {
        ImageError::Version(major, minor) => refuse(
            Stage::Decode,
            RefusalCode::Version,
            (major as i64) << 8 | minor as i64,
            "",
        ),
        ImageError::TooLong(len) | ImageError::TrailingBytes(len) => malformed(len as i64),
        ImageError::Malformed => malformed(0),
    })?;
    if !image.build_id.is_empty() && image.build_id != board.build_id {
        return Err(refuse(Stage::Decode, RefusalCode::WrongKernel, 0, &board.uname.release));
    }
    let catalog = if catalog::needs_events(&image.probes) {
        Some(Catalog::find(&image.probes)?)
    } else {
        None
    };
    Ok((image, catalog))
}

/// Verifies the code and checks the names of events; returns warnings.
///
/// # Errors
/// A broken rule, or what [`catalog::check`] refuses.
pub(super) fn check<'i>(image: &'i Image, catalog: Option<&Catalog>) -> Result<(Verified<'i>, Vec<Refusal>), Refusal> {
    let verified = verify(image.code_ref()).map_err(|error| {
        let refusal = refuse(
            Stage::Verify,
            RefusalCode::Rule,
            error.rule as i64,
            &error.index.to_string(),
        );
        Refusal {
            errno: error.pc as i32,
            ..refusal
        }
    })?;
    let warnings = catalog::check(&image.probes, verified.code(), catalog)?;
    Ok((verified, warnings))
}

/// Keeps what the host asks for within what any board could need, so that sizes stay small numbers.
pub(super) fn bounded(limits: &Limits) -> Limits {
    Limits {
        stack_slots: limits.stack_slots.clamp(256, 1 << 16),
        call_depth: limits.call_depth.clamp(8, 1 << 12),
        scratch: limits.scratch.clamp(8 << 10, 4 << 20),
        loops: limits.loops.min(MOST_LOOPS),
        fuel: limits.fuel.min(MOST_FUEL),
        ..*limits
    }
}
