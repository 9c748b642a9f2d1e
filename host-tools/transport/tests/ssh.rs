//! Both ssh links against a real server on loopback.
#![allow(missing_docs, reason = "a test")]

mod sshd;

use std::fs;
use std::path::Path;
use std::time::Duration;

use ktap_transport::{LinkError, LinkErrorKind, SshMethod, SshSpec};
use sshd::{Sshd, expect_talk, fake_agent, keygen, round_trip};

const METHODS: [SshMethod; 2] = [SshMethod::Ssh2, SshMethod::Child];

#[test]
fn an_agent_is_uploaded_run_and_removed() {
    let server = Sshd::start();
    for method in METHODS {
        let mut link = server.open(&server.spec(method)).expect("a link");
        let talk = expect_talk(&mut *link, "up: ");
        let file = talk.split_whitespace().nth(1).expect("the agent's file").to_owned();
        assert!(talk.contains("--unlink"), "{talk}");
        round_trip(&mut *link);
        assert!(!Path::new(&file).exists(), "{file} is still there");
    }
}

#[test]
fn a_kept_agent_is_used_again() {
    let server = Sshd::start();
    for method in METHODS {
        let spec = server.spec(method);
        let mut first = server
            .open_with(&spec, &fake_agent(server.crc), |options| options.keep_agent = true)
            .expect("a link");
        let talk = expect_talk(&mut *first, "up: ");
        let file = talk.split_whitespace().nth(1).expect("the agent's file").to_owned();
        drop(first);
        let made = fs::metadata(&file).expect("the kept agent").modified().expect("a time");
        let mut second = server.open(&spec).expect("a link");
        expect_talk(&mut *second, &file);
        round_trip(&mut *second);
        drop(second);
        let after = fs::metadata(&file)
            .expect("the kept agent stays")
            .modified()
            .expect("a time");
        fs::remove_file(&file).expect("the kept agent can be removed");
        assert_eq!(made, after, "it was sent again");
    }
}

/// Opens a link that cannot be, by both methods, and returns the two errors.
fn errors(server: &Sshd, change: impl Fn(&mut SshSpec)) -> Vec<LinkError> {
    METHODS
        .map(|method| {
            let mut spec = server.spec(method);
            change(&mut spec);
            server.open(&spec).err().expect("an error")
        })
        .into()
}

#[test]
fn no_auth_is_said() {
    let server = Sshd::start();
    fs::write(server.dir.file("authorized_keys"), "").expect("authorized_keys");
    for error in errors(&server, |_| {}) {
        assert!(matches!(error, LinkError::PermissionDenied { .. }), "{error}");
        assert_eq!(error.kind(), LinkErrorKind::Denied);
    }
}

#[test]
fn an_unknown_host_is_refused_unless_new_ones_are_trusted() {
    let server = Sshd::start();
    let known_hosts = server.dir.file("empty");
    for error in errors(&server, |spec| spec.known_hosts = Some(known_hosts.clone())) {
        assert!(matches!(error, LinkError::HostKeyUnknown { .. }), "{error}");
        assert!(error.to_string().contains("/empty"), "{error}");
        assert_eq!(error.kind(), LinkErrorKind::Denied);
    }
    for method in METHODS {
        let mut spec = server.spec(method);
        spec.known_hosts = Some(server.dir.file("new").join(format!("{method:?}")));
        fs::create_dir_all(server.dir.file("new")).expect("a directory");
        drop(
            server
                .open_with(&spec, &fake_agent(server.crc), |options| options.trust_new_host = true)
                .expect("trusted"),
        );
        // From then on it is known.
        drop(server.open(&spec).expect("known"));
    }
}

