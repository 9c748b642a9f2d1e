//! ktap-host: compile a script here, run it on a board, show what it reports.
//!
//! In: the command line. Out: results on stdout, talk on stderr, an exit code. Invariant: only this file exits.

mod agents;
mod args;
mod bind;
mod blame;
mod board;
mod client;
mod cmd;
mod compile;
mod connect;
mod diagnose;
mod engine;
mod exit_code;
mod failure;
mod feed;
mod kmod;
mod losses;
mod names;
mod refusal;
mod run;
mod script;
mod signals;
mod ui;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Verb};
use ui::{Ui, Volume};

fn main() -> ExitCode {
    let cli = Cli::parse_from(with_verb(std::env::args_os().collect()));
    Ui::set_color(cli.color);
    let ui = Ui::new(volume(&cli.verb));
    let result = match &cli.verb {
        Verb::Push(args) => cmd::push::run(args, ui),
        Verb::Check(args) => cmd::check::run(args, ui),
        Verb::Dump(args) => cmd::dump::run(args, ui),
        Verb::List(args) => cmd::list::run(args, ui),
        Verb::Info(args) => cmd::info::run(args, ui),
        Verb::Board(args) => cmd::board::run(&args.action, ui),
        Verb::Kmod(args) => cmd::kmod::run(&args.action, ui),
        Verb::Completions { shell } => cmd::completions::run(*shell),
        Verb::Doc { topic } => cmd::doc::run(topic.as_deref()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if let (Some(text), help) = failure.text() {
                ui.error(&text, help.as_deref());
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn volume(verb: &Verb) -> Volume {
    match verb {
        Verb::Push(args) if args.quiet => Volume::Quiet,
        Verb::Push(args) if args.verbose > 0 => Volume::Verbose,
        _ => Volume::Normal,
    }
}

/// Puts `push` where a script or `-e` stands in the place of a verb, as in `#!/usr/bin/env ktap-host`.
fn with_verb(mut argv: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = argv.get(1).and_then(|word| word.to_str()) else {
        return argv;
    };
    let is_verb = Cli::command().get_subcommands().any(|verb| verb.get_name() == first) || first == "help";
    let is_script = !first.starts_with('-') && Path::new(first).is_file();
    if !is_verb && (is_script || first == "-e" || first == "-") {
        argv.insert(1, "push".into());
    }
    argv
}
