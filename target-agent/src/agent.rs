//! The agent's conversation with a host while no program is loaded.
//!
//! In: messages. Out: answers, and a [`Program`] per `Load`. Invariant: every request gets an answer, out of order ones a refusal.

use alloc::string::ToString;
use alloc::vec::Vec;

use ktap_bytecode::version::{MAJOR, MINOR};
use ktap_link::message::{BoardHello, BoardMessage, HostMessage, RefusalCode, Stage};

use crate::command::Environment;
use crate::engine::kmod::{insert, state};
use crate::inventory::answer::answer;
use crate::inventory::formats::Formats;
use crate::inventory::{build_id, cpus};
use crate::program;
use crate::refusal::refuse;
use crate::sys::uname::{Uname, uname};
use crate::wire::{Gone, Wire};

/// What the agent knows of its board, for all sessions.
#[derive(Clone, Debug)]
pub struct Board {
    /// The kernel's name.
    pub uname: Uname,
    /// The kernel's build id.
    pub build_id: Vec<u8>,
    /// CPUs online.
    pub cpus: Vec<u32>,
    /// The agent's environment, for commands.
    pub environment: Environment,
    /// True if programs that change the kernel are refused.
    pub deny_unsafe: bool,
    /// True if no kernel module may be inserted.
    pub no_module: bool,
    /// Formats of the last program's probes.
    pub formats: Formats,
}

impl Board {
    /// Looks at the board.
    pub fn find(environment: Environment, deny_unsafe: bool, no_module: bool) -> Board {
        Board {
            uname: uname(),
            build_id: build_id::running(),
            cpus: cpus::online(),
            environment,
            deny_unsafe,
            no_module,
            formats: Formats::default(),
        }
    }

    fn hello(&self) -> BoardMessage {
        BoardMessage::Hello(BoardHello {
            major: MAJOR,
            minor: MINOR,
            agent: env!("CARGO_PKG_VERSION").to_string(),
            machine: self.uname.machine.clone(),
            release: self.uname.release.clone(),
            node: self.uname.node.clone(),
            build_id: self.build_id.clone(),
            cpus: self.cpus.len() as u16,
            module: state::find(self.no_module),
        })
    }
}

/// Where a host is in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Nobody has greeted yet.
    Unknown,
    /// Speaks our version.
    Greeted,
    /// Speaks another version.
    Foreign,
}

/// Talks to hosts until one says Bye.
///
/// # Errors
/// The host is gone without a Bye.
pub fn converse(wire: &mut Wire<'_>, board: &Board) -> Result<(), Gone> {
    let mut host = Host::Unknown;
    loop {
        let Some(message) = wire.next_message() else {
            wire.step(&[], None)?;
            continue;
        };
        match message {
            HostMessage::Hello { major, .. } => {
                wire.reset_credit();
                host = if major == MAJOR { Host::Greeted } else { Host::Foreign };
                wire.send(&board.hello());
            }
            HostMessage::Bye => {
                // The last acknowledgements are worth a moment, not more.
                let _ = wire.step(&[], Some(0));
                return Ok(());
            }
            HostMessage::Ping => wire.send(&BoardMessage::Pong),
            HostMessage::Credit { bytes } => wire.add_credit(bytes),
            _ if host == Host::Foreign => {
                let refusal = refuse(Stage::Message, RefusalCode::Version, MAJOR as i64, "");
                wire.send(&BoardMessage::Refused(refusal));
            }
            _ if host == Host::Unknown => out_of_order(wire),
            HostMessage::Ask { id, question } => answer(wire, board, id, &question)?,
            HostMessage::Load { image, options } => program::serve(wire, board, &image, &options)?,
            HostMessage::Module { image } => wire.send(&match insert::insert(&image, board.no_module) {
                Ok(module) => BoardMessage::Inserted(module),
                Err(refusal) => BoardMessage::Refused(refusal),
            }),
            HostMessage::Start | HostMessage::Stop | HostMessage::Abort => out_of_order(wire),
        }
    }
}

/// Refuses a request that makes no sense now.
pub fn out_of_order(wire: &mut Wire<'_>) {
    wire.send(&BoardMessage::Refused(refuse(
        Stage::Message,
        RefusalCode::OutOfOrder,
        0,
        "",
    )));
}
