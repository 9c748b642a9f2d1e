//! What was measured, as a table.
//!
//! In: the guest's console. Out: [`Results`], and their text. Invariant: the untraced program is measured first and last; if the two differ, that
//! is shown.

use std::fmt::Write;

use crate::bench_rows::ROWS;
use crate::error::XtaskError;

/// Calls in a batch of the measured program.
const CALLS: f64 = 5000.0;

/// The columns.
const TOOLS: &[&str] = &["floor", "ktap", "bpftrace", "perf", "ftrace"];

/// What is measured once, and the most that it may be.
const FIGURES: &[(&str, f64)] = &[
    ("load to first event, guest instructions of the agent", 3e6),
    ("60,000 printf events back to back, 4 MiB ring, lost", 0.0),
    ("ktapvm.ko without debug information, bytes", 200.0 * 1024.0),
];

/// What the guest said.
#[derive(Debug, Default)]
pub struct Results {
    /// Row, tool, instructions of a call.
    figures: Vec<(String, String, f64)>,
    /// Figures of the whole: name, value.
    whole: Vec<(String, f64)>,
    /// What went wrong: row, tool, words.
    notes: Vec<(String, String, String)>,
}

impl Results {
    /// Reads the lines that `ci/qemu/bench/rc` writes.
    pub fn read(said: &str) -> Self {
        let mut results = Self::default();
        for line in said.lines() {
            let words: Vec<&str> = line.split('|').collect();
            match words.as_slice() {
                ["BENCH", row, tool, least, _] => {
                    if let Ok(least) = least.parse::<f64>() {
                        let figure = ((*row).to_owned(), (*tool).to_owned(), least / CALLS);
                        results.figures.push(figure);
                    }
                }
                ["FIGURE", name, value] => {
                    if let Ok(value) = value.parse() {
                        results.add(name, value);
                    }
                }
                ["FAILED" | "NOTE", row, tool, rest @ ..] => {
                    results
                        .notes
                        .push(((*row).to_owned(), (*tool).to_owned(), rest.join("|")));
                }
                ["DMESG", rest @ ..] => results.notes.push(("kernel".into(), "log".into(), rest.join("|"))),
                _ => {}
            }
        }
        results
    }

    /// Adds a figure that is no row's.
    pub fn add(&mut self, name: &str, value: f64) {
        self.whole.push((name.to_owned(), value));
    }

    fn figure(&self, row: &str, tool: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(r, t, _)| r == row && t == tool);
        found.map(|(_, _, figure)| *figure)
    }

    /// Returns what an event costs more than none.
    fn cost(&self, row: &str, tool: &str) -> Option<f64> {
        let paced = ROWS.iter().any(|known| known.name == row && known.paced);
        let untraced = if paced { "untraced, paced" } else { "untraced" };
        Some(self.figure(row, tool)? - self.figure(untraced, "none")?)
    }

    /// An error if a row misses its target or was not measured.
    pub fn verdict(&self) -> Result<(), XtaskError> {
        let missed = |target: u32, name: &str| self.cost(name, "ktap").is_none_or(|cost| cost > f64::from(target));
        let missed = ROWS
            .iter()
            .filter(|row| row.target.is_some_and(|target| missed(target, row.name)));
        let mut names: Vec<&str> = missed.map(|row| row.name).collect();
        for (name, most) in FIGURES {
            let found = self.whole.iter().find(|(known, _)| known == name);
            if found.is_none_or(|(_, value)| value > most) {
                names.push(name);
            }
        }
        if names.is_empty() {
            Ok(())
        } else {
            Err(XtaskError::BadFile {
                place: "benchmark".into(),
                problem: format!("the targets of these rows are missed: {}", names.join(", ")),
            })
        }
    }
}

/// Makes the table.
pub fn table(results: &Results, release: &str) -> String {
    let mut text = format!("Guest instructions an event, kernel {release}; an untraced getppid(2) takes ");
    let untraced = |tool| {
        results
            .figure("untraced", tool)
            .map_or("?".into(), |figure| format!("{figure:.2}"))
    };
    let _ = writeln!(
        text,
        "{} (again at the end: {}).\n",
        untraced("none"),
        untraced("again")
    );
    let _ = write!(text, "| {:<32} | target | ok   |", "work");
    for tool in TOOLS {
        let _ = write!(text, " {tool:>8} |");
    }
    let _ = write!(text, "\n|{}|--------|------|", "-".repeat(34));
    for _ in TOOLS {
        text.push_str("---------:|");
    }
    text.push('\n');
    for row in ROWS {
        let cost = results.cost(row.name, "ktap");
        let target = row.target.map_or(String::new(), |target| target.to_string());
        let verdict = match (row.target, cost) {
            (Some(target), Some(cost)) if cost <= f64::from(target) => "pass",
            (Some(_), Some(_)) => "MISS",
            _ => "",
        };
        let _ = write!(text, "| {:<32} | {target:>6} | {verdict:<4} |", row.name);
        for tool in TOOLS {
            let shown = results
                .cost(row.name, tool)
                .map_or("-".into(), |cost| format!("{cost:.0}"));
            let _ = write!(text, " {shown:>8} |");
        }
        text.push('\n');
    }
    for (name, value) in &results.whole {
        let target = FIGURES.iter().find(|(known, _)| known == name);
        let verdict = match target {
            Some((_, most)) if value <= most => format!(", at most {most}: pass"),
            Some((_, most)) => format!(", at most {most}: MISS"),
            None => String::new(),
        };
        let _ = write!(text, "\n{name}: {value}{verdict}");
    }
    for (row, tool, words) in &results.notes {
        let _ = write!(text, "\n{row}, {tool}: {words}");
    }
    text
}

