//! From a script to a program, with its findings shown.
//!
//! In: [`Script`]. Out: [`Program`]; diagnostics on stderr, or as JSON lines on stdout.

use ktap_bytecode::verify::verify;
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::diagnostic::{Diagnostic, Severity};
use ktap_lang::program::Program;
use ktap_render::json;

use crate::args::OutputFormat;
use crate::diagnose;
use crate::failure::Failure;
use crate::script::Script;
use crate::ui::Ui;

/// Compiles a script and shows what was found. With `allow_unsafe` it may change the kernel.
///
/// # Errors
/// The script has errors; they have been shown.
pub fn run(script: &Script, allow_unsafe: bool, format: OutputFormat, ui: Ui) -> Result<Program, Failure> {
    let options = CompileOptions {
        args: script.args.clone(),
        script_name: script.source.name.clone(),
        allow_unsafe,
    };
    let (program, diagnostics) = compile(&script.source, &options);
    show(script, &diagnostics, format, ui);
    let Some(program) = program else {
        summary(&diagnostics, format, ui);
        return Err(Failure::Script);
    };
    if let Err(error) = verify(program.image.code_ref()) {
        // The board would refuse it as well; here the place in the script is known.
        let span = program.debug.spans.get(error.pc as usize).copied().unwrap_or_default();
        let message = format!(
            "the compiler made a program that does not verify: {}",
            error.rule.message()
        );
        ui.rendered(&diagnose::render_error(&script.source, span, &message, "", None));
        return Err(Failure::Script);
    }
    Ok(program)
}

fn show(script: &Script, diagnostics: &[Diagnostic], format: OutputFormat, ui: Ui) {
    for diagnostic in diagnostics {
        match format {
            OutputFormat::Text => ui.rendered(&diagnose::render(&script.source, diagnostic)),
            OutputFormat::Json => {
                let (line, column) = script.source.line_column(diagnostic.primary.span.start);
                let severity = match diagnostic.code.severity() {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                let (code, file) = (diagnostic.code.text(), &script.source.name);
                let (line, column) = (line as usize, column as usize);
                let mut object = json::diagnostic(code, severity, &diagnostic.message, file, line, column);
                object["help"] = serde_json::json!(diagnostic.help);
                ui.json(&object);
            }
        }
    }
}

fn summary(diagnostics: &[Diagnostic], format: OutputFormat, ui: Ui) {
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|d| d.code.severity() == Severity::Error)
        .collect();
    let Some(first) = errors.first() else { return };
    if format == OutputFormat::Text {
        let count = if errors.len() == 1 {
            "1 error".into()
        } else {
            format!("{} errors", errors.len())
        };
        ui.error(
            &format!("{count}; nothing was run"),
            Some(&format!("`ktap-host doc {}` says more", first.code.text())),
        );
    }
}
