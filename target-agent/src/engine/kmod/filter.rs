//! The kernel's event filters, compiled for the module.
//!
//! In: a filter's text, the event's format. Out: [`Test`]s, postfix. Invariant: what is compiled means what the kernel would make of the text; what
//! the kernel would refuse is refused.

use alloc::vec::Vec;

use ktap_device::attach::{Source, SourceKind, Special, Test, TestKind};

use super::sources::{add_text, of_field};
use crate::inventory::format::{Class, Format};

/// Most steps of a filter, as in the module.
const MAX_TESTS: usize = 1024;
/// Most brackets and negations around one another, and most booleans waiting in the module.
const MAX_DEPTH: u32 = 48;
/// Longest string compared with (the kernel's MAX_FILTER_STR_VAL).
const MAX_VALUE: usize = 256;

/// The text is no filter for this event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFilter;

type Compiled<T = ()> = Result<T, BadFilter>;

/// Compiles a filter; strings go into `pool`. A filter of blanks lets everything pass.
///
/// # Errors
/// What the kernel would refuse for this event.
pub fn compile(text: &str, format: &Format, pool: &mut Vec<u8>) -> Compiled<Vec<Test>> {
    let mut compiler = Compiler {
        rest: text.trim(),
        format,
        pool,
        tests: Vec::new(),
    };
    if compiler.rest.is_empty() {
        return Ok(Vec::new());
    }
    compiler.either(0)?;
    match compiler.rest.is_empty() {
        true => Ok(compiler.tests),
        false => Err(BadFilter),
    }
}

/// Returns true if a filter looks at the event's record.
pub fn reads_record(tests: &[Test]) -> bool {
    tests.iter().any(|test| {
        let kind = test.source.kind;
        test.special == Special::None as u16
            && (SourceKind::RecordInt as u16..=SourceKind::RecordLocated as u16).contains(&kind)
    })
}

struct Compiler<'c> {
    rest: &'c str,
    format: &'c Format,
    pool: &'c mut Vec<u8>,
    tests: Vec<Test>,
}

/// What a predicate looks at.
struct Operand {
    source: Source,
    special: Special,
    text: bool,
}

impl<'c> Compiler<'c> {
    fn either(&mut self, depth: u32) -> Compiled {
        self.both(depth)?;
        while self.eat("||") {
            self.both(depth + 1)?;
            self.step(TestKind::Or)?;
        }
        Ok(())
    }

    fn both(&mut self, depth: u32) -> Compiled {
        self.one(depth)?;
        while self.eat("&&") {
            self.one(depth + 1)?;
            self.step(TestKind::And)?;
        }
        Ok(())
    }

