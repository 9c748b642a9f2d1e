//! Every layout, as golden files under `tests/golden`. `KTAP_BLESS=1` writes them anew.

use std::path::Path;
use std::rc::Rc;
use std::{env, fs};

use ktap_bytecode::record::{MAIN_PROBE, Record, RecordBody, RecordValue, Stat, TableStyle};
use ktap_render::{Config, Needs, NoResolver, Output, RenderError, Renderer, Resolver, UserSymbol};
use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::symbol::{Symbol, Symbolize};
use proptest::prelude::*;

const FORMAT: &str = "name: sched_wakeup\nID: 7\nformat:\n\
    \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
    \tfield:char comm[8];\toffset:8;\tsize:8;\tsigned:0;\n\
    \tfield:pid_t pid;\toffset:16;\tsize:4;\tsigned:1;\n\n\
    print fmt: \"comm=%s pid=%d\", REC->comm, REC->pid\n";
const RAW: &[u8] = b"\x07\0\0\0\0\0\0\0bash\0\0\0\0\x2a\0\0\0";
const KALLSYMS: &str = "ffffffff81000000 T schedule\nffffffff81000100 T vfs_read\nffffffff81000200 T _etext\n\
    ffffffffc0000000 t a_function_with_a_very_long_name_indeed\t[tun]\nffffffffc0001000 t end\t[tun]\n";

struct Board {
    symbols: Kallsyms,
    format: Rc<EventFormat>,
}

impl Board {
    fn new() -> Board {
        let format = EventFormat::parse(FORMAT, Abi::LP64).expect("a format");
        Board {
            symbols: Kallsyms::parse(KALLSYMS),
            format: Rc::new(format),
        }
    }
}

impl Symbolize for Board {
    fn symbol(&self, address: u64) -> Option<Symbol<'_>> {
        self.symbols.lookup(address)
    }
}

impl Resolver for Board {
    fn event(&self, id: u16) -> Option<Rc<EventFormat>> {
        (id == self.format.id).then(|| self.format.clone())
    }

    fn user_symbol(&self, _: u32, address: u64) -> Option<UserSymbol> {
        (address == 0x401010).then(|| UserSymbol {
            name: "main".to_owned(),
            offset: 0x10,
        })
    }
}

