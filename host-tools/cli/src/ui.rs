//! Talk on stderr: the only room that writes it.
//!
//! In: sentences. Out: lines on stderr, coloured as the terminal allows. Invariant: data never goes through here.
#![allow(clippy::print_stderr)]

use std::io::IsTerminal;

use crate::args::ColorWhen;

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Errors only.
    Quiet,
    /// What a user needs to know.
    Normal,
    /// What is being done.
    Verbose,
}

/// The voice of the program.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    volume: Volume,
}

impl Ui {
    /// Makes a voice of this volume.
    pub fn new(volume: Volume) -> Ui {
        Ui { volume }
    }

    /// Sets for the whole process when colour is used.
    pub fn set_color(when: ColorWhen) {
        let choice = match when {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }

    /// Says something unless quiet.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.volume >= Volume::Normal {
            anstream::eprintln!("{}", text.as_ref());
        }
    }

    /// Leaves the line on which the terminal shows `^C`.
    pub fn after_interrupt(&self) {
        if std::io::stderr().is_terminal() {
            anstream::eprintln!();
        }
    }

    /// Says something if verbose.
    pub fn verbose(&self, text: impl AsRef<str>) {
        if self.volume >= Volume::Verbose {
            anstream::eprintln!("[ktap] {}", text.as_ref());
        }
    }

    /// Says `warning: ...` unless quiet.
    pub fn warn(&self, text: impl AsRef<str>) {
        if self.volume >= Volume::Normal {
            anstream::eprintln!("\x1b[1;33mwarning\x1b[0m: {}", text.as_ref());
        }
    }

    /// Says `error: ...`, and how to mend it.
    pub fn error(&self, text: &str, help: Option<&str>) {
        anstream::eprintln!("\x1b[1;31merror\x1b[0m: {text}");
        if let Some(help) = help {
            anstream::eprintln!("  \x1b[1mhelp\x1b[0m: {help}");
        }
    }

    /// Writes text that is rendered already, such as a diagnostic.
    pub fn rendered(&self, text: &str) {
        anstream::eprintln!("{text}");
    }

    /// Writes a line of JSON to stdout, among the data: with `-f json` findings and errors are lines like the rest.
    pub fn json(&self, value: &serde_json::Value) {
        use std::io::Write;
        // A stdout that is gone is found by the data's own writer.
        let _ = writeln!(std::io::stdout(), "{value}");
    }

    /// Passes on what the traced command says, also when quiet: the user asked for that command.
    pub fn command(&self, bytes: &[u8]) {
        use std::io::Write;
        // A stderr that is gone leaves nobody to tell.
        let _ = anstream::stderr().write_all(bytes);
    }

    /// Passes on bytes from the board's side as they are.
    pub fn pass_through(&self, bytes: &[u8]) {
        if self.volume >= Volume::Normal {
            use std::io::Write;
            // A stderr that is gone leaves nobody to tell.
            let _ = anstream::stderr().write_all(bytes);
        }
    }
}
