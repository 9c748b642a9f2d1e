//! One program from `Load` to `Ended`, on whichever engine.
//!
//! In: an image, its options, messages. Out: records and an ending. Invariant: when `serve` returns nothing of the program is left:
//! no probe, no child, no memory.

mod aside;
mod load;
mod over;
mod session;

use ktap_link::message::{BoardMessage, EngineChoice, Packed, Refusal, RunOptions};

use crate::agent::Board;
use crate::engine::{Engine, Program, choice, kmod, user};
use crate::wire::{Gone, Wire};
use session::Session;

/// Loads a program and sees it to its end. What is refused leaves nothing behind.
///
/// # Errors
/// The host is gone.
pub fn serve(wire: &mut Wire<'_>, board: &Board, packed: &Packed, options: &RunOptions) -> Result<(), Gone> {
    match try_serve(wire, board, packed, options) {
        Ok(served) => served,
        Err(refusal) => refused(wire, refusal),
    }
}

fn try_serve(
    wire: &mut Wire<'_>,
    board: &Board,
    packed: &Packed,
    options: &RunOptions,
) -> Result<Result<(), Gone>, Refusal> {
    let (image, catalog) = load::decode(board, packed, options)?;
    let (verified, warnings) = load::check(&image, catalog.as_ref())?;
    let program = Program {
        board,
        options,
        limits: load::bounded(&options.limits),
        image: &image,
        verified,
        catalog: catalog.as_ref(),
    };
    let taken = choice::choose(&program)?;
    let (engine, reason) = (taken.engine(), taken.reason.clone());
    let mut warnings = Some(warnings);
    let mut go_on = |loaded: &mut dyn Engine| {
        wire.send(&BoardMessage::Loaded {
            memory: loaded.memory().min(u32::MAX as u64) as u32,
            warnings: warnings.take().unwrap_or_default(),
            engine,
            reason: reason.clone(),
        });
        Session {
            board,
            options,
            engine: loaded,
        }
        .await_start(wire)
    };
    match (engine, taken.device) {
        (EngineChoice::Kmod, Some(device)) => kmod::engine::load(program, device, &mut go_on),
        _ => user::engine::load(program, &mut go_on),
    }
}

fn refused(wire: &mut Wire<'_>, refusal: Refusal) -> Result<(), Gone> {
    wire.send(&BoardMessage::Refused(refusal));
    Ok(())
}