/// What a row's cost is made of; the parts are those that `cargo run --example cost` of ktap-vm counts.
const MADE_OF: &str = "\
## What the cost is made of

An event comes to its probe for about 120: the kernel's own call of a tracepoint is half of that, the rest asks whether the session is enabled and the
process meant. A handler that does nothing, one that only counts, one that only prints the event, and a filter of one number are answered there.

What else a handler does is interpreted. Coming to the interpreter takes about 150, beside the kernel's own call; entering and leaving a frame 120; an op about 35, of which a dozen
choose it, as kernels for x86 allow no jump tables; an operation on a table 70 to 180, for a lock, the hash of the key and a walk along its chain.

## Why rows miss their targets

The targets are what a compiler that knows the script would come near to. Counted instruction by instruction (QEMU's log of what one call runs), beside
the 60 of the kernel's own call of the tracepoint:

- count per execname: 150 to come to the interpreter, 120 for the frame, 120 for four ops, 100 to read the command's name and find its string, 120 to find
  the entry and add to it under other CPUs' eyes.
- log2 histogram of an argument: 150, 120, 180 for five ops and the argument, 70 for the entry.
- enter/exit latency: twice 150 and 120; 670 for nineteen ops; 360 for two assignments to the table, 125 to read it, 70 for the histogram's entry, 76 for
  the clock.
- record of the event: 130 to come to the probe and back; 85 to make the record of the call's words, 115 to hold the buffer and write what comes before it,
  80 and 40 for the ring and the copy into it, 40 for the clock. The copies could be one, into the ring itself, for the price of a ring that can be left half
  written.
- printf: 160, 120, 190 for ops, 100 for the command's name, 265 to write the record field by field in the form it travels in, 165 for ring, copy and clock.
- kretprobe latency and histogram: as enter/exit latency, with a kprobe and a kretprobe in place of two tracepoints, which cost the C module 317 more.

Native code made from the verified program would take away the choosing, the frame and most of the way to the interpreter; the layouts are fixed for it
(docs/adr/0008). Every row that a peer can do too is cheaper than the cheapest peer today.

`ktapvm.ko` is larger than its target by what the kernel's format needs for it beside its 140 KB of code: on x86 about 55 KB of unwind tables and their
relocations, 45 KB of other relocations, 30 KB of symbols, which keep the names of functions in an oops. Saved for space instead of speed it has 25 KB less
and its rows cost 3 to 8 % more; without local symbols it has 20 KB less. Packed, as it goes over the link, it has 160 KB.
";

/// Makes the page of the documentation.
pub fn page(results: &Results, release: &str) -> String {
    format!(
        "# What an event costs\n\n\
         Written by `cargo xtask bench kmod`. The guest runs one CPU whose clock counts instructions (QEMU's `-icount`), so the figures are the\n\
         same on every machine. A row's figure is the least of 11 batches of 5000 getppid(2) calls, traced minus untraced; every tool traces all\n\
         processes. `floor` is a kernel module in C that does the row's work by hand; bpftrace and perf are Debian's.\n\
         In the rows of records the calls come in bursts of 500, and what reads the records does so between them.\n\
         Instructions are not time: they understate traps and cache misses, and rank tools that work alike.\n\n{}\n\n{MADE_OF}",
        table(results, release)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_traced_minus_untraced() {
        let said = "BENCH|untraced|none|1500000|1\nnoise\nBENCH|count|ktap|2500000|1\nFAILED|count|perf|no| such\n";
        let results = Results::read(said);
        assert_eq!(results.cost("count", "ktap"), Some(200.0));
        assert_eq!(results.cost("count", "perf"), None);
        let table = table(&results, "6.1");
        assert!(
            table.contains("| count                            |    220 | pass |"),
            "{table}"
        );
        assert!(table.contains("count, perf: no| such"), "{table}");
    }

    #[test]
    fn what_was_not_measured_misses_its_target() {
        let problem = Results::read("BENCH|untraced|none|1500000|1\n").verdict().unwrap_err();
        assert!(problem.to_string().contains("kprobe count"), "{problem}");
    }
}