    fn one(&mut self, depth: u32) -> Compiled {
        if depth > MAX_DEPTH {
            return Err(BadFilter);
        }
        if self.eat("!") {
            self.one(depth + 1)?;
            return self.step(TestKind::Not);
        }
        if self.eat("(") {
            self.either(depth + 1)?;
            return if self.eat(")") { Ok(()) } else { Err(BadFilter) };
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Compiled {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let operand = self.operand(name)?;
        // The longer ones first.
        const OPERATORS: &[(&str, TestKind)] = &[
            ("==", TestKind::Eq),
            ("!=", TestKind::Ne),
            ("<=", TestKind::Le),
            (">=", TestKind::Ge),
            ("<", TestKind::Lt),
            (">", TestKind::Gt),
            ("&", TestKind::Bits),
            ("~", TestKind::Glob),
        ];
        self.skip();
        let kind = OPERATORS.iter().find(|(text, _)| self.eat(text)).ok_or(BadFilter)?.1;
        let value = self.value()?;
        let mut turned = false;
        let (kind, value) = match (operand.text, kind) {
            (true, TestKind::Eq) => (TestKind::StrEq, self.text(value.0)?),
            (true, TestKind::Ne) => (TestKind::StrNe, self.text(value.0)?),
            // As the kernel: `!` before a pattern turns it round.
            (true, TestKind::Glob) => match value.0.strip_prefix('!') {
                Some(pattern) => {
                    turned = true;
                    (TestKind::Glob, self.text(pattern)?)
                }
                None => (TestKind::Glob, self.text(value.0)?),
            },
            (true, _) | (false, TestKind::Glob) => return Err(BadFilter),
            (false, _) if value.1 => return Err(BadFilter),
            (false, kind) => (kind, number(value.0, &operand.source).ok_or(BadFilter)?),
        };
        self.add(Test {
            kind: kind as u16,
            special: operand.special as u16,
            reserved: 0,
            source: operand.source,
            value,
        })?;
        if turned { self.step(TestKind::Not) } else { Ok(()) }
    }

    /// Finds a field: the event's own before those all events have.
    fn operand(&self, name: &str) -> Compiled<Operand> {
        let special = |special, text| {
            Ok(Operand {
                // Signed where the kernel's is: the thread's id is, the CPU is compared as any int.
                source: Source {
                    size: 4,
                    b: 1,
                    ..Source::default()
                },
                special,
                text,
            })
        };
        let own = self.format.own.iter().find(|field| field.name == name);
        let field = match (own, name) {
            (Some(field), _) => field,
            (None, "CPU" | "cpu" | "common_cpu") => return special(Special::Cpu, false),
            (None, "COMM" | "comm") => return special(Special::Comm, true),
            (None, "common_pid") => return special(Special::Tid, false),
            (None, _) => self.format.field(name.as_bytes()).ok_or(BadFilter)?,
        };
        if field.class == Class::Bytes {
            return Err(BadFilter);
        }
        Ok(Operand {
            source: of_field(field),
            special: Special::None,
            text: field.class != Class::Int,
        })
    }

    /// A value, and whether it was quoted.
    fn value(&mut self) -> Compiled<(&'c str, bool)> {
        self.skip();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        if let Some(quote) = quote {
            let (value, rest) = self.rest[1..].split_once(quote).ok_or(BadFilter)?;
            self.rest = rest;
            return Ok((value, true));
        }
        let value = self.take_while(|c| !c.is_whitespace() && !matches!(c, '&' | '|' | '(' | ')' | '"' | '\''));
        if value.is_empty() {
            return Err(BadFilter);
        }
        Ok((value, false))
    }

    fn text(&mut self, value: &str) -> Compiled<u64> {
        if value.len() >= MAX_VALUE {
            return Err(BadFilter);
        }
        Ok(add_text(self.pool, value.as_bytes()))
    }

    fn step(&mut self, kind: TestKind) -> Compiled {
        self.add(Test {
            kind: kind as u16,
            ..Test::default()
        })
    }

    fn add(&mut self, test: Test) -> Compiled {
        if self.tests.len() >= MAX_TESTS {
            return Err(BadFilter);
        }
        self.tests.push(test);
        Ok(())
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take_while(&mut self, of: impl Fn(char) -> bool) -> &'c str {
        self.skip();
        let end = self.rest.find(|c| !of(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

/// Reads a number as the kernel does, with base by prefix; what does not fit the field is cut as there.
fn number(text: &str, source: &Source) -> Option<u64> {
    let signed = source.b == 1;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) if signed => (true, digits),
        Some(_) => return None,
        None => (false, text),
    };
    let (digits, base) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    let value = if negative { value.wrapping_neg() } else { value };
    Some(match (source.size, signed) {
        (1, true) => value as i8 as u64,
        (1, false) => value as u8 as u64,
        (2, true) => value as i16 as u64,
        (2, false) => value as u16 as u64,
        (4, true) => value as i32 as u64,
        (4, false) => value as u32 as u64,
        _ => value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_device::attach::TestKind as K;

    const SWITCH: &str = "name: x\nID: 9\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:int pid;\toffset:24;\tsize:4;\tsigned:1;\n\
        \tfield:unsigned char flags;\toffset:28;\tsize:1;\tsigned:0;\n\
        \tfield:__data_loc char[] path;\toffset:32;\tsize:4;\tsigned:0;\n\
        \tfield:u8 mac[6];\toffset:36;\tsize:6;\tsigned:0;\n\nprint fmt: \"x\"\n";

    fn compiled(text: &str) -> Result<(Vec<Test>, Vec<u8>), BadFilter> {
        let format = Format::parse(SWITCH).expect("a format");
        let mut pool = Vec::new();
        compile(text, &format, &mut pool).map(|tests| (tests, pool))
    }

    fn kinds(text: &str) -> Vec<u16> {
        compiled(text).expect(text).0.iter().map(|test| test.kind).collect()
    }

    #[test]
    fn and_binds_closer_than_or() {
        let (eq, and, or, not) = (K::Eq as u16, K::And as u16, K::Or as u16, K::Not as u16);
        assert_eq!(kinds("pid == 1 || pid == 2 && flags == 3"), [eq, eq, eq, and, or]);
        assert_eq!(kinds("(pid==1||pid==2)&&flags==3"), [eq, eq, or, eq, and]);
        assert_eq!(kinds("!(pid == 1) && !pid == 2"), [eq, not, eq, not, and]);
        assert_eq!(kinds("  "), [0u16; 0]);
    }

    #[test]
    fn values() {
        let one = |text: &str| {
            let (tests, pool) = compiled(text).expect(text);
            (tests[0], pool)
        };
        let (test, _) = one("pid > -1");
        assert_eq!((test.kind, test.value, test.source.a), (K::Gt as u16, u64::MAX, 24));
        assert_eq!(one("flags == 0x1ff").0.value, 0xff);
        assert_eq!(one("flags & 010").0.value, 8);
        assert_eq!(one("pid == 4294967295").0.value, u64::MAX);
        let (test, pool) = one("comm == \"a && b\"");
        assert_eq!(
            (test.kind, test.value, &pool[..]),
            (K::StrEq as u16, 6 << 32, &b"a && b"[..])
        );
        let (test, pool) = one("path ~ '*.so'");
        assert_eq!(
            (test.kind, test.source.kind, &pool[..]),
            (K::Glob as u16, SourceKind::RecordLocated as u16, &b"*.so"[..])
        );
        assert_eq!(one("comm == sh || pid == 1").1, b"sh");
        // `!` before a pattern turns it round.
        let (tests, pool) = compiled("path ~ \"!*.so\"").expect("a filter");
        assert_eq!(
            tests.iter().map(|test| test.kind).collect::<Vec<_>>(),
            [K::Glob as u16, K::Not as u16]
        );
        assert_eq!(pool, b"*.so");
    }

    #[test]
    fn what_all_events_have() {
        let special = |text: &str| {
            let tests = compiled(text).expect(text).0;
            (tests[0].special, reads_record(&tests))
        };
        assert_eq!(special("CPU == 1"), (Special::Cpu as u16, false));
        assert_eq!(special("COMM ~ \"k*\""), (Special::Comm as u16, false));
        assert_eq!(special("common_pid != 7"), (Special::Tid as u16, false));
        assert_eq!(special("common_type == 9"), (Special::None as u16, true));
        // The event's own field comes first.
        assert_eq!(special("comm == 'x'"), (Special::None as u16, true));
    }

    #[test]
    fn refused() {
        let deep = "(".repeat(100);
        for text in [
            "none == 1",
            "pid",
            "pid ==",
            "pid = 1",
            "pid == x",
            "pid == 1 pid == 2",
            "(pid == 1",
            "pid == 1)",
            "pid ~ '1'",
            "pid == '1'",
            "comm > 'a'",
            "mac == 1",
            "comm == \"open",
            "&& pid == 1",
            "pid == 1 &&",
            "flags == -1",
            "pid == --1",
            &deep,
        ] {
            assert_eq!(compiled(text).map(|_| ()), Err(BadFilter), "{text}");
        }
    }
}
