//! `info`: what a board can do, each line yes or no with the reason.

use std::io::Write;

use ktap_bytecode::version;
use ktap_link::message::{Ability, Answer, BoardHello, ModuleState, Question};

use crate::args::{InfoArgs, OutputFormat};
use crate::connect;
use crate::failure::Failure;
use crate::kmod;
use crate::ui::Ui;

/// Asks the board and prints.
///
/// # Errors
/// The board cannot be reached or does not answer.
pub fn run(args: &InfoArgs, ui: Ui) -> Result<u8, Failure> {
    let (board, mut client) = connect::open(&args.target, ui)?;
    let mut abilities: Vec<Ability> = Vec::new();
    for part in client.ask(Question::Abilities)? {
        match part {
            Answer::Abilities(list) => abilities.extend(list),
            Answer::Refused(refusal) => return Err(Failure::Refused(refusal)),
            Answer::Text(_) => return Err(Failure::Session("the board answered another question".into())),
        }
    }
    let hello = client.board.clone();
    let link = client.describe();
    client.leave();
    let module = module(&hello);
    let build_id: String = hello.build_id.iter().map(|b| format!("{b:02x}")).collect();
    let text = match args.format {
        OutputFormat::Json => {
            let list: Vec<_> = abilities
                .iter()
                .map(|a| serde_json::json!({"name": a.name, "yes": a.yes, "reason": a.reason}))
                .collect();
            let object = serde_json::json!({
                "type": "info", "board": board.name, "host": env!("CARGO_PKG_VERSION"), "agent": hello.agent,
                "protocol": format!("{}.{}", hello.major, hello.minor), "machine": hello.machine,
                "release": hello.release, "node": hello.node, "build_id": build_id, "cpus": hello.cpus, "module": module, "abilities": list,
            });
            format!("{object}\n")
        }
        OutputFormat::Text => {
            let mut text = String::new();
            let mut row = |name: &str, value: &str| text.push_str(&format!("{name:<12} {value}\n"));
            row("board", &board.name);
            row("link", &link);
            row(
                "ktap-host",
                &format!(
                    "{} (protocol {}.{})",
                    env!("CARGO_PKG_VERSION"),
                    version::MAJOR,
                    version::MINOR
                ),
            );
            row(
                "agent",
                &format!("{} (protocol {}.{})", hello.agent, hello.major, hello.minor),
            );
            row(
                "kernel",
                &format!("{} {} on {}", hello.release, hello.machine, hello.node),
            );
            row("build id", if build_id.is_empty() { "unknown" } else { &build_id });
            row("CPUs", &hello.cpus.to_string());
            row("module", &module);
            text.push('\n');
            for ability in &abilities {
                let yes = if ability.yes { "yes" } else { "no" };
                text.push_str(&format!("{:<24} {yes:<4} {}\n", ability.name, ability.reason));
            }
            text
        }
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}

/// Returns how the kernel module stands, on the board and here.
fn module(hello: &BoardHello) -> String {
    let state = match hello.module.state {
        ModuleState::Unable => "cannot be inserted",
        ModuleState::Missing => "not inserted",
        ModuleState::Foreign => "another one is inserted",
        ModuleState::Ready => "ready",
    };
    let here = match kmod::kept(&hello.release) {
        Some(module) => format!("{} here", module.path.display()),
        None => format!("none for {} is built here", hello.release),
    };
    format!("{state}: {}; {here}", hello.module.reason)
}
