//! The agent as a child of this process.
#![allow(missing_docs, reason = "a test")]

use std::path::PathBuf;
use std::time::Duration;

use ktap_transport::{Agent, Link, LinkError, LinkErrorKind, LinkSpec, OpenOptions, open};

fn open_local(agent: Option<&str>, agents: &[Agent<'_>]) -> Result<Box<dyn Link>, LinkError> {
    let spec = LinkSpec::Local {
        agent: agent.map(PathBuf::from),
    };
    open(
        &spec,
        OpenOptions {
            agents,
            keep_agent: false,
            password: &mut |_| None,
            trust_new_host: false,
        },
    )
}

fn read_all(link: &mut dyn Link) -> (Vec<u8>, LinkError) {
    let mut bytes = Vec::new();
    loop {
        if let Err(error) = link.read(&mut bytes, Duration::from_secs(10)) {
            return (bytes, error);
        }
    }
}

#[test]
fn the_carried_agent_runs_and_its_bytes_come_and_go() {
    // Any program that gives back what it gets stands for the agent.
    let cat = std::fs::read("/bin/cat").expect("cat");
    let agents = [Agent {
        arch: std::env::consts::ARCH,
        version: "0.1.0".to_owned(),
        crc32: 0,
        bytes: &cat,
    }];
    let mut link = open_local(None, &agents).expect("a link");
    assert_eq!(link.describe(), "local (agent 0.1.0)");
    // More than the pipes hold: the far end can only take it all if what comes back is taken meanwhile.
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    link.write(&sent).expect("write");
    let mut received = Vec::new();
    while received.len() < sent.len() {
        assert!(link.read(&mut received, Duration::from_secs(10)).expect("read") > 0);
    }
    assert!(received == sent);
    assert_eq!(
        link.read(&mut received, Duration::from_millis(1))
            .expect("nothing more"),
        0
    );
}

#[test]
fn an_agent_that_ends_closes_the_link_after_its_last_bytes() {
    let mut link = open_local(Some("/bin/pwd"), &[]).expect("a link");
    let (bytes, error) = read_all(&mut *link);
    assert!(!bytes.is_empty());
    assert!(
        error
            .to_string()
            .contains("the agent on this PC ended (exit status: 0)"),
        "{error}"
    );
    assert_eq!(error.kind(), LinkErrorKind::Lost);
    assert_eq!(link.write(b"x").expect_err("closed").kind(), LinkErrorKind::Lost);
}

#[test]
fn a_missing_agent_is_named() {
    let error = open_local(Some("/no/such/agent"), &[]).err().expect("an error");
    assert!(
        error.to_string().starts_with("cannot start /no/such/agent: "),
        "{error}"
    );
    let other = [Agent {
        arch: "vax",
        version: String::new(),
        crc32: 0,
        bytes: &[],
    }];
    let error = open_local(None, &other).err().expect("an error");
    assert!(error.to_string().ends_with("there are agents for: vax"), "{error}");
}

#[test]
fn an_agent_that_does_not_end_by_itself_is_killed() {
    // `yes` reads no input and never stops talking.
    let link = open_local(Some("/usr/bin/yes"), &[]).expect("a link");
    drop(link);
}
