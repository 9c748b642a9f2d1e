//! Both ssh links against a real server on loopback.
#![allow(missing_docs, reason = "a test")]

mod sshd;

use ktap_transport::{LinkError, LinkErrorKind, SshMethod};
use sshd::{Sshd, expect_talk, fake_agent, round_trip};

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
        assert!(!std::path::Path::new(&file).exists(), "{file} is still there");
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
        let made = std::fs::metadata(&file)
            .expect("the kept agent")
            .modified()
            .expect("a time");
        let mut second = server.open(&spec).expect("a link");
        expect_talk(&mut *second, &file);
        round_trip(&mut *second);
        drop(second);
        let after = std::fs::metadata(&file)
            .expect("the kept agent stays")
            .modified()
            .expect("a time");
        std::fs::remove_file(&file).expect("the kept agent can be removed");
        assert_eq!(made, after, "it was sent again");
    }
}

#[test]
fn no_auth_is_said() {
    let server = Sshd::start();
    std::fs::write(server.dir.file("authorized_keys"), "").expect("authorized_keys");
    for method in METHODS {
        let error = server.open(&server.spec(method)).err().expect("an error");
        assert!(matches!(error, LinkError::PermissionDenied { .. }), "{error}");
        assert_eq!(error.kind(), LinkErrorKind::Denied);
    }
}
