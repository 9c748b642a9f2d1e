//! `push`: the whole road from script to results.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, LineWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use ktap_lang::program::Program;
use ktap_lang::source::Source;
use ktap_link::message::{BoardMessage, HostMessage, Packed, RunOptions};
use ktap_render::{Config, Output, Renderer};

use super::dump;
use crate::args::{OutputFormat, PushArgs};
use crate::board::Board;
use crate::client::Client;
use crate::feed::Feed;
use crate::names::Names;
use crate::run::Run;
use crate::script::Script;
use crate::signals::StopRequests;
use crate::ui::Ui;
use crate::{bind, blame, compile, connect, engine, failure::Failure};

/// How long the board may take to verify and attach.
const LOAD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

/// Compiles, pushes and shows.
///
/// # Errors
/// Whatever can go wrong on the way; see [`Failure`].
pub fn run(args: &PushArgs, ui: Ui) -> Result<u8, Failure> {
    let began = Instant::now();
    let script = Script::read(&args.script)?;
    if let Some(stage) = args.dump {
        return dump::stage(&script, stage, ui);
    }
    let mut program = compile::run(&script, args.allow_unsafe, args.format, ui)?;
    let stops = StopRequests::listen().map_err(|e| Failure::usage(format!("cannot take signals: {e}")))?;
    let out = output(args)?;
    let (board, mut client) = connect::open(&args.target, ui)?;
    let engine = engine::choice(args.engine, &board);
    engine::check_kinds(&program, &script.source, engine, ui)?;
    let binding = bind::Binding {
        source: &script.source,
        sysroot: sysroot(args, &board),
        ui,
    };
    binding.bind(&mut program, &mut client)?;
    engine::prepare(engine, &board, &mut client, ui)?;
    load(&program, &script.source, options(args, &board), &mut client, ui)?;

    let mut feed = Feed::new(renderer(args, &program), names(&board, ui), out);
    let json = args.format == OutputFormat::Json;
    let run = Run {
        source: &script.source,
        debug: &program.debug,
        ui,
        timeout: args.timeout,
        dry_run: args.dry_run,
        json,
    };
    let result = run.execute(&mut client, &mut feed, &stops);
    drop(feed);
    let (sent, received) = client.traffic;
    client.leave();
    ui.verbose(format!(
        "{sent} bytes to the board, {received} from it, {} ms in all",
        began.elapsed().as_millis()
    ));
    result
}

/// Sends the image and waits until the board has it.
fn load(program: &Program, source: &Source, options: RunOptions, client: &mut Client, ui: Ui) -> Result<(), Failure> {
    let image = program.image.to_bytes();
    let packed = Packed::pack(&image);
    ui.verbose(format!(
        "image of {} bytes, {} on the wire",
        image.len(),
        packed.bytes.len()
    ));
    client.send(&HostMessage::Load { image: packed, options })?;
    match client.wait(LOAD_TIMEOUT)? {
        Some(BoardMessage::Loaded {
            memory,
            warnings,
            engine,
            reason,
        }) => {
            ui.verbose(format!("loaded, {memory} bytes of memory on the board"));
            ui.verbose(format!("engine {}: {reason}", engine::name(engine)));
            for warning in &warnings {
                ui.warn(crate::refusal::sentence(warning).0);
            }
            Ok(())
        }
        Some(BoardMessage::Refused(refusal)) => Err(blame::show(refusal, source, &program.debug, client, ui)),
        Some(_) => Err(Failure::Session("the board answered something else than Loaded".into())),
        None => Err(Failure::Session("the board did not load the program in time".into())),
    }
}

/// Returns how to run, from the command line, then the board's file, then the defaults.
fn options(args: &PushArgs, board: &Board) -> RunOptions {
    let mut options = RunOptions::default();
    let (limits, set) = (&mut options.limits, &board.limits);
    limits.memory = args.memory.or(set.memory).unwrap_or(limits.memory);
    limits.loops = args.max_loops.or(set.loops).unwrap_or(limits.loops);
    limits.fuel = set.fuel.unwrap_or(limits.fuel);
    limits.call_depth = set.call_depth.unwrap_or(limits.call_depth);
    options.ring_pages = args.ring_pages.or(set.ring_pages).unwrap_or(0);
    options.engine = engine::choice(args.engine, board);
    options.pid = args.pid;
    options.cpu = args.cpu;
    options.command = match &args.shell_command {
        Some(command) => vec!["sh".into(), "-c".into(), command.clone()],
        None => args.command.clone(),
    };
    options.include_self = args.include_self;
    options.allow_unsafe = args.allow_unsafe;
    options.dry_run = args.dry_run;
    options
}

/// Returns the copy of the board's files on this PC.
fn sysroot(args: &PushArgs, board: &Board) -> Option<PathBuf> {
    let set = board.sysroot.as_ref().map(|path| path.get_ref().clone());
    args.sysroot.clone().or(set)
}

fn names(board: &Board, ui: Ui) -> Names {
    let map = board.kernel.system_map.as_ref().map(|path| path.get_ref().clone());
    Names::new(board.abi(), map, ui)
}

fn renderer(args: &PushArgs, program: &Program) -> Renderer {
    let output = match args.format {
        OutputFormat::Text => Output::Text,
        OutputFormat::Json => Output::Json,
    };
    Renderer::new(
        Config {
            output,
            timestamps: args.timestamps,
        },
        &program.debug.formats,
    )
}

/// Opens where data goes: line by line to a terminal, in blocks elsewhere.
fn output(args: &PushArgs) -> Result<Box<dyn Write>, Failure> {
    match &args.output {
        Some(path) => {
            let file =
                File::create(path).map_err(|e| Failure::Output(format!("cannot write `{}`: {e}", path.display())))?;
            Ok(Box::new(BufWriter::new(file)))
        }
        None if std::io::stdout().is_terminal() => Ok(Box::new(LineWriter::new(std::io::stdout()))),
        None => Ok(Box::new(BufWriter::with_capacity(64 << 10, std::io::stdout()))),
    }
}
