//! `cargo xtask bench`: what an event costs, in guest instructions, beside other tools and a module in C.
//!
//! In: [`ROWS`]. Out: a table on stdout, and as `docs/benchmarks.md`. Invariant: what could not be measured is shown as such, with what the tool
//! said; a figure that misses its target fails the task.

use std::fmt::Write;

use crate::bench_guest::{self, Image};
use crate::bench_rows::{ROWS, Row};
use crate::bench_table::{self, Results};
use crate::board::Board;
use crate::cache::{self, Cache};
use crate::command::capture;
use crate::error::XtaskError;
use crate::guest::{self, Guest};
use crate::{agent, build, setup, step, terminal};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// ktap's module, and all it is compared with.
    Kmod,
    /// Only what it is compared with.
    Peers,
}

/// Runs the task; with a `name`, ktap alone in the rows whose names contain it, and nothing is written down or judged.
pub fn run(cache: &Cache, subject: Subject, name: &str) -> Result<(), XtaskError> {
    let whole = name.is_empty();
    let board = Board::load(cache, guest::BOARD)?;
    if subject == Subject::Kmod {
        build::run(cache)?;
    } else {
        step::run(cache, setup::STEPS)?;
    }
    let (kernel, _) = board.fetch_kernel(cache)?;
    let mut image = Image::new(cache)?;
    image.put("bench/getppid_cost", &bench_guest::program(cache, "getppid_cost")?)?;
    image.put("bench/floor.ko", &bench_guest::floor(cache, &kernel)?)?;
    if whole {
        bench_guest::add_peers(cache, &mut image)?;
    }
    let module = match subject {
        Subject::Kmod => Some(add_ktap(cache, board, &mut image)?),
        Subject::Peers => None,
    };
    image.bytes("bench/plan", plan(subject, name).as_bytes());
    let initramfs = cache.path("bench/initramfs.cpio");
    image.write(&initramfs)?;
    let console = cache.path("bench/console.log");
    terminal::talk(&format!(
        "measuring in the guest, which says what it finds in {}",
        console.display()
    ));
    let said = bench_guest::boot(&kernel, &initramfs, &console)?;
    let mut results = Results::read(&said);
    if let Some(bytes) = module {
        results.add("ktapvm.ko without debug information, bytes", bytes as f64);
    }
    let table = bench_table::table(&results, &kernel.release);
    terminal::result(&table);
    if whole && subject == Subject::Kmod {
        cache::write_changed(
            &cache.checkout("docs/benchmarks.md"),
            bench_table::page(&results, &kernel.release).as_bytes(),
            0o644,
        )?;
        results.verdict()?;
    }
    Ok(())
}

/// Adds host, agent and module: the session that is measured is a whole one, inside the guest. Returns the module's bytes.
fn add_ktap(cache: &Cache, board: Board, image: &mut Image) -> Result<usize, XtaskError> {
    image.own_program("usr/bin/ktap-host", &build::ktap_host_path(cache))?;
    image.put("usr/bin/ktap-agent", &agent::path(cache, "x86_64"))?;
    image.put("bench/boards/local.toml", &cache.checkout("boards/local.toml"))?;
    let mut host = Guest::of(cache, board).ktap_host();
    let built = capture(host.args(["kmod", "build", "--board", guest::BOARD]))?;
    let path = String::from_utf8_lossy(&built).trim().to_owned();
    image.put("bench/ktapvm.ko", path.as_ref())?;
    image.put("bench/first_event", &bench_guest::program(cache, "first_event")?)?;
    Ok(cache::read(path.as_ref())?.len())
}

/// Writes the guest's shell commands: one for each row and tool.
fn plan(subject: Subject, name: &str) -> String {
    let mut scripts = String::new();
    let mut plan = "measure untraced none $LOOP\nmeasure 'untraced, paced' none $PACED\n".to_owned();
    for (index, row) in ROWS.iter().enumerate().filter(|(_, row)| row.name.contains(name)) {
        // What the commands run.
        let _ = writeln!(plan, "B={}", if row.paced { "$PACED" } else { "$LOOP" });
        let mut measure = |tool: &str, command: &str| {
            let _ = writeln!(plan, "measure '{}' {tool} {command}", row.name);
        };
        if let (Some(script), Subject::Kmod) = (row.ktap, subject) {
            let _ = writeln!(scripts, "cat >/tmp/{index}.kp <<'KTAP'\n{script}\nKTAP");
            measure("ktap", &format!("ktap {} /tmp/{index}.kp", row.words));
        }
        if name.is_empty() {
            peers(row, &mut measure);
        }
    }
    plan.push_str("B=$LOOP\nmeasure untraced again $B\n");
    match subject {
        Subject::Kmod if name.is_empty() => format!("{scripts}insmod /bench/ktapvm.ko\n{plan}first\nburst\n"),
        Subject::Kmod if "load to first event".contains(name) => "insmod /bench/ktapvm.ko\nfirst\n".to_owned(),
        Subject::Kmod => format!("{scripts}insmod /bench/ktapvm.ko\n{plan}"),
        Subject::Peers => plan,
    }
}

fn peers(row: &Row, measure: &mut impl FnMut(&str, &str)) {
    if let Some(work) = row.floor {
        measure("floor", &format!("floor {work}"));
    }
    if let Some(program) = row.bpftrace {
        measure("bpftrace", &format!("bpftrace -q -e '{program}' -c \"$B\""));
    }
    for peer in row.peers {
        measure(peer.tool, peer.command);
    }
}
