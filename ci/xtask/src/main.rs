//! The build UI: `cargo xtask TASK`.
//!
//! In: a task's name. Out: exit 0, or 1 with one message on stderr. Invariant: standard library only, so it compiles in seconds on
//! a system that has nothing yet.

mod agent;
mod apt;
mod archive;
mod bench;
mod bench_guest;
mod bench_rows;
mod bench_table;
mod board;
mod build;
mod cache;
mod case;
mod cases;
mod command;
mod cpio;
mod demo;
mod error;
mod events;
mod guest;
mod initramfs;
mod kernel;
mod kernel_debug;
mod kernel_tools;
mod keys;
mod kmod;
mod kmod_boards;
mod kmod_object;
mod matrix;
mod modules;
mod pattern;
mod programs;
mod run_case;
mod setup;
mod size;
mod step;
mod stress;
mod stress_phases;
mod terminal;
mod test;
mod toolchain;
mod userland;

use std::process::ExitCode;

use cache::Cache;
use error::XtaskError;
use test::Part;

const HELP: &str = "\
cargo xtask TASK

  demo [--keep]       the main job on a QEMU board, from nothing; --keep leaves the board up
  test [--only cargo | --only cases [NAME] | --only events]
                      every test; or cargo's; or the cases on the board whose names or files contain NAME; or the
                      comparison of the texts of all events of the board with its kernel's own
  test --matrix [NAME]
                      the cases whose names or files contain NAME on every QEMU board and kernel, with every engine
  bench kmod [NAME]   what an event costs in the kernel module, in guest instructions, beside other tools; or ktap alone in the rows
                      whose names contain NAME
  bench peers         the other tools alone
  cases BOARD ENGINE [NAME]
                      the same on one board with one engine, user or kmod
  size                bytes of agents, modules and ktap-host
  stress [--minutes N [BOARD]]
                      the kernel module on a loaded board, ten minutes or N: everything attached, agents killed, memory
                      exhausted, the device under random requests
  setup               get all that is needed from outside the checkout
  kernel [NAME...]    fetch kernels to test on and print where they are; without a name, print the names
  kernel debug        build a kernel that checks itself, for the board x86-debug; takes long
  kmod                the kernel module's Rust half, for every architecture
  build               setup, then the agents, the board's image, ktap-host";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            terminal::talk(&format!("xtask: {problem}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), XtaskError> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::run(&Cache::open()?),
        ["demo"] => demo::run(&Cache::open()?, false),
        ["demo", "--keep"] => demo::run(&Cache::open()?, true),
        ["test"] => test::run(&Cache::open()?, None, ""),
        ["cases", board, engine] => test::on_board(&Cache::open()?, board, engine, ""),
        ["cases", board, engine, name] => test::on_board(&Cache::open()?, board, engine, name),
        ["test", "--matrix"] => test::matrix(&Cache::open()?, ""),
        ["test", "--matrix", name] => test::matrix(&Cache::open()?, name),
        ["test", "--only", "cargo"] => test::run(&Cache::open()?, Some(Part::Cargo), ""),
        ["test", "--only", "cases"] => test::run(&Cache::open()?, Some(Part::Cases), ""),
        ["test", "--only", "cases", name] => test::run(&Cache::open()?, Some(Part::Cases), name),
        ["test", "--only", "events"] => test::run(&Cache::open()?, Some(Part::Events), ""),
        ["kernel", "debug"] => kernel_debug::build(&Cache::open()?),
        ["kernel", names @ ..] => kernel::show(&Cache::open()?, names),
        ["kmod"] => step::run(&Cache::open()?, kmod::STEPS),
        ["bench", "kmod"] => bench::run(&Cache::open()?, bench::Subject::Kmod, ""),
        ["bench", "kmod", name] => bench::run(&Cache::open()?, bench::Subject::Kmod, name),
        ["bench", "peers"] => bench::run(&Cache::open()?, bench::Subject::Peers, ""),
        ["size"] => size::run(&Cache::open()?),
        ["stress"] => stress::run(&Cache::open()?, stress::BOARD, 10),
        ["stress", "--minutes", minutes] => stress::run(&Cache::open()?, stress::BOARD, number(minutes)?),
        ["stress", "--minutes", minutes, board] => stress::run(&Cache::open()?, board, number(minutes)?),
        ["build"] => build::run(&Cache::open()?),
        [] | ["help" | "-h" | "--help"] => {
            terminal::result(HELP);
            Ok(())
        }
        [task, ..] => Err(XtaskError::Usage(format!(
            "there is no task `{task}` with these arguments"
        ))),
    }
}

fn number(text: &str) -> Result<u64, XtaskError> {
    text.parse()
        .map_err(|_| XtaskError::Usage(format!("`{text}` is no number")))
}
