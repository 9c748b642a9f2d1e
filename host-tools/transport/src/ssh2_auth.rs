//! Proves to a board who the user is, with the ssh2 library.
//!
//! In: a session whose host key was checked, the user's agent, key files and the password callback. Out: an authenticated
//! session. Invariant: a secret is asked for only when nothing else is left, and is kept nowhere.

use std::path::{Path, PathBuf};

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use crate::known_hosts::base64;
use crate::{LinkError, SshSpec};

/// How often a password is asked for, as OpenSSH's client does.
const PASSWORD_TRIES: usize = 3;
/// libssh2.h: the server did not take what was offered.
const AUTHENTICATION_FAILED: i32 = -18;
/// libssh2.h: the server did not take a public key's signature.
const PUBLICKEY_UNVERIFIED: i32 = -19;
/// How the base64 of an OpenSSH private key begins if no passphrase is on it: "openssh-key-v1", cipher "none".
const PLAIN_OPENSSH_KEY: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";

/// Asks the user for a secret.
type Ask<'a> = &'a mut dyn FnMut(&str) -> Option<String>;

/// Tries, in this order, the ssh agent, key files, the password.
pub(crate) fn authenticate(
    session: &Session,
    user: &str,
    spec: &SshSpec,
    home: &Path,
    ask: Ask<'_>,
) -> Result<(), LinkError> {
    // The question for the methods is itself a try with none, which a board without passwords may grant.
    let methods = match session.auth_methods(user) {
        Ok(methods) => methods.to_owned(),
        Err(_) if session.authenticated() => return Ok(()),
        Err(error) => return Err(broken(spec, &error)),
    };
    let mut tried = Vec::new();
    let offers = |method: &str| methods.split(',').any(|offered| offered == method);
    if !session.authenticated() && offers("publickey") {
        try_agent(session, user, spec, &mut tried)?;
        try_key_files(session, user, spec, home, ask, &mut tried)?;
    }
    if !session.authenticated() && offers("password") {
        let prompt = format!("{user}@{}'s password: ", spec.place());
        for _ in 0..PASSWORD_TRIES {
            let Some(password) = ask(&prompt) else { break };
            tried.push("a password".to_owned());
            if accepted(session.userauth_password(user, &password), spec)? {
                break;
            }
        }
    } else if !session.authenticated() && offers("keyboard-interactive") {
        let mut prompter = Prompter { ask, answered: false };
        for _ in 0..PASSWORD_TRIES {
            prompter.answered = false;
            let granted = accepted(session.userauth_keyboard_interactive(user, &mut prompter), spec)?;
            if granted || !prompter.answered {
                break;
            }
            tried.push("a password".to_owned());
        }
    }
    if session.authenticated() {
        return Ok(());
    }
    let tried = if tried.is_empty() {
        "there was nothing to offer".to_owned()
    } else {
        format!("tried {}", tried.join(", "))
    };
    Err(LinkError::PermissionDenied {
        place: format!("{user}@{}", spec.place()),
        words: format!("{tried}; the board takes {methods}"),
    })
}

/// Offers what the user's ssh agent holds; of a given key only that one.
fn try_agent(session: &Session, user: &str, spec: &SshSpec, tried: &mut Vec<String>) -> Result<(), LinkError> {
    if std::env::var_os("SSH_AUTH_SOCK").is_none() {
        return Ok(());
    }
    let Ok(mut agent) = session.agent() else { return Ok(()) };
    // An agent that cannot be asked is as good as none.
    if agent.connect().is_err() || agent.list_identities().is_err() {
        return Ok(());
    }
    let wanted = spec
        .key
        .as_deref()
        .map(|key| std::fs::read_to_string(public(key)).unwrap_or_default());
    for identity in agent.identities().unwrap_or_default() {
        if wanted
            .as_ref()
            .is_some_and(|line| !line.contains(&base64(identity.blob())))
        {
            continue;
        }
        tried.push(format!("the ssh agent's {}", identity.comment()));
        if accepted(agent.userauth(user, &identity), spec)? {
            break;
        }
    }
    Ok(())
}

/// Offers the given key file, or the default ones that exist.
fn try_key_files(
    session: &Session,
    user: &str,
    spec: &SshSpec,
    home: &Path,
    ask: Ask<'_>,
    tried: &mut Vec<String>,
) -> Result<(), LinkError> {
    let files = match &spec.key {
        Some(key) => vec![key.clone()],
        None => ["id_ed25519", "id_ecdsa", "id_rsa"]
            .map(|name| home.join(".ssh").join(name))
            .to_vec(),
    };
    for file in files {
        if session.authenticated() {
            break;
        }
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                if spec.key.is_some() {
                    tried.push(format!("{}: {error}", file.display()));
                }
                continue;
            }
        };
        let mut passphrase = None;
        if is_encrypted(&text) {
            passphrase = ask(&format!("Passphrase for key '{}': ", file.display()));
            if passphrase.is_none() {
                tried.push(format!("{} without its passphrase", file.display()));
                continue;
            }
        }
        match session.userauth_pubkey_file(user, None, &file, passphrase.as_deref()) {
            Ok(()) => break,
            Err(error) if is_refusal(&error) => tried.push(file.display().to_string()),
            // A file that cannot be used (a wrong passphrase, an unknown kind) is no reason to give up.
            Err(error) if session.auth_methods(user).is_ok() => {
                tried.push(format!("{}: {}", file.display(), error.message()));
            }
            Err(error) => return Err(broken(spec, &error)),
        }
    }
    Ok(())
}

/// Answers the board's questions with the user's answers.
struct Prompter<'a> {
    ask: Ask<'a>,
    answered: bool,
}

impl KeyboardInteractivePrompt for Prompter<'_> {
    fn prompt<'p>(&mut self, _username: &str, _instructions: &str, prompts: &[Prompt<'p>]) -> Vec<String> {
        prompts
            .iter()
            .map(|prompt| {
                let answer = (self.ask)(&prompt.text);
                self.answered |= answer.is_some();
                answer.unwrap_or_default()
            })
            .collect()
    }
}

/// Returns whether a try succeeded; an error that is no refusal ends all.
fn accepted(result: Result<(), ssh2::Error>, spec: &SshSpec) -> Result<bool, LinkError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if is_refusal(&error) => Ok(false),
        Err(error) => Err(broken(spec, &error)),
    }
}

/// Returns whether the server said no, and may be asked again.
fn is_refusal(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED)
    )
}

/// The connection broke while authenticating.
fn broken(spec: &SshSpec, error: &ssh2::Error) -> LinkError {
    LinkError::Connect {
        place: spec.place(),
        words: error.message().to_owned(),
    }
}

/// Returns whether a private key's text has a passphrase on it.
fn is_encrypted(text: &str) -> bool {
    match text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----") {
        Some((_, body)) => !body.trim_start().starts_with(PLAIN_OPENSSH_KEY),
        None => text.contains("ENCRYPTED"),
    }
}

/// Returns where the public half of a key file is.
fn public(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}
