//! `check`: compile and verify, offline.

use crate::args::CheckArgs;
use crate::compile;
use crate::failure::Failure;
use crate::script::Script;
use crate::ui::Ui;

/// Checks a script.
///
/// # Errors
/// It cannot be read, or has errors.
pub fn run(args: &CheckArgs, ui: Ui) -> Result<u8, Failure> {
    let script = Script::read(&args.script)?;
    let program = compile::run(&script, true, args.format, ui)?;
    if args.format == crate::args::OutputFormat::Text {
        let bytes = program.image.to_bytes().len();
        let image = &program.image;
        ui.say(format!(
            "{}: ok, {bytes} bytes of image, {} words of code, {} probe sites",
            script.source.name,
            image.code.len(),
            image.probes.len(),
        ));
    }
    Ok(0)
}
