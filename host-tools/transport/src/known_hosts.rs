//! Which host keys the user trusts, as OpenSSH's known_hosts files say, for the ssh2 library.
//!
//! In: the files' lines, a host's name, the key it shows. Out: [`Verdict`]. Invariant: a key is trusted only if a line of the
//! very name (`host`, or `[host]:port` off port 22) holds it; a revoked key never is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ssh2::{CheckResult, KnownHostFileKind, Session};

/// What the files say of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the host's.
    Known,
    /// The host is in no file.
    Unknown,
    /// The host has another key, or this one is revoked.
    Changed,
}

/// The lines of the user's and the system's known_hosts files.
#[derive(Debug)]
pub(crate) struct TrustedKeys {
    /// Where a new host is added and what messages name.
    pub(crate) file: PathBuf,
    lines: Vec<String>,
    revoked: Vec<String>,
}

impl TrustedKeys {
    /// Reads the given file, or else the user's and the system's; a missing file has no lines.
    pub(crate) fn read(given: Option<&Path>, home: &Path) -> Self {
        let file = given.map_or_else(|| home.join(".ssh/known_hosts"), Path::to_owned);
        let system = given.is_none().then(|| PathBuf::from("/etc/ssh/ssh_known_hosts"));
        let text: String = [Some(&file), system.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| {
                fs::read(path)
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n")
                    .unwrap_or_default()
            })
            .collect();
        let (mut lines, mut revoked) = (Vec::new(), Vec::new());
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.strip_prefix("@revoked") {
                Some(rest) => revoked.push(rest.trim().to_owned()),
                // Authorities are no keys of hosts.
                None if line.starts_with('@') => {}
                None => lines.push(line.to_owned()),
            }
        }
        Self { file, lines, revoked }
    }

    /// Returns the host key methods to ask for, the kinds of key known for `name` first; none if nothing is known.
    ///
    /// A server with keys of several kinds would else show one that the files do not have, and look like an impostor.
    pub(crate) fn methods(&self, session: &Session, name: &str) -> Option<String> {
        let mut methods: Vec<&str> = Vec::new();
        for line in &self.lines {
            let Some(kind) = line.split_whitespace().nth(1) else {
                continue;
            };
            // Any key will do: what counts is whether the line is about the host.
            if check(session, std::slice::from_ref(line), name, b"ktap") == Verdict::Unknown {
                continue;
            }
            match kind {
                "ssh-rsa" => methods.extend(["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]),
                other => methods.push(other),
            }
        }
        if methods.is_empty() {
            return None;
        }
        methods.extend(session.supported_algs(ssh2::MethodType::HostKey).unwrap_or_default());
        Some(methods.join(","))
    }

    /// Judges the key that the host shows.
    pub(crate) fn check(&self, session: &Session, name: &str, key: &[u8]) -> Verdict {
        if check(session, &self.revoked, name, key) == Verdict::Known {
            return Verdict::Changed;
        }
        check(session, &self.lines, name, key)
    }

    /// Adds a host's key to the file.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn add(&self, name: &str, key: &[u8]) -> io::Result<()> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.file)?;
        file.write_all(format!("{name} {} {}\n", kind_of(key), base64(key)).as_bytes())
    }
}

/// Looks a key up in some lines.
fn check(session: &Session, lines: &[String], name: &str, key: &[u8]) -> Verdict {
    let Ok(mut hosts) = session.known_hosts() else {
        return Verdict::Unknown;
    };
    for line in lines {
        // The library refuses lines with kinds of key that it does not know; it could not use them either.
        let _ = hosts.read_str(line, KnownHostFileKind::OpenSSH);
    }
    // Not the library's check with a port: that one also takes a line for another port of the host.
    match hosts.check(name, key) {
        CheckResult::Match => Verdict::Known,
        CheckResult::Mismatch => Verdict::Changed,
        CheckResult::NotFound | CheckResult::Failure => Verdict::Unknown,
    }
}

/// Returns the name under which known_hosts files have a host.
pub(crate) fn known_name(host: &str, port: u16) -> String {
    if port == 22 {
        host.to_owned()
    } else {
        format!("[{host}]:{port}")
    }
}

/// Returns the kind of a public key, which stands at its front (RFC 4253, 6.6).
pub(crate) fn kind_of(key: &[u8]) -> String {
    let Some((length, rest)) = key.split_first_chunk::<4>() else {
        return String::new();
    };
    let kind = rest.get(..u32::from_be_bytes(*length) as usize).unwrap_or_default();
    String::from_utf8_lossy(kind).into_owned()
}

/// Returns bytes in base64, padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let value = word >> (18 - 6 * digit) & 63;
            text.push(if digit <= group.len() {
                char::from(DIGITS[value as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in table {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_kind_of_a_key_is_read_and_a_broken_one_is_nothing() {
        assert_eq!(kind_of(b"\0\0\0\x0bssh-ed25519\0\0\0\x20"), "ssh-ed25519");
        assert_eq!(kind_of(b"\xff\xff\xff\xffx"), "");
        assert_eq!(kind_of(b""), "");
    }

    #[test]
    fn lines_of_the_very_host_and_port_count() {
        let session = Session::new().expect("a session");
        let key = b"\0\0\0\x0bssh-ed25519\0\0\0\x20abcdefghijklmnopqrstuvwxyz012345";
        let other = b"\0\0\0\x0bssh-ed25519\0\0\0\x20ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
        let line = |name: &str, key: &[u8]| format!("{name} ssh-ed25519 {}", base64(key));
        let keys = |lines: Vec<String>, revoked: Vec<String>| TrustedKeys {
            file: PathBuf::new(),
            lines,
            revoked,
        };
        let table = [
            ("no lines", keys(vec![], vec![]), Verdict::Unknown),
            (
                "the host on its port",
                keys(vec![line("[board]:2222", key)], vec![]),
                Verdict::Known,
            ),
            (
                "the host on port 22",
                keys(vec![line("board", key)], vec![]),
                Verdict::Unknown,
            ),
            (
                "another key",
                keys(vec![line("[board]:2222", other)], vec![]),
                Verdict::Changed,
            ),
            (
                "two keys",
                keys(vec![line("[board]:2222", other), line("[board]:2222", key)], vec![]),
                Verdict::Known,
            ),
            (
                "a line the library cannot read",
                keys(vec!["x sk-y AAAA".into(), line("[board]:2222", key)], vec![]),
                Verdict::Known,
            ),
            (
                "revoked",
                keys(vec![line("[board]:2222", key)], vec![line("[board]:2222", key)]),
                Verdict::Changed,
            ),
        ];
        for (name, keys, expected) in table {
            assert_eq!(
                keys.check(&session, &known_name("board", 2222), key),
                expected,
                "{name}"
            );
        }
    }
}