#[test]
fn another_host_key_is_refused_and_the_file_named() {
    let server = Sshd::start();
    keygen(&server.dir.file("other_key"), "ed25519", "");
    let other = fs::read_to_string(server.dir.file("other_key.pub")).expect("a key");
    fs::write(
        server.dir.file("known_hosts"),
        format!("[127.0.0.1]:{} {other}", server.port),
    )
    .expect("known_hosts");
    for error in errors(&server, |_| {}) {
        assert!(matches!(error, LinkError::HostKeyChanged { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&server.dir.file("known_hosts").display().to_string()),
            "{error}"
        );
    }
}

#[test]
fn a_host_with_keys_of_two_kinds_is_known_by_either() {
    let server = Sshd::start_with("HostKey {dir}/ecdsa_key");
    let ecdsa = fs::read_to_string(server.dir.file("ecdsa_key.pub")).expect("a key");
    fs::write(
        server.dir.file("known_hosts"),
        format!("[127.0.0.1]:{} {ecdsa}", server.port),
    )
    .expect("known_hosts");
    for method in METHODS {
        drop(server.open(&server.spec(method)).expect("a link"));
    }
}

#[test]
fn a_refused_connection_is_said() {
    let server = Sshd::start();
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    for error in errors(&server, |spec| spec.port = Some(port)) {
        assert!(matches!(error, LinkError::ConnectionRefused { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("127.0.0.1:{port} refused")),
            "{error}"
        );
        assert_eq!(error.kind(), LinkErrorKind::Unreachable);
    }
}

#[test]
fn a_host_that_says_nothing_is_given_up() {
    let server = Sshd::start();
    // It takes connections and never answers, as the forwarded port of a guest that is still booting.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    for error in errors(&server, |spec| {
        spec.port = Some(port);
        spec.connect_timeout = Duration::from_secs(1);
    }) {
        assert!(matches!(error, LinkError::NoAnswer { .. }), "{error}");
        assert!(error.to_string().contains("did not answer within 1 s"), "{error}");
    }
}

#[test]
fn a_name_without_address_is_said() {
    let server = Sshd::start();
    for error in errors(&server, |spec| spec.host = "no-such-board.invalid".to_owned()) {
        assert!(matches!(error, LinkError::NoSuchHost { .. }), "{error}");
    }
}

#[test]
fn a_full_tmpfs_is_said_and_nothing_is_left() {
    let server = Sshd::start_confined("size=64k");
    for error in errors(&server, |_| {}) {
        let text = error.to_string();
        assert!(matches!(error, LinkError::NoRoom { .. }), "{text}");
        assert!(
            text.contains("/dev/shm is full (") && text.contains("No space left on device"),
            "{text}"
        );
        assert_eq!(error.kind(), LinkErrorKind::Agent);
        assert_eq!(
            fs::read_to_string(server.dir.file("left")).expect("the list"),
            "listed\n"
        );
    }
}

#[test]
fn a_mount_without_exec_is_said() {
    let server = Sshd::start_confined("noexec,size=1m");
    for error in errors(&server, |_| {}) {
        let text = error.to_string();
        assert!(
            text.contains("/dev/shm does not allow programs (noexec), /run does not"),
            "{text}"
        );
        assert_eq!(
            fs::read_to_string(server.dir.file("left")).expect("the list"),
            "listed\n"
        );
    }
}

#[test]
fn no_writable_directory_is_said() {
    let server = Sshd::start_confined("ro,size=1m");
    for error in errors(&server, |_| {}) {
        assert!(
            error.to_string().contains("/dev/shm is not writable, /run is not"),
            "{error}"
        );
    }
}

#[test]
fn a_machine_without_agent_is_said() {
    let server = Sshd::start_with("ForceCommand env PATH={dir}/bin:$PATH sh -c \"$SSH_ORIGINAL_COMMAND\"");
    server.program("uname", "#!/bin/sh\necho vax\n");
    for error in errors(&server, |_| {}) {
        let text = error.to_string();
        assert!(
            text.contains("no agent for the machine 'vax'") && text.contains(std::env::consts::ARCH),
            "{text}"
        );
    }
}

