//! The engine against a module that only remembers what it is asked.

use super::*;
use crate::agent::Board;
use crate::command::Environment;
use crate::engine::kmod::device::bytes_of;
use crate::engine::kmod::mock::Mock;
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::Limits;
use ktap_bytecode::verify::verify;
use ktap_device::attach::{Attach, Kind as How, NEEDS_RECORD};
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::source::Source;
use ktap_link::message::RunOptions;

fn image(script: &str) -> Image {
    let (program, problems) = compile(&Source::new("t.kp", script), &CompileOptions::default());
    program.unwrap_or_else(|| panic!("{problems:?}")).image
}

type Then<'t> = &'t mut dyn FnMut(&mut dyn Engine, Result<Vec<Armed>, Refusal>);

/// Loads a script, runs main, attaches; gives the engine to `then`.
fn with_engine(script: &str, dry_run: bool, mock: &Mock, then: Then<'_>) {
    let board = Board::find(Environment::EMPTY, true, true);
    let options = RunOptions {
        dry_run,
        ..RunOptions::default()
    };
    let image = image(script);
    let program = Program {
        board: &board,
        options: &options,
        limits: Limits::default(),
        image: &image,
        verified: verify(image.code_ref()).expect("verifies"),
        catalog: None,
    };
    let mut go_on = |engine: &mut dyn Engine| {
        if !dry_run {
            assert_eq!(engine.run_main(), Ok(None));
        }
        let armed = engine.attach(Scope::default(), true, &mut || true);
        then(engine, armed);
        Ok(())
    };
    let loaded = load(program, Borrowed(mock), &mut go_on);
    assert_eq!(loaded, Ok(Ok(())));
}

struct Borrowed<'m>(&'m Mock);

impl Module for Borrowed<'_> {
    fn request(&self, kind: Kind, input: &[u8], output: &mut [u8]) -> crate::sys::Result<usize> {
        self.0.request(kind, input, output)
    }

    fn read(&self, buf: &mut [u8]) -> crate::sys::Result<usize> {
        self.0.read(buf)
    }

    fn raw(&self) -> i32 {
        -1
    }
}

#[test]
fn attachments_become_requests() {
    let mock = Mock {
        sites: vec![0, 1, 2, 3, 0],
        ..Mock::default()
    };
    with_engine(
        "trace probe:vfs_read fd=%di:s32 { print(argstr) } trace probe:vfs_write%return { print(1) } tick-5ms { } \
        trace_end { print('end') }",
        false,
        &mock,
        &mut |engine, armed| {
            let armed: Vec<_> = armed
                .expect("armed")
                .iter()
                .map(|armed| (armed.probe, armed.events))
                .collect();
            assert_eq!(armed, [(0, 1), (1, 1), (2, 1), (3, 0), (0, 1)]);
            assert!(!engine.is_idle());
            engine.end(true, &mut |stop| panic!("{stop:?}"));
        },
    );
    let probes = mock.probes();
    let kinds: Vec<_> = probes
        .iter()
        .map(|(head, name)| (head.kind, head.attached, name.as_str()))
        .collect();
    let (kprobe, kretprobe, tick) = (How::Kprobe as u16, How::Kretprobe as u16, How::Tick as u16);
    assert_eq!(
        kinds,
        [
            (kprobe, 0, "vfs_read"),
            (kretprobe, 1, "vfs_write"),
            (tick, 2, ""),
            (kprobe, 4, "vfs_read")
        ]
    );
    let Attach {
        flags,
        record_len,
        fetches,
        own,
        ..
    } = probes[0].0;
    assert_eq!((flags, record_len, fetches.count, own.count), (NEEDS_RECORD, 24, 1, 2));
    // What asks for nothing takes nothing along.
    let Attach {
        flags,
        record_len,
        fetches,
        own,
        ..
    } = probes[1].0;
    assert_eq!((flags, record_len, fetches.count, own.count), (0, 0, 0, 0));
    assert_eq!(probes[2].0.extra, 5_000_000);
    let ends: Vec<_> = mock
        .requests
        .borrow()
        .iter()
        .filter(|(kind, _)| *kind == Kind::RunEnd)
        .map(|(_, bytes)| bytes[0])
        .collect();
    assert_eq!(ends, [3]);
}

#[test]
fn what_is_not_there_is_refused_with_its_site() {
    let mock = Mock {
        sites: vec![0, 1],
        missing: vec!["vfs_none"],
        ..Mock::default()
    };
    with_engine(
        "trace probe:vfs_read { print(1) } trace probe:vfs_none { print(1) }",
        false,
        &mock,
        &mut |_, armed| {
            let refusal = armed.expect_err("a refusal");
            assert_eq!(
                (refusal.code, refusal.detail, refusal.name.as_str()),
                (RefusalCode::NoSuchTarget, 1, "vfs_none")
            );
        },
    );
    let mock = Mock {
        sites: vec![0],
        ..Mock::default()
    };
    with_engine(
        "trace probe:vfs_read /none == 1/ { print(1) }",
        false,
        &mock,
        &mut |_, armed| {
            let refusal = armed.expect_err("a refusal");
            assert_eq!(
                (refusal.code, refusal.errno, refusal.name.as_str()),
                (RefusalCode::BadFilter, 22, "none == 1")
            );
        },
    );
}

#[test]
fn a_dry_run_loads_a_program_that_does_nothing() {
    let (functions, code) = idle_code(3);
    let sites = CodeRef {
        functions: &functions,
        code: &code,
        consts: &[],
        bytes: &[],
        captures: &[],
        fields: &[],
        formats: &[],
        globals: 0,
        probes: 3,
    };
    assert!(verify(sites).is_ok());
    let mock = Mock {
        sites: vec![0, 1],
        ..Mock::default()
    };
    with_engine(
        "print('never') exit(1) trace probe:vfs_read { print(1) } trace probe:vfs_write { print(1) }",
        true,
        &mock,
        &mut |_, armed| {
            assert_eq!(armed.map(|armed| armed.len()), Ok(2));
        },
    );
    assert_eq!(mock.probes().len(), 2);
}

#[test]
fn records_get_their_header() {
    let entry = |probe: u16, body: &[u8]| {
        let header = EntryHeader {
            time_ns: 300,
            len: body.len() as u32,
            cpu: 1,
            probe,
        };
        let mut bytes = bytes_of(&header).to_vec();
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let mut read = [entry(2, b"abc"), entry(3, b"12345678")].concat();
    // One whose end is missing is none.
    read.extend(&entry(4, b"xy")[..17]);
    let mock = Mock {
        records: vec![read].into(),
        ..Mock::default()
    };
    with_engine("print(1)", false, &mock, &mut |engine, _| {
        assert_eq!(engine.pump(0), Ok(false));
        engine.with_outbox(&mut |outbox| {
            assert_eq!(
                outbox.pop().as_deref(),
                Some(&b"\xac\x02\x01\x02abc\xac\x02\x01\x0312345678"[..])
            );
        });
    });
}
