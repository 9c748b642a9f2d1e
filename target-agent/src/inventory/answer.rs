//! Answers to the host's questions about the board.
//!
//! In: [`Question`]. Out: [`Answer`]s, in parts of bounded length. Invariant: every question gets exactly one last part.

use alloc::string::String;
use alloc::vec::Vec;

use ktap_bytecode::glob;
use ktap_link::message::{Answer, BoardMessage, FUNCTIONS, Packed, Question, Refusal, RefusalCode, Stage};

use super::abilities;
use super::events::{self, EventName};
use super::symbols;
use super::tracefs::Tracefs;
use crate::agent::Board;
use crate::refusal::{refuse, refuse_errno};
use crate::sys::file::{self, Fd};
use crate::sys::{Errno, Result as SysResult};
use crate::wire::{Gone, Wire};

/// Bytes of text in one part.
const PART: usize = 64 << 10;
/// Bytes in flight while an answer is sent.
const IN_FLIGHT: usize = 256 << 10;

/// Answers a question; a long answer is sent as fast as the host takes it.
///
/// # Errors
/// The host is gone.
pub fn answer(wire: &mut Wire<'_>, board: &Board, id: u32, question: &Question) -> Result<(), Gone> {
    let text = match question {
        Question::Abilities => {
            let answer = Answer::Abilities(abilities::survey(board.no_module));
            wire.send(&BoardMessage::Answer { id, last: true, answer });
            return Ok(());
        }
        Question::Kallsyms => return send_file(wire, id, "/proc/kallsyms", u32::MAX),
        Question::File { path, limit } => return send_file(wire, id, path, *limit),
        Question::Events { glob } => event_names(glob),
        Question::Format { id } => match board.formats.text(*id) {
            Some(text) => Ok(text),
            None => format_by_id(*id),
        },
        Question::FormatOf { name } => format_by_name(name),
    };
    match text {
        Ok(text) => {
            let mut parts = text.chunks(PART).peekable();
            while let (Some(part), more) = (parts.next(), parts.peek().is_some()) {
                send_part(wire, id, !more, part)?;
            }
            if text.is_empty() {
                send_part(wire, id, true, &[])?;
            }
        }
        Err(refusal) => send_refusal(wire, id, refusal),
    }
    Ok(())
}

fn send_part(wire: &mut Wire<'_>, id: u32, last: bool, part: &[u8]) -> Result<(), Gone> {
    wire.send(&BoardMessage::Answer {
        id,
        last,
        answer: Answer::Text(Packed::pack(part)),
    });
    wire.settle(IN_FLIGHT)
}

fn send_refusal(wire: &mut Wire<'_>, id: u32, refusal: Refusal) {
    wire.send(&BoardMessage::Answer {
        id,
        last: true,
        answer: Answer::Refused(refusal),
    });
}

/// Sends a file without ever holding more of it than a part.
fn send_file(wire: &mut Wire<'_>, id: u32, path: &str, limit: u32) -> Result<(), Gone> {
    let refused = |errno| refuse_errno(Stage::Ask, RefusalCode::System, errno, path);
    // A FIFO or a terminal may have nothing to say for ever: do not wait for it.
    let fd = match Fd::open(path, file::O_RDONLY | file::O_NONBLOCK | file::O_NOCTTY) {
        Ok(fd) => fd,
        Err(errno) => {
            send_refusal(wire, id, refused(errno));
            return Ok(());
        }
    };
    let mut left = limit as usize;
    loop {
        match read_part(&fd, left) {
            Ok(part) => {
                left -= part.len();
                let last = part.len() < PART || left == 0;
                send_part(wire, id, last, &part)?;
                if last {
                    return Ok(());
                }
            }
            Err(errno) => {
                send_refusal(wire, id, refused(errno));
                return Ok(());
            }
        }
    }
}

/// Reads a whole part, or less at the end.
fn read_part(fd: &Fd, most: usize) -> SysResult<Vec<u8>> {
    let mut part = alloc::vec![0u8; PART.min(most)];
    let mut filled = 0;
    while filled < part.len() {
        match fd.read(&mut part[filled..])? {
            0 => break,
            got => filled += got,
        }
    }
    part.truncate(filled);
    Ok(part)
}

fn tracefs() -> Result<Tracefs, Refusal> {
    Tracefs::find().map_err(|errno| refuse_errno(Stage::Ask, RefusalCode::NoTracefs, errno, "tracefs"))
}

/// Tracepoints; functions, where the pattern says that it means these.
fn event_names(pattern: &str) -> Result<Vec<u8>, Refusal> {
    if let Some(functions) = pattern.strip_prefix(FUNCTIONS) {
        let mut names = symbols::functions(functions, None);
        names.sort_unstable();
        let lines = names.iter().map(|name| alloc::format!("{FUNCTIONS}{name}\n"));
        return Ok(lines.collect::<String>().into_bytes());
    }
    let names = events::all(&tracefs()?);
    let names = names.map_err(|errno| refuse_errno(Stage::Ask, RefusalCode::System, errno, "available_events"))?;
    let full = names
        .iter()
        .map(|name| alloc::format!("{}:{}\n", name.system, name.event));
    let matching = full.filter(|line| glob::matches(pattern.as_bytes(), line.trim_end().as_bytes()));
    Ok(matching.collect::<String>().into_bytes())
}

fn format_by_id(id: u16) -> Result<Vec<u8>, Refusal> {
    let tracefs = tracefs()?;
    let text = events::by_id(&tracefs, id as u32).and_then(|name| events::format_text(&tracefs, &name));
    text.map_err(|errno| no_event(errno, id as i64, ""))
}

fn format_by_name(name: &str) -> Result<Vec<u8>, Refusal> {
    let (system, event) = name.split_once(':').ok_or(no_event(Errno::EINVAL, 0, name))?;
    let full = EventName {
        system: system.into(),
        event: event.into(),
    };
    events::format_text(&tracefs()?, &full).map_err(|errno| no_event(errno, 0, name))
}

fn no_event(errno: Errno, detail: i64, name: &str) -> Refusal {
    Refusal {
        errno: errno.into_raw(),
        ..refuse(Stage::Ask, RefusalCode::NoSuchEvent, detail, name)
    }
}
