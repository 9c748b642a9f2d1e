//! What is numbered on the wire, and its bytes: guarded by golden files that may only grow.

#[path = "sample/golden.rs"]
mod golden;
mod sample;

use std::fmt::Write;

use golden::{hex_line, only_grows, same};
use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{Const, ConstKind, FieldKind, Format};
use ktap_bytecode::disasm::disasm;
use ktap_bytecode::event::EventMember;
use ktap_bytecode::fetch::{FetchArg, MAX_FETCH_ARGS};
use ktap_bytecode::image::{Image, ImageError};
use ktap_bytecode::limits::{MAX_ALL_FETCHES, MAX_CONSTS, MAX_LIST, MAX_POINTS, MAX_PROBES};
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::probe::{Probe, ProbeKind, ProbePoint};
use ktap_bytecode::record::{
    MAX_HEADER, Record, RecordBody, RecordHeader, RecordValue, RecordWriter, Stat, TableStyle, encode_header,
};
use ktap_bytecode::trap::Trap;
use ktap_bytecode::verify::{Rule, verify};
use ktap_bytecode::version::{MAJOR, MINOR};
use proptest::prelude::*;

#[test]
fn tables() {
    let mut text = String::new();
    let mut row = |table: &str, number: u32, name: &str| {
        writeln!(text, "{table:<7} {number:>3} {name}").expect("a string takes all");
    };
    for op in Op::ALL {
        row("op", *op as u32, &format!("{} {:?}", op.mnemonic(), op.shape()));
        assert_eq!(Op::from_number(*op as u8), Some(*op));
    }
    for builtin in Builtin::ALL {
        row("builtin", *builtin as u32, builtin.name());
        assert_eq!(Builtin::from_number(*builtin as u8), Some(*builtin));
    }
    for member in EventMember::ALL {
        row("member", *member as u32, member.name());
    }
    for trap in Trap::ALL {
        row("trap", *trap as u32, &format!("{trap:?}"));
    }
    for rule in Rule::ALL {
        row("rule", *rule as u32, &format!("{rule:?}"));
    }
    for kind in ProbeKind::ALL {
        row("probe", *kind as u32, &format!("{kind:?}"));
    }
    for kind in [ConstKind::Int, ConstKind::Str, ConstKind::Format, ConstKind::Builtin] {
        row("const", kind as u32, &format!("{kind:?}"));
    }
    for kind in [FieldKind::Name, FieldKind::Arg, FieldKind::Member] {
        row("field", kind as u32, &format!("{kind:?}"));
    }
    for style in [TableStyle::Dump, TableStyle::PrintHist, TableStyle::Histogram] {
        row("style", style as u32, &format!("{style:?}"));
    }
    only_grows("tables.txt", &text);
}

