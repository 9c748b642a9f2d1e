//! The engine: which one is asked for, and the kernel module where it takes one.
//!
//! In: options, the board's file, what the board says of its kernel module. Out: [`EngineChoice`]; the module inserted. Invariant: a module for
//! another kernel is not even sent, and where `auto` goes on without the module the reason is said, once.

use std::time::Duration;

use ktap_lang::program::Program;
use ktap_lang::source::Source;
use ktap_link::message::{BoardMessage, EngineChoice, HostMessage, MAX_MESSAGE, Module, ModuleState, Packed};

use crate::args::Engine;
use crate::board::{Board, ModulePolicy};
use crate::client::Client;
use crate::failure::Failure;
use crate::kmod::{self, modinfo};
use crate::ui::Ui;
use crate::{diagnose, refusal};

/// How long a kernel may take to link a module in.
const INSERT_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the engine asked for: by the command line, else by the board's file.
pub fn choice(asked: Option<Engine>, board: &Board) -> EngineChoice {
    match asked.or(board.engine).unwrap_or(Engine::Auto) {
        Engine::Auto => EngineChoice::Auto,
        Engine::User => EngineChoice::User,
        Engine::Kmod => EngineChoice::Kmod,
    }
}

/// Returns an engine's name.
pub fn name(choice: EngineChoice) -> &'static str {
    match choice {
        EngineChoice::Auto => "auto",
        EngineChoice::User => "user",
        EngineChoice::Kmod => "kmod",
    }
}

/// Refuses kinds of probes that the engine asked for never has, before anything is asked of the board.
///
/// # Errors
/// There is one; it has been shown at its place.
pub fn check_kinds(program: &Program, source: &Source, choice: EngineChoice, ui: Ui) -> Result<(), Failure> {
    let other = match choice {
        EngineChoice::Auto => return Ok(()),
        EngineChoice::User => EngineChoice::Kmod,
        EngineChoice::Kmod => EngineChoice::User,
    };
    let (asked, other) = (name(choice), name(other));
    let mut result = Ok(());
    for (probe, (_, span)) in program.image.probes.iter().zip(&program.debug.probes) {
        let lacks = |kind: ktap_bytecode::probe::ProbeKind| match choice {
            EngineChoice::User => !kind.user_engine(),
            _ => !kind.kmod_engine(),
        };
        let Some(kind) = probe.points.iter().map(|point| point.kind()).find(|kind| lacks(*kind)) else {
            continue;
        };
        let text = format!(
            "the engine `{asked}` cannot attach {}; the engine `{other}` can",
            kind.syntax()
        );
        let help = format!("say --engine {other}, or leave the choice to the board");
        ui.rendered(&diagnose::render_error(source, *span, &text, "", Some(&help)));
        result = Err(Failure::BindShown);
    }
    result
}

/// Makes sure of the kernel module where the engine may take it.
///
/// # Errors
/// The module was asked for and cannot be had; a broken link.
pub fn prepare(choice: EngineChoice, board: &Board, client: &mut Client, ui: Ui) -> Result<(), Failure> {
    if choice == EngineChoice::User {
        return Ok(());
    }
    let Some(without) = insert_if_missing(board, client, ui)? else {
        return Ok(());
    };
    if choice == EngineChoice::Kmod {
        return Err(without.into_failure());
    }
    ui.say(format!("[ktap] engine user: {}", without.text));
    if let Some(help) = without.help {
        ui.verbose(help);
    }
    Ok(())
}

/// Why the module cannot be had.
struct Without {
    text: String,
    help: Option<String>,
    /// It is for another kernel, which is a mismatch.
    mismatch: bool,
}

impl Without {
    fn new(text: impl Into<String>, help: Option<&str>) -> Without {
        Without {
            text: text.into(),
            help: help.map(str::to_owned),
            mismatch: false,
        }
    }

    fn into_failure(self) -> Failure {
        if self.mismatch {
            return Failure::Mismatch(self.text);
        }
        let help = self.help.or(Some("use --engine auto or --engine user".into()));
        Failure::NoEngine(format!("the board has no engine `kmod`: {}", self.text), help)
    }
}

