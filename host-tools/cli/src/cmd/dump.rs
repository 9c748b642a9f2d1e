//! `dump`: a script at a stage of compilation, offline.

use std::io::Write;

use ktap_bytecode::disasm::disasm;

use crate::args::{DumpArgs, DumpStage, OutputFormat};
use crate::compile;
use crate::failure::Failure;
use crate::script::Script;
use crate::ui::Ui;

/// Prints a stage.
///
/// # Errors
/// The script cannot be read, or has errors.
pub fn run(args: &DumpArgs, ui: Ui) -> Result<u8, Failure> {
    let script = Script::read(&args.script)?;
    stage(&script, args.stage, ui)
}

/// Prints a stage of a script that was read already.
///
/// # Errors
/// The script has errors, or stdout is gone.
pub fn stage(script: &Script, stage: DumpStage, ui: Ui) -> Result<u8, Failure> {
    let text = match stage {
        DumpStage::Tokens => ktap_lang::dump::tokens(&script.source, &ktap_lang::lex::lex(&script.source).0),
        DumpStage::Ast => {
            let (block, diagnostics) = ktap_lang::parse::parse(&script.source);
            for diagnostic in &diagnostics {
                ui.rendered(&crate::diagnose::render(&script.source, diagnostic));
            }
            ktap_lang::dump::ast(&block)
        }
        DumpStage::Dis => disasm(&compile::run(script, true, OutputFormat::Text, ui)?.image),
        DumpStage::Image => hex(&compile::run(script, true, OutputFormat::Text, ui)?.image.to_bytes()),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Output(format!("cannot write to stdout: {e}")))?;
    Ok(0)
}

/// Returns lines of sixteen bytes, with offset and text.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let digits: Vec<String> = chunk.iter().map(|b| format!("{b:02x}")).collect();
        let letters: String = chunk
            .iter()
            .map(|&b| if (32..127).contains(&b) { b as char } else { '.' })
            .collect();
        text.push_str(&format!("{:04x}  {:<47}  {letters}\n", row * 16, digits.join(" ")));
    }
    text
}
