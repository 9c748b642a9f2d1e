//! The script's text, from wherever the command line says.
//!
//! In: [`ScriptArgs`]. Out: [`Script`]: a source and the script's arguments.

use std::io::Read;

use ktap_lang::source::Source;

use crate::args::ScriptArgs;
use crate::failure::Failure;

/// A script and its arguments.
pub struct Script {
    /// The text.
    pub source: Source,
    /// Its arguments, `arg[1]` first.
    pub args: Vec<String>,
}

/// Longest script, bytes.
const MAX_SCRIPT: usize = 1 << 20;

impl Script {
    /// Reads the script.
    ///
    /// # Errors
    /// No script named, or it cannot be read.
    pub fn read(args: &ScriptArgs) -> Result<Script, Failure> {
        if let Some(program) = &args.program {
            let source = Source::new("(command line)", program.as_bytes());
            return Ok(Script {
                source,
                args: args.words.clone(),
            });
        }
        let Some((path, rest)) = args.words.split_first() else {
            return Err(Failure::Usage(
                "no script given".into(),
                Some("name a file, `-` for stdin, or give the text with -e 'PROGRAM'".into()),
            ));
        };
        let (name, text) = if path == "-" {
            let mut text = Vec::new();
            std::io::stdin()
                .read_to_end(&mut text)
                .map_err(|e| Failure::usage(format!("cannot read the script from stdin: {e}")))?;
            ("(stdin)".to_owned(), text)
        } else {
            let text = std::fs::read(path).map_err(|e| Failure::usage(format!("cannot read `{path}`: {e}")))?;
            (path.clone(), text)
        };
        if text.len() > MAX_SCRIPT {
            return Err(Failure::usage(format!(
                "`{name}` is longer than the {MAX_SCRIPT} bytes a script may have"
            )));
        }
        Ok(Script {
            source: Source::new(name, text),
            args: rest.to_vec(),
        })
    }
}
