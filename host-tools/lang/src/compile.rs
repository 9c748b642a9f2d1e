//! Compiling: from source to program.
//!
//! In: [`Source`]. Out: [`Program`] and diagnostics. Invariant: there is a program exactly if no diagnostic is an error.

use ktap_bytecode::verify::verify;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::lower::lower;
use crate::parse::parse;
use crate::program::Program;
use crate::resolve::resolve;
use crate::source::Source;

/// What the compiler is told besides the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// The script's arguments: `arg[1]` and on.
    pub args: Vec<String>,
    /// `arg[0]`.
    pub script_name: String,
    /// True if the script may change the kernel.
    pub allow_unsafe: bool,
}

/// Compiles a script. All its errors are returned, in the order of their places; warnings come along with a program.
pub fn compile(source: &Source, options: &CompileOptions) -> (Option<Program>, Vec<Diagnostic>) {
    let (block, mut diagnostics) = parse(source);
    let (resolved, found) = resolve(&block);
    diagnostics.extend(found);
    let (program, found) = lower(source, options, &block, &resolved);
    diagnostics.extend(found);
    diagnostics.sort_by_key(|d| (d.primary.span.start, d.primary.span.end, d.code.text()));
    diagnostics.dedup();
    let program = diagnostics
        .iter()
        .all(|d| d.code.severity() != Severity::Error)
        .then_some(program);
    let refused = program
        .as_ref()
        .and_then(|program| Some((program, verify(program.image.code_ref()).err()?)));
    if let Some((program, error)) = refused {
        let span = program.debug.spans.get(error.pc as usize).copied().unwrap_or_default();
        let message = format!("the compiler made code that no board would take: {error}");
        diagnostics.push(Diagnostic::new(Code::Internal, span, message));
        return (None, diagnostics);
    }
    (program, diagnostics)
}
