//! Test cases on a board: the `.ktest` form.
//!
//! In: the text of a `.ktest` file. Out: [`Case`]s. Invariant: an unknown key or a case without its script is an error with its line.
//!
//! ```text
//! # A comment.
//! NAME      counts are exact            starts a case
//! PROG      trace syscalls:sys_enter_getppid { n += 1 }
//!           trace_end { print(n) }      indented lines go on with the value
//! RUN       ktap-host push ...          instead of PROG: a shell command on this PC, with $BOARD, $LINK, $ENGINE and $ON_BOARD (ssh to it)
//! ARGS      -c 'getppid_n 1000'         more words for ktap-host push
//! LINK      ssh serial local            the links to run it over; ssh if it is not there
//! ENGINE    kmod                        the engines to run it with; `user kmod` if it is not there
//! ARCH      x86_64                      the architectures it is for; all if it is not there
//! REQUIRES  test -e /dev/null           a shell command on the board; if it fails the case is skipped
//! AFTER     getppid_n 5                 a shell command on the board, run once the script is attached
//! INTERRUPT                             after that, what Ctrl-C does
//! EXPECT    1000                        these lines, one after the other, in stdout
//! EXPECT_REGEX  ^\d+$                   a line of stdout that matches
//! EXPECT_JSON   {"print":["hi"]}        a line of stdout that is this, whitespace aside
//! EXPECT_ERROR  expected                text in stderr
//! REJECT    nil                         text that is in neither
//! SMOKE                                 one of the few that run on boards which need not run all
//! TIMEOUT   20                          seconds
//! RETURN_CODE   0
//! ```

use std::time::Duration;

use crate::error::XtaskError;
use crate::pattern::Pattern;

/// How long a case may take when it does not say.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where programs can run on a board.
pub const ENGINES: [&str; 2] = ["user", "kmod"];

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Where it stands: file and line.
    pub place: String,
    /// Its name.
    pub name: String,
    /// What is run.
    pub script: Script,
    /// More arguments for `ktap-host push`, in the shell's words.
    pub arguments: String,
    /// The links to run it over.
    pub links: Vec<String>,
    /// The engines to run it with.
    pub engines: Vec<String>,
    /// The architectures it is for; empty for all.
    pub arches: Vec<String>,
    /// Whether it runs where only a few do.
    pub smoke: bool,
    /// A command on the board that must succeed.
    pub requires: Option<String>,
    /// A command on the board, run once the script is attached.
    pub after: Option<String>,
    /// Whether to interrupt ktap-host once the script is attached.
    pub interrupt: bool,
    /// What must be seen.
    pub expected: Vec<Expected>,
    /// How long it may take.
    pub timeout: Duration,
    /// The exit code that it must have.
    pub return_code: i32,
}

/// What a case runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Script {
    /// The text of a script, pushed from a file `case.kp`.
    Program(String),
    /// A shell command on this PC.
    Command(String),
}

/// Something that a case must show.
#[derive(Debug)]
pub enum Expected {
    /// Lines of stdout, one after the other.
    Lines(String),
    /// A line of stdout that matches.
    Match(String, Pattern),
    /// A line of stdout, whitespace outside of texts aside.
    Json(String),
    /// Text in stderr.
    Error(String),
    /// Text that is in neither.
    Never(String),
}

/// Reads the cases of a file.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, XtaskError> {
    let mut cases: Vec<Case> = Vec::new();
    let mut finished = true;
    let bad = |line: usize, problem: String| XtaskError::BadFile {
        place: format!("{file}:{line}"),
        problem,
    };
    for (line, key, value) in entries(text).map_err(|(line, problem)| bad(line, problem))? {
        if key == "NAME" {
            if !finished {
                return Err(bad(line, "the case before has neither PROG nor RUN".into()));
            }
            finished = false;
            cases.push(Case::new(format!("{file}:{line}"), value));
            continue;
        }
        let case = cases
            .last_mut()
            .ok_or_else(|| bad(line, "a case starts with NAME".into()))?;
        finished |= key == "PROG" || key == "RUN";
        case.set(&key, value).map_err(|problem| bad(line, problem))?;
    }
    if finished {
        Ok(cases)
    } else {
        Err(bad(
            text.lines().count(),
            "the last case has neither PROG nor RUN".into(),
        ))
    }
}

