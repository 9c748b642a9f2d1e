//! Finds or puts the right agent on a board, over the one channel that then is the link to it.
//!
//! In: the carried agents, a link whose far end runs [`command`]. Out: the same link with the agent at its far end. Invariant:
//! exactly the announced number of bytes is sent, and only when asked; nothing is left on the board when this fails.

use std::time::{Duration, Instant};

use crate::{Agent, Link, LinkError, NoRoomReason, Reasons};

/// The script, see its own head.
const SCRIPT: &str = include_str!("upload.sh");
/// How long the board's shell may be silent between two lines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line the script writes; more without a line end is no script of ours.
const LINE_LIMIT: usize = 4096;

/// Returns the command that the board's login shell is to run.
pub(crate) fn command(agents: &[Agent<'_>], keep: bool) -> String {
    let mut table = String::new();
    for agent in agents {
        table += &format!(
            "{} {:08x} {} ",
            machine_pattern(agent.arch),
            agent.crc32,
            agent.bytes.len()
        );
    }
    let script: Vec<&str> = SCRIPT
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    // The login shell may be any; quoted and handed to sh, the script is always read by a POSIX shell.
    format!(
        "exec sh -c 'agents=\"{}\" keep={}\n{}'",
        table.trim_end(),
        u8::from(keep),
        script.join("\n")
    )
}

/// Returns the shell pattern of what `uname -m` says where agents of an architecture run.
fn machine_pattern(arch: &str) -> &str {
    match arch {
        "x86" | "i686" => "i?86",
        "arm" | "armv7" => "armv[78]*",
        other => other,
    }
}

/// Returns whether agents of `arch` run on `machine`, as the script's pattern says.
fn runs_on(arch: &str, machine: &str) -> bool {
    match arch {
        "x86" | "i686" => machine.len() == 4 && machine.starts_with('i') && machine.ends_with("86"),
        "arm" | "armv7" => machine.starts_with("armv7") || machine.starts_with("armv8"),
        other => other == machine,
    }
}

/// Returns the architectures that are carried, for a message.
pub(crate) fn carried(agents: &[Agent<'_>]) -> String {
    if agents.is_empty() {
        return "none".to_owned();
    }
    agents.iter().map(|agent| agent.arch).collect::<Vec<_>>().join(", ")
}

/// A line of the script.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// The machine that no agent is for.
    Machine(&'a str),
    /// A directory was passed over: its name and why.
    Skip(&'a str, NoRoomReason),
    /// The bytes of the agent for this machine are wanted now.
    Send(&'a str),
    /// All that follows is the agent's.
    Run,
    /// The uploaded file does not run: exit code and words.
    Broken(&'a str),
    /// No directory is left.
    Nowhere,
}

impl<'a> Line<'a> {
    /// Reads a line; none if it is not one of the script's (a login message, say).
    fn parse(line: &'a str) -> Option<Self> {
        let (verb, rest) = match line.trim_end().strip_prefix("ktap: ")?.split_once(' ') {
            Some((verb, rest)) => (verb, rest),
            None => (line.trim_end().strip_prefix("ktap: ")?, ""),
        };
        Some(match verb {
            "machine" => Self::Machine(rest),
            "skip" => {
                let (why, rest) = rest.split_once(' ')?;
                let (dir, words) = rest.split_once(' ').unwrap_or((rest, ""));
                let reason = match why {
                    "unwritable" => NoRoomReason::NotWritable,
                    "noexec" => NoRoomReason::NoExec,
                    "full" => NoRoomReason::Full(words.to_owned()),
                    _ => return None,
                };
                Self::Skip(dir, reason)
            }
            "send" => Self::Send(rest),
            "run" => Self::Run,
            "broken" => Self::Broken(rest),
            "nowhere" => Self::Nowhere,
            _ => return None,
        })
    }
}

/// What a finished upload leaves.
pub(crate) struct Started {
    /// The first bytes of the agent itself, read together with the last line.
    pub(crate) rest: Vec<u8>,
    /// What the board's login said on stdout before the script.
    pub(crate) chatter: Vec<u8>,
}

/// Leads the script at the far end of `link` to the point where the agent runs.
///
/// `place` names the board in messages. `first_patience` is for the first line: a user may still be typing a password.
///
/// # Errors
/// [`LinkError::NoAgent`], [`LinkError::NoRoom`], [`LinkError::AgentBroken`], [`LinkError::Shell`]; what the link itself says.
pub(crate) fn start_agent(
    link: &mut dyn Link,
    place: &str,
    agents: &[Agent<'_>],
    first_patience: Duration,
) -> Result<Started, LinkError> {
    let mut input = Vec::new();
    let mut chatter = Vec::new();
    let mut reasons = Reasons::default();
    let mut patience = first_patience;
    let mut bytes = agents.iter().map(|agent| agent.bytes.len()).max().unwrap_or(0);
    loop {
        let raw = match read_line(link, place, &mut input, patience) {
            // The link stood; what ended is the shell.
            Err(LinkError::Closed(why)) => {
                let words = format!("{}{}", String::from_utf8_lossy(&chatter), why.trim_start_matches(": "));
                return Err(LinkError::Shell {
                    place: place.to_owned(),
                    words,
                });
            }
            other => other?,
        };
        let text = String::from_utf8_lossy(&raw).into_owned();
        patience = PATIENCE;
        match Line::parse(&text) {
            None => chatter.extend_from_slice(&raw),
            Some(Line::Machine(machine)) => {
                return Err(LinkError::NoAgent {
                    machine: machine.to_owned(),
                    carried: carried(agents),
                });
            }
            Some(Line::Skip(dir, reason)) => reasons.0.push((dir.to_owned(), reason)),
            Some(Line::Send(machine)) => match agents.iter().find(|agent| runs_on(agent.arch, machine)) {
                Some(agent) => {
                    bytes = agent.bytes.len();
                    link.write(agent.bytes)?;
                }
                None => {
                    return Err(LinkError::Shell {
                        place: place.to_owned(),
                        words: text,
                    });
                }
            },
            Some(Line::Run) => return Ok(Started { rest: input, chatter }),
            Some(Line::Broken(words)) => {
                return Err(LinkError::AgentBroken {
                    place: place.to_owned(),
                    words: format!("exit code {words}"),
                });
            }
            Some(Line::Nowhere) => {
                return Err(LinkError::NoRoom {
                    place: place.to_owned(),
                    bytes,
                    reasons,
                });
            }
        }
    }
}

/// Reads one line from the link, at most `patience` after the last byte.
fn read_line(link: &mut dyn Link, place: &str, input: &mut Vec<u8>, patience: Duration) -> Result<Vec<u8>, LinkError> {
    let mut deadline = Instant::now() + patience;
    loop {
        if let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            return Ok(input.drain(..=end).collect());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LinkError::NoAnswer {
                place: place.to_owned(),
                after: patience,
                words: "its shell is silent".to_owned(),
            });
        }
        if input.len() > LINE_LIMIT {
            let words = String::from_utf8_lossy(input.get(..80).unwrap_or_default()).into_owned();
            return Err(LinkError::Shell {
                place: place.to_owned(),
                words,
            });
        }
        if link.read(input, left)? > 0 {
            deadline = Instant::now() + patience;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_script_can_stand_in_single_quotes() {
        assert!(SCRIPT.is_ascii());
        let quotes = SCRIPT
            .lines()
            .filter(|line| !line.trim_start().starts_with('#') && line.contains('\''));
        assert_eq!(quotes.count(), 0);
    }

    #[test]
    fn the_command_fits_into_what_a_small_ssh_server_takes() {
        let agents: Vec<Agent<'_>> = ["x86_64", "aarch64", "arm", "riscv64", "x86"]
            .map(|arch| Agent {
                arch,
                version: String::new(),
                crc32: u32::MAX,
                bytes: &[],
            })
            .to_vec();
        // dropbear's MAX_CMD_LEN is 9000.
        assert!(command(&agents, true).len() < 4000, "{}", command(&agents, true).len());
    }

    #[test]
    fn machines_find_their_agents() {
        let table = [
            ("x86_64", "x86_64", true),
            ("x86", "i686", true),
            ("x86", "i386", true),
            ("x86", "x86_64", false),
            ("arm", "armv7l", true),
            ("arm", "armv8l", true),
            ("arm", "armv5tel", false),
            ("aarch64", "aarch64", true),
            ("riscv64", "mips", false),
        ];
        for (arch, machine, expected) in table {
            assert_eq!(runs_on(arch, machine), expected, "{arch} {machine}");
        }
    }

    #[test]
    fn an_upload_that_breaks_off_leaves_nothing_in_any_shell() {
        let bytes = [b'x'; 1000];
        let agent = Agent {
            arch: std::env::consts::ARCH,
            version: String::new(),
            crc32: 0x1234_5678,
            bytes: &bytes,
        };
        for shell in [&["dash", "-c"][..], &["bash", "-c"], &["busybox", "sh", "-c"]] {
            // The command as it is, but read by this shell.
            let command = command(std::slice::from_ref(&agent), false);
            let script = command
                .strip_prefix("exec sh -c '")
                .and_then(|rest| rest.strip_suffix('\''))
                .expect("a script");
            let mut child = Command::new(shell[0])
                .args(&shell[1..])
                .arg(script)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("{} is needed for this test: {error}", shell[0]));
            let pid = child.id();
            child
                .stdin
                .take()
                .expect("stdin")
                .write_all(&bytes[..500])
                .expect("the shell reads");
            let output = child.wait_with_output().expect("the shell ends");
            let lines = String::from_utf8(output.stdout).expect("text");
            assert!(
                lines.starts_with(&format!("ktap: send {}\nktap: broken", std::env::consts::ARCH)),
                "{shell:?}: {lines}"
            );
            for dir in ["/dev/shm", "/run", "/tmp", "/var/tmp"] {
                assert!(
                    !Path::new(dir).join(format!(".ktap-agent-{pid}")).exists(),
                    "{shell:?}: {dir}"
                );
            }
        }
    }

    #[test]
    fn lines_are_read() {
        let table = [
            ("Welcome!\n", None),
            ("ktap: nonsense\n", None),
            ("ktap: machine mips\n", Some(Line::Machine("mips"))),
            ("ktap: machine\n", Some(Line::Machine(""))),
            (
                "ktap: skip noexec /run\n",
                Some(Line::Skip("/run", NoRoomReason::NoExec)),
            ),
            (
                "ktap: skip full /tmp cat: no space\n",
                Some(Line::Skip("/tmp", NoRoomReason::Full("cat: no space".into()))),
            ),
            ("ktap: send x86_64\n", Some(Line::Send("x86_64"))),
            ("ktap: run /tmp/a\r\n", Some(Line::Run)),
            ("ktap: broken 126 sh: x\n", Some(Line::Broken("126 sh: x"))),
            ("ktap: nowhere\n", Some(Line::Nowhere)),
        ];
        for (text, expected) in table {
            assert_eq!(Line::parse(text), expected, "{text:?}");
        }
    }
}