#[test]
fn an_agent_that_is_not_what_was_sent_is_said_and_removed() {
    let server = Sshd::start_confined("size=1m");
    for method in METHODS {
        let other = fake_agent(server.crc ^ 1);
        let error = server
            .open_with(&server.spec(method), &other, |_| {})
            .err()
            .expect("an error");
        assert!(matches!(error, LinkError::AgentBroken { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("ktap-agent 0.1.0 {:08x}", server.crc ^ 1)),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(server.dir.file("left")).expect("the list"),
            "listed\n"
        );
    }
}

#[test]
fn busybox_and_a_talkative_login_are_enough() {
    let server = Sshd::start_with("ForceCommand echo Welcome; exec env PATH={dir}/bin sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let busybox = Path::new("/bin/busybox");
    assert!(
        busybox.exists(),
        "busybox is needed for this test: install busybox-static"
    );
    fs::create_dir_all(server.dir.file("bin")).expect("a directory");
    for applet in ["sh", "uname", "head", "cat", "chmod", "rm", "mv"] {
        std::os::unix::fs::symlink(busybox, server.dir.file("bin").join(applet)).expect("a link");
    }
    for method in METHODS {
        let mut link = server.open(&server.spec(method)).expect("a link");
        assert!(expect_talk(&mut *link, "up: ").contains("Welcome"));
        round_trip(&mut *link);
    }
    // Without `head -c`, dd reads.
    server.program("head", "#!/bin/sh\nexit 1\n");
    std::os::unix::fs::symlink(busybox, server.dir.file("bin").join("dd")).expect("a link");
    for method in METHODS {
        round_trip(&mut *server.open(&server.spec(method)).expect("a link"));
    }
}

#[test]
fn an_agent_that_is_killed_closes_the_link_with_a_reason() {
    let server = Sshd::start();
    let text = String::from_utf8(fake_agent(server.crc)).expect("text");
    let agent = text.replace("exec cat", "read line; echo last words >&2; kill -9 $$");
    for method in METHODS {
        let mut link = server
            .open_with(&server.spec(method), agent.as_bytes(), |_| {})
            .expect("a link");
        link.write(b"x\n").expect("write");
        let error = loop {
            if let Err(error) = link.read(&mut Vec::new(), Duration::from_secs(10)) {
                break error;
            }
        };
        assert_eq!(error.kind(), LinkErrorKind::Lost);
        assert!(error.to_string().contains("last words"), "{error}");
    }
}

#[test]
fn dropping_the_link_ends_the_agent() {
    let server = Sshd::start();
    let text = String::from_utf8(fake_agent(server.crc)).expect("text");
    let ended = server.dir.file("ended");
    let agent = text.replace(
        "exec cat",
        &format!("cat >/dev/null; echo end >>{}; exit", ended.display()),
    );
    for method in METHODS {
        drop(
            server
                .open_with(&server.spec(method), agent.as_bytes(), |_| {})
                .expect("a link"),
        );
        assert_eq!(
            fs::read_to_string(&ended).expect("the agent saw the end of its input"),
            "end\n"
        );
        fs::remove_file(&ended).expect("removed");
    }
}

#[test]
fn a_key_with_a_passphrase_asks_for_it() {
    let server = Sshd::start();
    keygen(&server.dir.file("locked_key"), "ed25519", "open sesame");
    fs::copy(server.dir.file("locked_key.pub"), server.dir.file("authorized_keys")).expect("authorized_keys");
    let mut spec = server.spec(SshMethod::Ssh2);
    spec.key = Some(server.dir.file("locked_key"));
    let mut asked = String::new();
    let mut answer = |prompt: &str| {
        asked = prompt.to_owned();
        Some("open sesame".to_owned())
    };
    let link = server.open_asking(&spec, &fake_agent(server.crc), &mut answer, |_| {});
    drop(link.expect("a link"));
    assert_eq!(
        asked,
        format!("Passphrase for key '{}': ", server.dir.file("locked_key").display())
    );
}

#[test]
fn a_password_is_asked_for_when_no_key_is_taken() {
    let server = Sshd::start_with("AuthenticationMethods password");
    let mut asked = 0;
    let mut answer = |prompt: &str| {
        assert!(prompt.ends_with("'s password: "), "{prompt}");
        asked += 1;
        Some("wrong".to_owned())
    };
    let spec = server.spec(SshMethod::Ssh2);
    let error = server
        .open_asking(&spec, &fake_agent(server.crc), &mut answer, |_| {})
        .err();
    assert!(matches!(error, Some(LinkError::PermissionDenied { .. })), "{error:?}");
    assert_eq!(asked, 3);
}
