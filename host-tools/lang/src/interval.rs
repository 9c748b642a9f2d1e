//! Intervals of timers: `1s`, `10us`, `100hz`.
//!
//! In: text behind `tick-` or `profile-`. Out: nanoseconds. Invariant: never 0, and never more than a signed 64-bit number holds.

use std::fmt;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// Units and their nanoseconds.
pub const UNITS: &[(&str, u64)] = &[
    ("s", 1_000_000_000),
    ("sec", 1_000_000_000),
    ("ms", 1_000_000),
    ("msec", 1_000_000),
    ("us", 1_000),
    ("usec", 1_000),
    ("ns", 1),
    ("nsec", 1),
];

/// Why an interval's text is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntervalError {
    /// It does not begin with digits.
    NoNumber(String),
    /// It has no unit, or one there is not.
    Unit(String),
    /// It is 0, or a rate above one per nanosecond.
    Zero(String),
    /// It is longer than 292 years.
    TooLong(String),
    /// A rate where only a length of time can stand.
    Rate(String),
}

impl IntervalError {
    /// Returns the diagnostic for an interval written at `span`.
    pub fn at(&self, span: Span) -> Diagnostic {
        let help = match self {
            IntervalError::NoNumber(_) => "write a number and a unit, e.g. 1s",
            IntervalError::Unit(_) => "units are s sec ms msec us usec ns nsec; profile also takes hz",
            IntervalError::Zero(_) => "an interval is at least 1ns",
            IntervalError::TooLong(_) => "an interval is at most 9223372036s",
            IntervalError::Rate(_) => "only profile takes a rate; write tick-10ms for 100 per second",
        };
        Diagnostic::new(Code::BadInterval, span, self.to_string()).help(help)
    }
}

impl fmt::Display for IntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (IntervalError::NoNumber(text)
        | IntervalError::Unit(text)
        | IntervalError::Zero(text)
        | IntervalError::TooLong(text)
        | IntervalError::Rate(text)) = self;
        write!(f, "cannot parse timer interval: {text}")
    }
}

impl std::error::Error for IntervalError {}

/// Returns the nanoseconds of an interval; what follows the first blank is ignored, as in ktap. A rate, for `profile` only, is rounded down.
///
/// # Errors
/// If the text is no number with a unit, or out of range.
pub fn parse_interval(text: &str, profile: bool) -> Result<u64, IntervalError> {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let shown = || text.trim().to_string();
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    if digits.is_empty() {
        return Err(IntervalError::NoNumber(shown()));
    }
    let number: u64 = digits.parse().map_err(|_| IntervalError::TooLong(shown()))?;
    let nanoseconds = match unit {
        "hz" if !profile => return Err(IntervalError::Rate(shown())),
        "hz" => 1_000_000_000u64.checked_div(number).unwrap_or(0),
        unit => {
            let &(_, factor) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| IntervalError::Unit(shown()))?;
            number
                .checked_mul(factor)
                .filter(|&n| n <= i64::MAX as u64)
                .ok_or_else(|| IntervalError::TooLong(shown()))?
        }
    };
    if nanoseconds == 0 {
        Err(IntervalError::Zero(shown()))
    } else {
        Ok(nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_nanoseconds() {
        for (text, expected) in [
            ("1s", 1_000_000_000),
            ("2sec", 2_000_000_000),
            ("10ms", 10_000_000),
            ("10msec", 10_000_000),
            ("7us", 7_000),
            ("7usec", 7_000),
            ("5ns", 5),
            ("5nsec ", 5),
            (" 1s rest", 1_000_000_000),
        ] {
            assert_eq!(parse_interval(text, false), Ok(expected), "{text}");
            assert_eq!(parse_interval(text, true), Ok(expected), "{text}");
        }
        assert_eq!(parse_interval("100hz", true), Ok(10_000_000));
        assert_eq!(parse_interval("3hz", true), Ok(333_333_333));
    }

    #[test]
    fn bad_intervals_say_why() {
        use IntervalError::*;
        type Case = (&'static str, fn(String) -> IntervalError);
        let cases: &[Case] = &[
            ("", NoNumber),
            ("s", NoNumber),
            ("-1s", NoNumber),
            ("1", Unit),
            ("1 s", Unit),
            ("1m", Unit),
            ("1.5s", Unit),
            ("0s", Zero),
            ("99999999999999999999s", TooLong),
            ("9999999999s", TooLong),
            ("100hz", Rate),
        ];
        for (text, error) in cases {
            assert_eq!(parse_interval(text, false), Err(error(text.trim().into())), "{text}");
        }
        assert_eq!(parse_interval("0hz", true), Err(Zero("0hz".into())));
        assert_eq!(parse_interval("2000000000hz", true), Err(Zero("2000000000hz".into())));
        assert_eq!(Unit("1m".into()).to_string(), "cannot parse timer interval: 1m");
    }
}
