//! The kernel's own text of a ring buffer.
//!
//! In: a `trace` file of one CPU. Out: what stands behind each time stamp. Invariant: a text of several lines stays one.

/// One record's text.
pub struct KernelLine {
    /// Microseconds of the board's trace clock.
    pub time: u64,
    /// What follows, without the newline at its end.
    pub text: String,
}

/// Takes the file of CPU `cpu` apart.
pub fn lines(file: &str, cpu: usize) -> Vec<KernelLine> {
    let mut lines: Vec<KernelLine> = Vec::new();
    for line in file.lines() {
        if let Some(line) = head(line, cpu) {
            lines.push(line);
        } else if let Some(last) = lines.last_mut() {
            // A newline inside of a text.
            last.text.push('\n');
            last.text.push_str(line);
        }
    }
    lines
}

/// Reads `comm-pid [cpu] flags seconds.micros: text`.
fn head(line: &str, cpu: usize) -> Option<KernelLine> {
    let (_, rest) = line.split_once(&format!(" [{cpu:03}] "))?;
    let (_flags, rest) = rest.trim_start().split_once(' ')?;
    let (time, text) = rest.trim_start().split_once(": ")?;
    let (seconds, micros) = time.split_once('.')?;
    let time = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
    Some(KernelLine {
        time,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_from_texts() {
        let file = "# tracer: nop\n   a b-c-15  [001] d..1.  2933.061888: console: two\nlines: [001]\n\
                    \x20  <...>-7  [001] .....     3.000001: sys_close(fd: 3)\n";
        let lines = lines(file, 1);
        let seen: Vec<(u64, &str)> = lines.iter().map(|line| (line.time, line.text.as_str())).collect();
        assert_eq!(
            seen,
            [
                (2_933_061_888, "console: two\nlines: [001]"),
                (3_000_001, "sys_close(fd: 3)")
            ]
        );
    }
}
