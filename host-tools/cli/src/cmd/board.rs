//! `board list|up|down|console`.

use std::io::Write;

use ktap_transport::qemu;

use crate::args::BoardAction;
use crate::board::Board;
use crate::connect;
use crate::failure::Failure;
use crate::ui::Ui;

/// Manages boards.
///
/// # Errors
/// No such board, or QEMU fails.
pub fn run(action: &BoardAction, ui: Ui) -> Result<u8, Failure> {
    match action {
        BoardAction::List => list("*"),
        BoardAction::Up { name } => {
            let board = Board::load(name)?;
            let running = connect::start(&board, ui)?;
            ui.say(format!(
                "{name} is up (pid {}, serial {})",
                running.pid,
                running.serial.display()
            ));
            Ok(0)
        }
        BoardAction::Down { name } => {
            let spec = connect::qemu_spec(&Board::load(name)?)?;
            match qemu::status(&spec.state_dir) {
                Some(_) => {
                    qemu::down(&spec.state_dir).map_err(|e| Failure::Qemu(e.to_string()))?;
                    ui.say(format!("{name} is down"));
                }
                None => ui.say(format!("{name} was not running")),
            }
            Ok(0)
        }
        BoardAction::Console { name } => {
            let spec = connect::qemu_spec(&Board::load(name)?)?;
            qemu::console(&spec.state_dir).map_err(|e| Failure::Qemu(e.to_string()))?;
            Ok(0)
        }
    }
}

/// Prints the boards whose names match.
///
/// # Errors
/// Stdout is gone.
pub fn list(glob: &str) -> Result<u8, Failure> {
    let mut text = String::new();
    for (name, _) in Board::names() {
        if !ktap_bytecode::glob::matches(glob.as_bytes(), name.as_bytes()) {
            continue;
        }
        match Board::load(&name) {
            Ok(board) => {
                let state = match &board.qemu {
                    Some(_) => {
                        let spec = connect::qemu_spec(&board)?;
                        if qemu::status(&spec.state_dir).is_some() {
                            "up"
                        } else {
                            "down"
                        }
                    }
                    None => "-",
                };
                let arch = board.arch.get_ref();
                text.push_str(&format!("{name:<16} {arch:<8} {state:<5} {}\n", board.description));
            }
            Err(failure) => {
                let why = failure.text().0.unwrap_or_default();
                text.push_str(&format!("{name:<16} {:<8} {:<5} {why}\n", "?", "bad"));
            }
        }
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}
