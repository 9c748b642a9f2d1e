//! Times in front of lines.
//!
//! In: text, the trace clock. Out: the text with `seconds.microseconds: ` before each line. Invariant: a line that several records
//! make together is stamped once, with the time of the first.

/// Returns the trace clock as ktap prints it.
pub fn clock(time_ns: u64) -> String {
    format!("{:5}.{:06}", time_ns / 1_000_000_000, time_ns / 1000 % 1_000_000)
}

/// Knows whether the output stands at the start of a line.
#[derive(Clone, Copy, Debug)]
pub struct Stamper {
    fresh: bool,
}

impl Stamper {
    /// The start of the output.
    pub fn new() -> Stamper {
        Stamper { fresh: true }
    }

    /// Returns `text` with `time_ns` before each line that begins in it.
    pub fn stamp(&mut self, text: &[u8], time_ns: u64) -> Vec<u8> {
        let prefix = format!("{}: ", clock(time_ns));
        let mut out = Vec::with_capacity(text.len() + prefix.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.fresh {
                out.extend_from_slice(prefix.as_bytes());
            }
            out.extend_from_slice(line);
            self.fresh = line.last() == Some(&b'\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_each_line_once() {
        let mut stamper = Stamper::new();
        assert_eq!(
            stamper.stamp(b"a\nb", 1_000_002_999),
            b"    1.000002: a\n    1.000002: b"
        );
        assert_eq!(stamper.stamp(b"c\n", 2_000_000_000), b"c\n");
        assert_eq!(stamper.stamp(b"\n", 123_456_000_000_000), b"123456.000000: \n");
    }
}
