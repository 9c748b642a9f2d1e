//! Messages that may come at any time of a program.
//!
//! In: a message. Out: what it means to the program. Invariant: every request gets an answer, out of order ones a refusal.

use ktap_link::message::{BoardMessage, HostMessage};

use crate::agent::{Board, out_of_order};
use crate::inventory::answer::answer;
use crate::wire::{Gone, Wire};

/// What a message means to a program.
pub(super) enum Aside {
    /// Nothing: it was dealt with.
    Done,
    /// End it properly.
    Stop,
    /// Drop it.
    Abort,
    /// Drop it, for the host leaves or another has come; the message is given back.
    Leave,
}

/// Deals with a message.
///
/// # Errors
/// The host is gone.
pub(super) fn aside(wire: &mut Wire<'_>, board: &Board, message: HostMessage) -> Result<Aside, Gone> {
    match message {
        HostMessage::Ping => wire.send(&BoardMessage::Pong),
        HostMessage::Credit { bytes } => wire.add_credit(bytes),
        HostMessage::Ask { id, question } => answer(wire, board, id, &question)?,
        HostMessage::Load { .. } | HostMessage::Start | HostMessage::Module { .. } => out_of_order(wire),
        HostMessage::Stop => return Ok(Aside::Stop),
        HostMessage::Abort => return Ok(Aside::Abort),
        HostMessage::Hello { .. } | HostMessage::Bye => {
            wire.unread(message);
            return Ok(Aside::Leave);
        }
    }
    Ok(Aside::Done)
}