#[test]
fn no_number_is_used_twice() {
    fn distinct(numbers: impl Iterator<Item = u32>) {
        let numbers: Vec<u32> = numbers.collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
    distinct(Op::ALL.iter().map(|x| *x as u32));
    distinct(Builtin::ALL.iter().map(|x| *x as u32));
    distinct(EventMember::ALL.iter().map(|x| *x as u32));
    distinct(Trap::ALL.iter().map(|x| *x as u32));
    distinct(Rule::ALL.iter().map(|x| *x as u32));
}

#[test]
fn image_bytes() {
    let image = sample::image();
    let mut text = hex_line("image", &image.to_bytes());
    for constant in &image.consts {
        let one = Image {
            consts: vec![*constant],
            ..empty()
        };
        let bytes = one.to_bytes();
        // Around the one constant stands an empty image: what it adds is its bytes.
        let before = empty().to_bytes();
        let at = before.iter().zip(&bytes).take_while(|(a, b)| a == b).count() + 1;
        text += &hex_line(&const_name(constant), &bytes[at..bytes.len() - (before.len() - at)]);
    }
    only_grows("image.hex", &text);
    same("image.disasm", &disasm(&image));
}

fn const_name(constant: &Const) -> String {
    let value = constant.value;
    match constant.kind {
        k if k == ConstKind::Str as u32 => format!("const.str at {} len {}", value as u32, value >> 32),
        k if k == ConstKind::Format as u32 => format!("const.format {value}"),
        k if k == ConstKind::Builtin as u32 => format!("const.builtin {value}"),
        _ => format!("const.int {value}"),
    }
}

fn empty() -> Image {
    Image {
        major: MAJOR,
        minor: 0,
        build_id: Vec::new(),
        globals: 0,
        functions: Vec::new(),
        code: Vec::new(),
        consts: Vec::new(),
        bytes: Vec::new(),
        captures: Vec::new(),
        fields: Vec::new(),
        formats: Vec::new(),
        probes: Vec::new(),
    }
}

#[test]
fn probe_bytes() {
    let points = sample::points();
    for kind in ProbeKind::ALL {
        assert!(
            points.iter().any(|(_, point)| point.kind() == *kind),
            "no sample of {kind:?}"
        );
    }
    let line = |(name, point): &(&str, ProbePoint)| hex_line(name, &postcard::to_allocvec(point).expect("encodes"));
    only_grows("probes.hex", &points.iter().map(line).collect::<String>());
}

#[test]
fn fetch_bytes() {
    let line = |arg: FetchArg| hex_line(&arg.to_string(), &postcard::to_allocvec(&arg).expect("encodes"));
    only_grows(
        "fetches.hex",
        &sample::fetches().into_iter().map(line).collect::<String>(),
    );
}

#[test]
fn what_probes_take_along_is_bounded_in_all() {
    let image = |points: usize| Image {
        probes: vec![Probe {
            points: vec![sample::points()[1].1.clone(); points],
        }],
        ..empty()
    };
    // Two fetch-args and one dereference each.
    assert!(Image::from_bytes(&image(MAX_POINTS).to_bytes()).is_ok());
    let mut many = image(MAX_POINTS);
    many.probes = vec![many.probes[0].clone(); MAX_ALL_FETCHES / 3 / MAX_POINTS + 1];
    assert_eq!(Image::from_bytes(&many.to_bytes()), Err(ImageError::Malformed));
    let mut args = image(1);
    if let ProbePoint::Kprobe { args, .. } = &mut args.probes[0].points[0] {
        *args = vec![sample::fetches()[0].clone(); MAX_FETCH_ARGS + 1];
    }
    assert_eq!(Image::from_bytes(&args.to_bytes()), Err(ImageError::Malformed));
}

/// One of each value.
fn values() -> Vec<(&'static str, RecordValue<'static>)> {
    vec![
        ("nil", RecordValue::Nil),
        ("bool", RecordValue::Bool(true)),
        ("int", RecordValue::Int(-300)),
        ("str", RecordValue::Str(b"swapper")),
        ("table", RecordValue::Table(300)),
        ("function", RecordValue::Function(2)),
        ("builtin", RecordValue::Builtin(13)),
        (
            "stack",
            RecordValue::Stack(true, 4321, &[0x10, 0, 0, 0x81, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("event", RecordValue::Event(314, &[1, 2, 3])),
        ("symbol", RecordValue::Symbol(0xffff_ffff_8100_0010)),
        (
            "stat",
            RecordValue::Stat(Stat {
                count: 3,
                sum: -6,
                min: -5,
                max: 200,
            }),
        ),
        ("format", RecordValue::Format(7)),
    ]
}

/// One of each body.
fn bodies() -> Vec<(&'static str, RecordBody<'static>)> {
    vec![
        (
            "print",
            RecordBody::Print(vec![RecordValue::Int(1), RecordValue::Str(b"x")]),
        ),
        (
            "printf",
            RecordBody::Printf(vec![RecordValue::Format(0), RecordValue::Int(-1)]),
        ),
        ("table_begin", RecordBody::TableBegin(TableStyle::Histogram, 20, 300)),
        (
            "table_row",
            RecordBody::TableRow(RecordValue::Str(b"k"), RecordValue::Int(64)),
        ),
        ("table_end", RecordBody::TableEnd),
        ("raw", RecordBody::Raw(b"\x1b[0m")),
        ("clock", RecordBody::Clock),
    ]
}

#[test]
fn record_bytes() {
    let mut text = String::new();
    for (name, value) in values() {
        text += &hex_line(
            &format!("value.{name}"),
            &postcard::to_allocvec(&value).expect("encodes"),
        );
    }
    for (name, body) in bodies() {
        let record = Record {
            time_ns: 1_000_000_000,
            cpu: 3,
            probe: 1,
            body,
        };
        text += &hex_line(
            &format!("record.{name}"),
            &postcard::to_allocvec(&record).expect("encodes"),
        );
    }
    only_grows("records.hex", &text);
}

/// Writes a record by hand.
fn written(record: &Record<'_>, buf: &mut [u8]) -> Option<Vec<u8>> {
    fn value(w: &mut RecordWriter<'_>, value: &RecordValue<'_>) {
        match value {
            RecordValue::Nil => w.nil(),
            RecordValue::Bool(b) => w.boolean(*b),
            RecordValue::Int(n) => w.int(*n),
            RecordValue::Str(s) => w.str(s),
            RecordValue::Table(h) => w.table(*h),
            RecordValue::Function(h) => w.function(*h),
            RecordValue::Builtin(n) => w.builtin(*n),
            RecordValue::Stack(user, pid, addresses) => w.stack(*user, *pid, addresses),
            RecordValue::Event(id, raw) => w.event(*id, raw),
            RecordValue::Symbol(a) => w.symbol(*a),
            RecordValue::Stat(s) => w.stat(*s),
            RecordValue::Format(id) => w.format(*id),
        }
    }
    let mut head = [0; MAX_HEADER];
    let header = RecordHeader {
        time_ns: record.time_ns,
        cpu: record.cpu,
        probe: record.probe,
    };
    let len = encode_header(header, &mut head);
    let room = buf.len().checked_sub(len)?;
    let mut w = RecordWriter::body(&mut buf[..room]);
    match &record.body {
        RecordBody::Print(list) => {
            w.print(list.len());
            list.iter().for_each(|v| value(&mut w, v));
        }
        RecordBody::Printf(list) => {
            w.printf(list.len());
            list.iter().for_each(|v| value(&mut w, v));
        }
        RecordBody::TableBegin(style, limit, rows) => w.table_begin(*style, *limit, *rows),
        RecordBody::TableRow(k, v) => {
            w.table_row();
            value(&mut w, k);
            value(&mut w, v);
        }
        RecordBody::TableEnd => w.table_end(),
        RecordBody::Raw(bytes) => w.raw(bytes),
        RecordBody::Clock => w.clock(),
    }
    Some([&head[..len], w.finish()?].concat())
}

/// A record's parts with bytes of their own, for proptest makes values that live by themselves.
#[derive(Clone, Debug)]
struct Parts {
    kind: u8,
    number: u64,
    more: [i64; 3],
    flag: bool,
    bytes: Vec<u8>,
}

impl Parts {
    fn value(&self) -> RecordValue<'_> {
        let n = self.number;
        match self.kind % 12 {
            0 => RecordValue::Nil,
            1 => RecordValue::Bool(self.flag),
            2 => RecordValue::Int(self.more[0]),
            3 => RecordValue::Str(&self.bytes),
            4 => RecordValue::Table(n as u32),
            5 => RecordValue::Function(n as u32),
            6 => RecordValue::Builtin(n as u8),
            7 => RecordValue::Stack(self.flag, n as u32, &self.bytes),
            8 => RecordValue::Event(n as u16, &self.bytes),
            9 => RecordValue::Symbol(n),
            10 => RecordValue::Stat(Stat {
                count: n,
                sum: self.more[0],
                min: self.more[1],
                max: self.more[2],
            }),
            _ => RecordValue::Format(n as u16),
        }
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    // Numbers of every length: a varint changes its length at each seventh bit.
    let number = (any::<u64>(), 0u32..64).prop_map(|(n, shift)| n >> shift);
    (
        any::<u8>(),
        number,
        any::<[i64; 3]>(),
        any::<bool>(),
        proptest::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|(kind, number, more, flag, bytes)| Parts {
            kind,
            number,
            more,
            flag,
            bytes,
        })
}

proptest! {
    #[test]
    fn the_writer_writes_what_postcard_would(
        (time_ns, cpu, probe) in (any::<u64>(), any::<u16>(), any::<u16>()),
        list in proptest::collection::vec(parts(), 2..6),
        body in 0u8..7,
        style in 0usize..3,
    ) {
        let values: Vec<_> = list.iter().map(Parts::value).collect();
        let body = match body {
            0 => RecordBody::Print(values),
            1 => RecordBody::Printf(values),
            2 => {
                let style = [TableStyle::Dump, TableStyle::PrintHist, TableStyle::Histogram][style];
                RecordBody::TableBegin(style, list[0].number as u32, list[1].number as u32)
            }
            3 => RecordBody::TableRow(values[0].clone(), values[1].clone()),
            4 => RecordBody::TableEnd,
            5 => RecordBody::Raw(&list[0].bytes),
            _ => RecordBody::Clock,
        };
        let record = Record { time_ns, cpu, probe, body };
        let expected = postcard::to_allocvec(&record).expect("encodes");
        let mut buf = [0; 4096];
        prop_assert_eq!(written(&record, &mut buf), Some(expected.clone()));
        prop_assert_eq!(Record::take(&expected).expect("decodes"), (record.clone(), &[][..]));
        // One byte too few is no record, and no panic.
        prop_assert_eq!(written(&record, &mut buf[..expected.len() - 1]), None);
    }

    #[test]
    fn random_bytes_are_no_danger_as_records(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut rest = &bytes[..];
        while let Ok((_, after)) = Record::take(rest) {
            prop_assert!(after.len() < rest.len());
            rest = after;
        }
    }

    #[test]
    fn images_come_back(
        words in proptest::collection::vec(any::<u32>(), 0..50),
        ints in proptest::collection::vec(any::<i64>(), 0..20),
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        strings in proptest::collection::vec(any::<(u32, u32)>(), 0..5),
    ) {
        let mut image = sample::image();
        image.code = words.into_iter().map(Word).collect();
        image.consts.extend(ints.into_iter().map(Const::int));
        image.consts.extend(strings.into_iter().map(|(offset, len)| Const::str(offset, len)));
        image.bytes = bytes;
        prop_assert_eq!(Image::from_bytes(&image.to_bytes()), Ok(image));
    }

    #[test]
    fn damaged_images_are_refused_or_sound(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        len in any::<proptest::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = sample::image().to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(len.index(bytes.len()));
        }
        if let Ok(image) = Image::from_bytes(&bytes) {
            let _ = verify(image.code_ref());
            disasm(&image);
        }
    }
}

#[test]
fn every_truncation_is_malformed() {
    let bytes = sample::image().to_bytes();
    for len in 0..bytes.len() {
        assert_eq!(Image::from_bytes(&bytes[..len]), Err(ImageError::Malformed), "{len}");
    }
    let mut long = bytes.clone();
    long.extend([0, 0]);
    assert_eq!(Image::from_bytes(&long), Err(ImageError::TrailingBytes(2)));
    for (major, minor) in [(MAJOR + 1, MINOR), (MAJOR, MINOR + 1)] {
        let mut other = bytes.clone();
        (other[0], other[1]) = (major, minor);
        assert_eq!(Image::from_bytes(&other), Err(ImageError::Version(major, minor)));
    }
}

#[test]
fn an_image_may_claim_any_length() {
    let mut bytes = empty().to_bytes();
    for at in 2..bytes.len() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let mut claim = bytes.clone();
        claim.splice(at..=at, huge);
        assert!(Image::from_bytes(&claim).is_err(), "{at}");
    }
    bytes.resize(ktap_bytecode::limits::MAX_IMAGE + 1, 0);
    assert_eq!(Image::from_bytes(&bytes), Err(ImageError::TooLong(bytes.len())));
}

#[test]
fn lists_end_at_their_bounds() {
    let sites = |sites: usize, points: usize| {
        let probe = Probe {
            points: vec![ProbePoint::End; points],
        };
        Image {
            probes: vec![probe; sites],
            ..empty()
        }
    };
    for (image, sound) in [
        (sites(MAX_PROBES, 4), true),
        (sites(MAX_PROBES + 1, 1), false),
        (sites(16, MAX_POINTS), true),
        (sites(1, MAX_POINTS + 1), false),
        (sites(17, MAX_POINTS), false),
        (
            Image {
                consts: vec![Const::int(0); MAX_CONSTS],
                ..empty()
            },
            true,
        ),
        (
            Image {
                consts: vec![Const::int(0); MAX_CONSTS + 1],
                ..empty()
            },
            false,
        ),
        (
            Image {
                formats: vec![Format { classes: 0, len: 0 }; MAX_LIST + 1],
                ..empty()
            },
            false,
        ),
    ] {
        let decoded = Image::from_bytes(&image.to_bytes());
        assert_eq!(decoded, if sound { Ok(image) } else { Err(ImageError::Malformed) });
    }
}