impl Case {
    /// A shipped script, run for a moment: it must attach, run and end well.
    pub fn shipped(place: String, text: String) -> Self {
        let mut case = Self::new(place.clone(), place);
        // What user space cannot do says so in its head.
        if let Some(engine) = text.lines().find_map(|line| line.strip_prefix("# needs: ")) {
            case.engines = vec![engine.trim().to_owned()];
        }
        case.script = Script::Program(text);
        case.arguments = "--timeout 1s".into();
        case.after = Some("ls /".into());
        // A script that prints every event asks the board for every format and for its symbols.
        case.timeout = 6 * TIMEOUT;
        case.expected.push(Expected::Never("error: ".into()));
        case
    }

    fn new(place: String, name: String) -> Self {
        Self {
            place,
            name,
            script: Script::Program(String::new()),
            arguments: String::new(),
            links: vec!["ssh".into()],
            engines: ENGINES.map(str::to_owned).to_vec(),
            arches: Vec::new(),
            smoke: false,
            requires: None,
            after: None,
            interrupt: false,
            expected: Vec::new(),
            timeout: TIMEOUT,
            return_code: 0,
        }
    }

    /// Tells whether its name or its file's contains `part`.
    pub fn is_named(&self, part: &str) -> bool {
        self.name.contains(part) || self.place.contains(part)
    }

    /// Tells whether the case is for boards of this architecture.
    pub fn is_for(&self, arch: &str) -> bool {
        self.arches.is_empty() || self.arches.iter().any(|known| known == arch)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        let number = |value: &str| value.parse::<u16>().map_err(|_| format!("`{value}` is no number"));
        match key {
            "PROG" => self.script = Script::Program(value),
            "RUN" => self.script = Script::Command(value),
            "ARGS" => self.arguments = value,
            "LINK" => self.links = words(&value),
            "ENGINE" => {
                self.engines = words(&value);
                if let Some(wrong) = self.engines.iter().find(|engine| !ENGINES.contains(&engine.as_str())) {
                    return Err(format!("there is no engine `{wrong}`"));
                }
            }
            "ARCH" => self.arches = words(&value),
            "REQUIRES" => self.requires = Some(value),
            "AFTER" => self.after = Some(value),
            "SMOKE" => self.smoke = true,
            "INTERRUPT" => self.interrupt = true,
            "EXPECT" => self.expected.push(Expected::Lines(value)),
            "EXPECT_REGEX" => {
                let pattern = Pattern::compile(&value)?;
                self.expected.push(Expected::Match(value, pattern));
            }
            "EXPECT_JSON" => self.expected.push(Expected::Json(value)),
            "EXPECT_ERROR" => self.expected.push(Expected::Error(value)),
            "REJECT" => self.expected.push(Expected::Never(value)),
            "TIMEOUT" => self.timeout = Duration::from_secs(number(&value)?.into()),
            "RETURN_CODE" => self.return_code = number(&value)?.into(),
            _ => return Err(format!("there is no key `{key}`")),
        }
        Ok(())
    }
}