fn record(body: RecordBody<'_>) -> Record<'_> {
    Record {
        time_ns: 1_234_567_891_000,
        cpu: 1,
        probe: 3,
        body,
    }
}

fn table<'a>(style: TableStyle, limit: u32, rows: &[(RecordValue<'a>, RecordValue<'a>)]) -> Vec<RecordBody<'a>> {
    let mut bodies = vec![RecordBody::TableBegin(style, limit, rows.len() as u32)];
    bodies.extend(
        rows.iter()
            .map(|(key, value)| RecordBody::TableRow(key.clone(), value.clone())),
    );
    bodies.push(RecordBody::TableEnd);
    bodies
}

fn render(config: Config, bodies: &[RecordBody<'_>]) -> Result<String, RenderError> {
    let formats = [b"%s has %d\n".to_vec(), b"%p %08x|".to_vec()];
    let mut renderer = Renderer::new(config, &formats);
    let mut out = Vec::new();
    for body in bodies {
        renderer.feed(&record(body.clone()), &Board::new(), &mut out)?;
    }
    renderer.finish(&Board::new(), &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

fn text(bodies: &[RecordBody<'_>]) -> String {
    render(Config::default(), bodies).expect("rendered")
}

fn golden(name: &str, ours: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("KTAP_BLESS").is_some() {
        fs::write(&path, ours).expect("written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(ours, expected, "{name} differs; KTAP_BLESS=1 writes it anew");
}

const STACK: &[u8] = b"\x10\x01\0\x81\xff\xff\xff\xff\x20\0\0\xc0\xff\xff\xff\xff\x05\0\0\0\0\0\0\0";
const USER_STACK: &[u8] = b"\x10\x10\x40\0\0\0\0\0\x99\0\0\0\0\0\0\0";
const SCHEDULE: i64 = 0xffff_ffff_8100_0000_u64 as i64;

fn every_value() -> Vec<RecordValue<'static>> {
    vec![
        RecordValue::Nil,
        RecordValue::Bool(true),
        RecordValue::Bool(false),
        RecordValue::Int(i64::MIN),
        RecordValue::Str(b"text"),
        RecordValue::Table(0x10),
        RecordValue::Function(0x20),
        RecordValue::Builtin(0),
        RecordValue::Symbol(SCHEDULE as u64 + 4),
        RecordValue::Symbol(1),
        RecordValue::Event(7, RAW),
        RecordValue::Event(8, RAW),
        RecordValue::Stat(Stat {
            count: 3,
            sum: -10,
            min: -7,
            max: 4,
        }),
        RecordValue::Stack(false, 0, STACK),
        RecordValue::Stack(true, 42, USER_STACK),
    ]
}

fn every_body() -> Vec<RecordBody<'static>> {
    let mut bodies = vec![
        RecordBody::Print(every_value()),
        RecordBody::Print(vec![]),
        RecordBody::Printf(vec![
            RecordValue::Format(0),
            RecordValue::Str(b"bash"),
            RecordValue::Int(5),
        ]),
        RecordBody::Printf(vec![
            RecordValue::Format(1),
            RecordValue::Int(SCHEDULE),
            RecordValue::Int(255),
        ]),
        RecordBody::Printf(vec![
            RecordValue::Str(b"made at run time: %s\n"),
            RecordValue::Event(7, RAW),
        ]),
        RecordBody::Raw(b"raw\n"),
        RecordBody::Clock,
    ];
    let rows = [
        (RecordValue::Int(1), RecordValue::Str(b"one")),
        (RecordValue::Str(b"two"), RecordValue::Table(2)),
    ];
    bodies.extend(table(TableStyle::Dump, 0, &rows));
    bodies.extend(table(
        TableStyle::PrintHist,
        0,
        &[(RecordValue::Str(b"a"), RecordValue::Int(2))],
    ));
    bodies
}

#[test]
fn every_record() {
    golden("every_record.txt", &text(&every_body()));
    let stamped = Config {
        timestamps: true,
        ..Config::default()
    };
    golden(
        "every_record_stamped.txt",
        &render(stamped, &every_body()).expect("rendered"),
    );
    let json = Config {
        output: Output::Json,
        ..Config::default()
    };
    golden("every_record.json", &render(json, &every_body()).expect("rendered"));
}

/// A few rows of every shape: long keys, stacks, symbols, equal numbers.
fn mixed_rows() -> Vec<(RecordValue<'static>, RecordValue<'static>)> {
    vec![
        (RecordValue::Str(b"sys_read"), RecordValue::Int(30)),
        (RecordValue::Str(b"sys_open"), RecordValue::Int(30)),
        (
            RecordValue::Str(b"a key that is exactly 32 letters"),
            RecordValue::Int(5),
        ),
        (
            RecordValue::Str(b"a key that is longer than 32 letters"),
            RecordValue::Int(4),
        ),
        (RecordValue::Int(-1), RecordValue::Int(100)),
        (RecordValue::Bool(true), RecordValue::Int(0)),
        (RecordValue::Symbol(SCHEDULE as u64), RecordValue::Int(3)),
        (RecordValue::Symbol(0xffff_ffff_c000_0000), RecordValue::Int(2)),
        (RecordValue::Stack(false, 0, STACK), RecordValue::Int(9)),
        (
            RecordValue::Str(b"stat"),
            RecordValue::Stat(Stat {
                count: 17,
                sum: 1,
                min: 0,
                max: 1,
            }),
        ),
    ]
}

fn numbered(rows: i64) -> Vec<(RecordValue<'static>, RecordValue<'static>)> {
    (0..rows)
        .map(|n| (RecordValue::Int(n), RecordValue::Int(rows - n)))
        .collect()
}

#[test]
fn histograms() {
    golden("print_hist.txt", &text(&table(TableStyle::PrintHist, 0, &mixed_rows())));
    golden("histogram.txt", &text(&table(TableStyle::Histogram, 0, &mixed_rows())));
    golden(
        "print_hist_full.txt",
        &text(&table(TableStyle::PrintHist, 0, &numbered(20))),
    );
    golden(
        "print_hist_30.txt",
        &text(&table(TableStyle::PrintHist, 30, &numbered(40))),
    );
    golden(
        "histogram_full.txt",
        &text(&table(TableStyle::Histogram, 0, &numbered(21))),
    );
    golden("histogram_3.txt", &text(&table(TableStyle::Histogram, 3, &numbered(5))));
    let addresses = [
        (RecordValue::Int(SCHEDULE), RecordValue::Int(2)),
        (RecordValue::Int(5), RecordValue::Int(1)),
    ];
    golden(
        "histogram_addresses.txt",
        &text(&table(TableStyle::Histogram, 0, &addresses)),
    );
}

#[test]
fn print_hist_shows_one_row_less_than_its_limit() {
    let rows = |count| text(&table(TableStyle::PrintHist, 0, &numbered(count))).lines().count();
    // The heading, then at most 19 rows and the dots.
    assert_eq!((rows(0), rows(19), rows(20), rows(500)), (1, 20, 21, 21));
    let rows = |count| text(&table(TableStyle::Histogram, 0, &numbered(count))).lines().count();
    assert_eq!((rows(20), rows(21)), (21, 22));
    // A limit below 20 counts as 20 in print_hist.
    assert_eq!(
        text(&table(TableStyle::PrintHist, 5, &numbered(30))).lines().count(),
        21
    );
}

#[test]
fn large_sums_and_negative_numbers_have_bars() {
    let rows = [
        (RecordValue::Int(1), RecordValue::Int(i64::MAX)),
        (RecordValue::Int(2), RecordValue::Int(i64::MAX)),
    ];
    golden("print_hist_large.txt", &text(&table(TableStyle::PrintHist, 0, &rows)));
    let rows = [
        (RecordValue::Int(1), RecordValue::Int(10)),
        (RecordValue::Int(2), RecordValue::Int(-9)),
    ];
    golden(
        "print_hist_negative.txt",
        &text(&table(TableStyle::PrintHist, 0, &rows)),
    );
}

#[test]
fn a_histogram_of_strings_is_an_error() {
    let rows = [(RecordValue::Int(1), RecordValue::Str(b"x"))];
    let error = render(Config::default(), &table(TableStyle::PrintHist, 0, &rows)).map_err(|error| error.to_string());
    assert_eq!(error, Err("print_hist only can print number".to_owned()));
}

/// Renders records of one probe: the CPU, the time of the run's event, the body.
fn runs(records: Vec<(u16, u64, RecordBody<'_>)>) -> String {
    let mut renderer = Renderer::new(Config::default(), &[]);
    let mut out = Vec::new();
    for (cpu, time_ns, body) in records {
        let record = Record {
            time_ns,
            cpu,
            probe: 3,
            body,
        };
        renderer.feed(&record, &NoResolver, &mut out).expect("rendered");
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn tables_of_runs_in_one_another_do_not_mix() {
    let row = |n| RecordBody::TableRow(RecordValue::Int(n), RecordValue::Int(n));
    let begin = RecordBody::TableBegin(TableStyle::Dump, 0, 1);
    // An interrupt's handler of the same probe on the same CPU, in the middle of another.
    let nested = vec![
        (0, 100, begin.clone()),
        (0, 100, row(1)),
        (0, 200, begin.clone()),
        (0, 200, row(2)),
        (0, 200, RecordBody::TableEnd),
        (0, 100, row(3)),
        (0, 100, RecordBody::TableEnd),
    ];
    assert_eq!(runs(nested), "2:\t2\n1:\t1\n3:\t3\n");
    // An end that was lost shows when a later run begins one, not at the end of the session.
    let lost = vec![
        (0, 100, begin.clone()),
        (0, 100, row(1)),
        (0, 5_000_000_000, begin),
        (0, 5_000_000_000, RecordBody::TableEnd),
    ];
    assert_eq!(runs(lost), "1:\t1\n");
}

#[test]
fn tables_of_two_cpus_do_not_mix() {
    let mut renderer = Renderer::new(Config::default(), &[]);
    let mut out = Vec::new();
    let row = |n| RecordBody::TableRow(RecordValue::Int(n), RecordValue::Int(n));
    let begin = RecordBody::TableBegin(TableStyle::Dump, 0, 1);
    let records = [
        (0, begin.clone()),
        (1, begin),
        (1, row(11)),
        (0, row(10)),
        (1, RecordBody::TableEnd),
        (0, RecordBody::TableEnd),
    ];
    for (cpu, body) in records {
        let record = Record {
            time_ns: 0,
            cpu,
            probe: MAIN_PROBE,
            body,
        };
        renderer.feed(&record, &NoResolver, &mut out).expect("rendered");
    }
    assert_eq!(String::from_utf8_lossy(&out), "11:\t11\n10:\t10\n");
}

#[test]
fn a_table_without_an_end_is_shown_at_last() {
    let mut bodies = table(TableStyle::Dump, 0, &numbered(2));
    bodies.pop();
    assert_eq!(text(&bodies), "0:\t2\n1:\t1\n");
}

#[test]
fn needs_are_told() {
    let renderer = Renderer::new(Config::default(), &[b"%d".to_vec(), b"%p".to_vec()]);
    let needs = |body| renderer.needs(&record(body));
    assert_eq!(needs(RecordBody::Print(vec![RecordValue::Int(1)])), Needs::default());
    let events = vec![
        RecordValue::Event(7, RAW),
        RecordValue::Event(7, RAW),
        RecordValue::Stack(true, 9, &[]),
    ];
    assert_eq!(
        needs(RecordBody::Print(events)),
        Needs {
            events: vec![7],
            kernel_symbols: false,
            processes: vec![9]
        }
    );
    let printf = |format| needs(RecordBody::Printf(vec![format, RecordValue::Int(1)])).kernel_symbols;
    assert_eq!(
        [
            RecordValue::Format(0),
            RecordValue::Format(1),
            RecordValue::Str(b"%p"),
            RecordValue::Format(9)
        ]
        .map(printf),
        [false, true, true, false]
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, tag in 0u8..8, json: bool, timestamps: bool) {
        // A plausible head makes most of the bytes reach the renderer.
        let mut head = vec![0, 1, 2, tag];
        head.extend_from_slice(&bytes);
        let output = if json { Output::Json } else { Output::Text };
        let mut renderer = Renderer::new(Config { output, timestamps }, &[b"%s %d".to_vec()]);
        let mut rest = head.as_slice();
        let mut out = Vec::new();
        while let Ok((record, tail)) = Record::take(rest) {
            let _ = renderer.needs(&record);
            let _ = renderer.feed(&record, &Board::new(), &mut out);
            rest = tail;
        }
        let _ = renderer.finish(&Board::new(), &mut out);
    }
}