fn insert_if_missing(board: &Board, client: &mut Client, ui: Ui) -> Result<Option<Without>, Failure> {
    let Module { state, reason } = client.board.module.clone();
    let replaces = match state {
        ModuleState::Ready => return Ok(None),
        ModuleState::Unable => return Ok(Some(Without::new(reason, None))),
        ModuleState::Missing => false,
        ModuleState::Foreign => true,
    };
    if board.kernel.module == ModulePolicy::Never {
        let text = format!("{reason}, and the board's file says module = \"never\"");
        return Ok(Some(Without::new(text, None)));
    }
    let release = client.board.release.clone();
    let module = match meanwhile(client, || find(board, &release, ui))? {
        Ok(module) => module,
        Err(without) => return Ok(Some(without)),
    };
    let size = module.bytes.len();
    let packed = Packed::pack(&module.bytes);
    if packed.bytes.len() + 64 > MAX_MESSAGE {
        let text = format!("{}: {size} bytes are more than a link takes", module.path.display());
        return Ok(Some(Without::new(text, None)));
    }
    ui.verbose(format!(
        "{}: {size} bytes, {} on the wire",
        module.path.display(),
        packed.bytes.len()
    ));
    client.send(&HostMessage::Module { image: packed })?;
    match client.wait(INSERT_TIMEOUT)? {
        Some(BoardMessage::Inserted(now)) if now.state == ModuleState::Ready => {
            let verb = if replaces { "replaced" } else { "inserted" };
            ui.say(format!(
                "[ktap] module for {release} {verb}, {} KB",
                size.div_ceil(1000)
            ));
            client.board.module = now;
            Ok(None)
        }
        Some(BoardMessage::Inserted(now)) => Ok(Some(Without::new(now.reason, None))),
        Some(BoardMessage::Refused(refused)) => {
            let (text, help) = refusal::sentence(&refused);
            Ok(Some(Without::new(text, help.as_deref())))
        }
        Some(_) => Err(Failure::Session(
            "the board answered something else than Inserted".into(),
        )),
        None => Err(Failure::Session("the board did not insert the module in time".into())),
    }
}

/// Does work that may take long, while the board hears that its host is there: an agent that hears nothing ends.
fn meanwhile<T: Send>(client: &mut Client, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        let mut alive = Ok(());
        while !worker.is_finished() && alive.is_ok() {
            // Nothing but an answer to a ping can come now.
            alive = client.poll().map(drop);
        }
        let done = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        alive.map(|()| done)
    })
}

/// Returns the module for a kernel: built from the board's headers where the file names them, else the one that is kept.
fn find(board: &Board, release: &str, ui: Ui) -> Result<kmod::Module, Without> {
    let build = format!("ktap-host kmod build --board {}", board.name);
    let module = match board.kernel.build {
        Some(_) => match kmod::ensure(board, &kmod::Request::default()) {
            Ok(module) => Some(module),
            Err(failure) => {
                let (text, help) = failure.text();
                let text = text.unwrap_or_default();
                // One that was built before may still serve.
                let kept = kmod::kept(release);
                if kept.is_none() {
                    return Err(Without::new(text, help.as_deref()));
                }
                ui.verbose(format!("{text}; the module built before is taken"));
                kept
            }
        },
        None => kmod::kept(release),
    };
    let Some(module) = module else {
        let text = format!("no module for {release} is built; `{build}` builds it");
        return Err(Without::new(
            text,
            Some("it needs the kernel's headers: see `ktap-host kmod build --help`"),
        ));
    };
    if module.built {
        ui.verbose(format!("module for {} built", module.release));
    }
    match modinfo::check_kernel(&module.bytes, release) {
        Ok(()) => Ok(module),
        Err(wrong) => Err(Without {
            text: format!("{}: {wrong}", module.path.display()),
            help: Some(build),
            mismatch: true,
        }),
    }
}
