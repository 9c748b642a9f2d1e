//! The serial link over a pseudo terminal, whose other side stands for the board.
#![allow(missing_docs, reason = "a test")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ktap_transport::{Link, LinkError, LinkErrorKind, LinkSpec, OpenOptions, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The board's end of a line, and the path of the PC's end.
fn line() -> (File, PathBuf) {
    let board = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
    grantpt(&board).expect("granted");
    unlockpt(&board).expect("unlocked");
    let path = ptsname(&board, Vec::new())
        .expect("a name")
        .into_string()
        .expect("text");
    (File::from(board), path.into())
}

fn open_serial(path: &Path) -> Result<Box<dyn Link>, LinkError> {
    let spec = LinkSpec::Serial {
        path: path.to_owned(),
        baud: 115_200,
    };
    open(
        &spec,
        OpenOptions {
            agents: &[],
            keep_agent: false,
            password: &mut |_| None,
            trust_new_host: false,
        },
    )
}

#[test]
fn every_byte_passes_both_ways() {
    let (mut board, path) = line();
    let mut link = open_serial(&path).expect("a link");
    assert_eq!(link.describe(), format!("serial {} at 115200 baud", path.display()));
    // Among them those that a terminal in its usual mode would act on: ^C, ^D, ^S, CR, LF, DEL.
    let all: Vec<u8> = (0..=255).collect();
    link.write(&all).expect("write");
    let mut received = vec![0; all.len()];
    board.read_exact(&mut received).expect("the board reads");
    assert_eq!(received, all);
    board.write_all(&all).expect("the board writes");
    let mut received = Vec::new();
    while received.len() < all.len() {
        assert!(link.read(&mut received, Duration::from_secs(10)).expect("read") > 0);
    }
    assert_eq!(received, all);
    assert_eq!(link.read(&mut received, Duration::from_millis(1)).expect("nothing"), 0);
}

#[test]
fn what_came_before_is_thrown_away() {
    let (mut board, path) = line();
    // The PC's end is open, but nobody reads it, as after a host that was killed.
    let earlier = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("the PC's end");
    board.write_all(b"old\n").expect("the board writes");
    let mut link = open_serial(&path).expect("a link");
    board.write_all(b"new\n").expect("the board writes");
    let mut received = Vec::new();
    while received.len() < 4 {
        assert!(link.read(&mut received, Duration::from_secs(10)).expect("read") > 0);
    }
    assert_eq!(received, b"new\n");
    drop(earlier);
}

#[test]
fn a_port_in_use_is_said() {
    let (_board, path) = line();
    let _link = open_serial(&path).expect("a link");
    let error = open_serial(&path).err().expect("an error");
    assert!(matches!(error, LinkError::SerialBusy { .. }), "{error}");
}

#[test]
fn a_missing_port_and_a_file_are_said() {
    let error = open_serial(Path::new("/dev/ttyNONE")).err().expect("an error");
    assert!(
        error.to_string().contains("/dev/ttyNONE at 115200 baud: No such file"),
        "{error}"
    );
    assert_eq!(error.kind(), LinkErrorKind::Unreachable);
    let error = open_serial(Path::new("/dev/null")).err().expect("an error");
    assert!(matches!(error, LinkError::Serial { .. }), "{error}");
}

#[test]
fn an_unplugged_port_closes_the_link() {
    let (board, path) = line();
    let mut link = open_serial(&path).expect("a link");
    drop(board);
    let error = link.read(&mut Vec::new(), Duration::from_secs(10)).expect_err("closed");
    assert_eq!(error.kind(), LinkErrorKind::Lost);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}
