//! `list probes|builtins|boards [GLOB]`.

use std::io::Write;

use ktap_bytecode::builtin::{Builtin, Spelling};
use ktap_bytecode::glob;
use ktap_link::message::{FUNCTIONS, Question};
use ktap_symbols::abi::Abi;

use super::board;
use crate::args::{ListArgs, ListWhat};
use crate::client::Client;
use crate::connect;
use crate::failure::Failure;
use crate::ui::Ui;

/// Prints a list.
///
/// # Errors
/// The board cannot be reached, or nothing matches.
pub fn run(args: &ListArgs, ui: Ui) -> Result<u8, Failure> {
    let text = match args.what {
        ListWhat::Boards => return board::list(&args.glob),
        ListWhat::Builtins => builtins(&args.glob),
        ListWhat::Probes => {
            let (board, mut client) = connect::open(&args.target, ui)?;
            let text = probes(&mut client, board.abi(), &args.glob, args.verbose);
            client.leave();
            text?
        }
    };
    if text.is_empty() {
        return Err(Failure::usage(format!("nothing matches `{}`", args.glob)));
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}

fn builtins(pattern: &str) -> String {
    Builtin::ALL
        .iter()
        .filter(|b| b.spelling() != Spelling::Hidden && glob::matches(pattern.as_bytes(), b.name().as_bytes()))
        .map(|b| format!("{:<36} {}\n", b.signature(), b.doc()))
        .collect()
}

fn probes(client: &mut Client, abi: Abi, pattern: &str, verbose: bool) -> Result<String, Failure> {
    let names = client.ask_text(Question::Events {
        glob: pattern.to_owned(),
    })?;
    let names = String::from_utf8_lossy(&names).into_owned();
    // What a function is given, the board does not know.
    if !verbose || pattern.starts_with(FUNCTIONS) {
        return Ok(names);
    }
    let mut text = String::new();
    for name in names.lines() {
        text.push_str(&format!("{name}\n"));
        let format = client.ask_text(Question::FormatOf { name: name.to_owned() })?;
        let Ok(format) = ktap_symbols::format::EventFormat::parse(&String::from_utf8_lossy(&format), abi) else {
            continue;
        };
        for (number, field) in format.own_fields().enumerate() {
            text.push_str(&format!("    arg{number:<3} {} {}\n", field.type_name, field.name));
        }
    }
    Ok(text)
}