impl Expected {
    /// Tells what is missing from a run's output, or `None` if it is as it must be.
    pub fn missing_from(&self, stdout: &str, stderr: &str) -> Option<String> {
        let (met, problem) = match self {
            Self::Lines(lines) => (contains_lines(stdout, lines), format!("expected on stdout: {lines}")),
            Self::Match(text, pattern) => (
                stdout.lines().any(|line| pattern.matches(line)),
                format!("expected a match of {text}"),
            ),
            Self::Json(text) => {
                let squeezed = squeeze(text);
                (
                    stdout.lines().any(|line| squeeze(line) == squeezed),
                    format!("expected the JSON {text}"),
                )
            }
            Self::Error(text) => (stderr.contains(text), format!("expected on stderr: {text}")),
            Self::Never(text) => (
                !stdout.contains(text) && !stderr.contains(text),
                format!("must not be seen: {text}"),
            ),
        };
        (!met).then_some(problem)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn contains_lines(stdout: &str, lines: &str) -> bool {
    let wanted: Vec<&str> = lines.lines().map(str::trim_end).collect();
    let seen: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    seen.windows(wanted.len().max(1)).any(|window| window == wanted)
}

/// Takes out whitespace that stands outside of JSON texts.
fn squeeze(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |letter: &char| {
        let was_escaped = std::mem::take(&mut escaped);
        match letter {
            '"' if !was_escaped => in_text = !in_text,
            '\\' => escaped = !was_escaped,
            _ => {}
        }
        in_text || !letter.is_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// A key with its value, and the line where it stands.
type Entry = (usize, String, String);

/// Joins indented lines to the key above them; their common indent is that of the first of them.
fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut indent = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if depth == 0 {
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            entries.push((number, key.to_owned(), value.trim().to_owned()));
            indent = None;
            continue;
        }
        let (_, _, value) = entries
            .last_mut()
            .ok_or((number, "an indented line without a key above".to_owned()))?;
        let cut = depth.min(*indent.get_or_insert(depth));
        if !value.is_empty() {
            value.push('\n');
        }
        value.push_str(&line[cut..]);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Two cases.
NAME first
PROG
    trace x {
        n += 1
    }
EXPECT 1
    2
LINK ssh serial

NAME second
ENGINE kmod
ARCH aarch64
RUN false
RETURN_CODE 3
TIMEOUT 5
EXPECT_ERROR no
";

    #[test]
    fn a_file_gives_its_cases() {
        let cases = parse("x.ktest", TEXT).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].place, "x.ktest:2");
        assert_eq!(cases[0].script, Script::Program("trace x {\n    n += 1\n}".into()));
        assert_eq!(cases[0].links, ["ssh", "serial"]);
        assert_eq!(cases[0].engines, ["user", "kmod"]);
        assert!(cases[0].is_for("x86_64"));
        assert_eq!(cases[1].engines, ["kmod"]);
        assert!(cases[1].is_for("aarch64") && !cases[1].is_for("x86_64"));
        assert!(cases[0].expected[0].missing_from("0\n1\n2\n3\n", "").is_none());
        assert!(cases[0].expected[0].missing_from("1\n\n2\n", "").is_some());
        assert_eq!(cases[1].script, Script::Command("false".into()));
        assert_eq!((cases[1].return_code, cases[1].timeout.as_secs()), (3, 5));
    }

    #[test]
    fn a_wrong_file_names_the_line() {
        let problem = |text: &str| parse("x.ktest", text).unwrap_err().to_string();
        assert_eq!(
            problem("NAME a\nPROG x\nCOLOUR red\n"),
            "x.ktest:3: there is no key `COLOUR`"
        );
        assert_eq!(
            problem("NAME a\nNAME b\n"),
            "x.ktest:2: the case before has neither PROG nor RUN"
        );
        assert_eq!(
            problem("NAME a\nENGINE steam\n"),
            "x.ktest:2: there is no engine `steam`"
        );
        assert_eq!(problem("EXPECT 1\n"), "x.ktest:1: a case starts with NAME");
        assert_eq!(
            problem("NAME a\nPROG x\nTIMEOUT soon\n"),
            "x.ktest:3: `soon` is no number"
        );
        assert!(problem("NAME a\nPROG x\nEXPECT_REGEX (\n").starts_with("x.ktest:3: `(` means nothing here"));
    }

    #[test]
    fn json_is_compared_without_its_whitespace() {
        let expected = Expected::Json(r#"{"a b": [1, "x \" y"]}"#.into());
        assert!(expected.missing_from(r#"{"a b":[1,"x \" y"]}"#, "").is_none());
        assert!(expected.missing_from(r#"{"ab":[1,"x \" y"]}"#, "").is_some());
    }

    #[test]
    fn text_that_must_not_be_seen_is_looked_for_in_both() {
        let never = Expected::Never("lost".into());
        assert!(never.missing_from("fine", "fine").is_none());
        assert!(never.missing_from("fine", "3 lost").is_some());
    }
}
