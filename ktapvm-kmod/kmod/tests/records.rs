//! What becomes of the records of handlers: in the ring, lost, or never made as another handler was at work.

mod armed;
mod kernel;
mod requests;

use armed::*;
use kernel::*;
use ktap_device::attach::{Base, Fetch, Kind as ProbeKind, NEEDS_RECORD, Shape, SourceKind, Test, TestKind};
use requests::*;

#[test]
fn an_event_that_is_only_printed() {
    let text = |words: u64| {
        let mut record = vec![0x34, 0x12, 0x10, 0, 42, 0, 0, 0];
        let words = (0..7).map(|i| if i < words { i + 1 } else { 0 });
        words.for_each(|word| record.extend_from_slice(&word.to_ne_bytes()));
        record
    };
    for (script, says) in [
        ("trace 'syscalls:sys_enter_openat' { print(argstr) }", 1),
        ("trace 'syscalls:sys_enter_openat' { print(argstr) print(argstr) }", 2),
        (
            "trace 'syscalls:sys_enter_openat' { if (cpu() == 1) { print(argstr) } }",
            1,
        ),
    ] {
        let mut probe = Probe::new(ProbeKind::SyscallEnter, "sys_enter_openat");
        probe.head.flags = NEEDS_RECORD;
        probe.head.format_id = 0x1234;
        let session = armed(script, 0, &probe);
        let mut fired = event();
        (fired.cpu, fired.level) = (1, 1);
        fired.words = [1, 2, 3, 4, 5, 6, 7, 8];
        for words in [7, 2, 0] {
            fired.words_len = words;
            world(|world| world.entries.clear());
            assert_eq!(session.fire(0, &fired), 0, "{script}");
            let expected = format!("Print([Event(4660, {:?})])", text(words as u64));
            assert_eq!(printed(), vec![expected; says], "{script}");
        }
    }
}

#[test]
fn strings_behind_a_record_that_is_only_printed() {
    let mut probe = Probe::new(ProbeKind::Kprobe, "do_sys_open");
    probe.head.flags = NEEDS_RECORD;
    probe.head.record_len = 24;
    probe.head.format_id = 7;
    probe.fetches = vec![fetch(Base::Comm, Shape::String, 0, 0, 16)];
    let session = armed("trace probe:do_sys_open { print(argstr) }", 0, &probe);
    assert_eq!(session.fire(0, &event()), 0);
    let said = printed();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("Print([Event(7, [7, 0, 0, 0, 42, 0, 0, 0, "),
        "{said:?}"
    );
    assert!(said[0].len() > 80 && said[0].ends_with(", 0])])"), "{said:?}");
}

#[test]
fn one_time_for_all_records_of_a_run() {
    let probe = Probe::new(ProbeKind::RawTracepoint, "b");
    let session = armed("trace a:b { print(1); print(2) }", 0, &probe);
    session.fire(0, &event());
    session.fire(0, &event());
    let times: Vec<u64> = world(|world| world.entries.iter().map(|entry| entry.time_ns).collect());
    assert_eq!(times.len(), 4);
    assert!(
        times[0] == times[1] && times[1] < times[2] && times[2] == times[3],
        "{times:?}"
    );
}

#[test]
fn a_full_ring_is_counted_by_attachment() {
    let mut probe = Probe::new(ProbeKind::RawTracepoint, "b");
    probe.head.attached = 1;
    let mut session = armed("trace a:a { } trace a:b { print(1); print(2) }", 0, &probe);
    world(|world| world.ring_full = true);
    assert_eq!(session.fire(0, &event()), 0);
    let (stats, each) = stats(&mut session);
    assert_eq!(stats.lost, 2);
    assert_eq!((each[0].lost, each[1].lost), (0, 2));
}

#[test]
fn a_full_ring_loses_events_that_are_only_printed() {
    let mut probe = Probe::new(ProbeKind::SyscallEnter, "b");
    probe.head.flags = NEEDS_RECORD;
    let mut session = armed("trace a:b { print(argstr) }", 0, &probe);
    world(|world| world.ring_full = true);
    assert_eq!(session.fire(0, &event()), 0);
    let (stats, each) = stats(&mut session);
    assert_eq!((stats.lost, each[0].lost, stats.recursion), (1, 1, 0));
}

#[test]
fn events_of_no_cpu_are_counted() {
    let mut session = armed("trace a:b { print(1) }", 0, &Probe::new(ProbeKind::RawTracepoint, "b"));
    let mut far = event();
    far.cpu = kernel::CPUS;
    assert_eq!(session.fire(0, &far), 0);
    far.cpu = u32::MAX;
    assert_eq!(session.fire(0, &far), 0);
    assert_eq!(printed().len(), 0);
    assert_eq!(stats(&mut session).0.recursion, 2);
}

#[test]
fn events_inside_events() {
    let mut probe = Probe::new(ProbeKind::Kprobe, "f");
    probe.head.record_len = 24;
    let fetched = Fetch {
        derefs: 1,
        ..fetch(Base::Immediate, Shape::Unsigned, 8, 0x1000, 16)
    };
    (probe.fetches, probe.derefs) = (vec![fetched], vec![deref(0, 0)]);
    let (ip, memory) = (
        source(SourceKind::RecordInt, 8, 8, 0),
        source(SourceKind::RecordInt, 8, 16, 0),
    );
    probe.fields = vec![ip, memory];
    let script = "trace 'probe:f' function (e) { print(arg0, arg1) }";
    let run = |script: &str, probe: &Probe, level: u8| {
        let mut session = armed(script, 0, probe);
        let (mut outer, mut inner) = (event(), event());
        (outer.ip, inner.ip, inner.level) = (1, 2, level);
        world(|world| {
            world.kernel.insert(0x1000, 7u64.to_ne_bytes().to_vec());
            world.nested = Some((0, inner));
        });
        session.fire(0, &outer);
        // Whatever happened, the buffer is free again.
        session.fire(0, &outer);
        (printed(), stats(&mut session).0.recursion)
    };
    let (first, second) = (
        "Print([Int(1), Int(7)])".to_owned(),
        "Print([Int(2), Int(7)])".to_owned(),
    );
    // In the same context the one inside is counted and leaves the record of the one outside alone.
    assert_eq!(run(script, &probe, 0), (vec![first.clone(), first.clone()], 1));
    // In another context it has a frame and a record of its own.
    assert_eq!(run(script, &probe, 2), (vec![second, first.clone(), first.clone()], 0));
    // Without a frame too: the one inside is not to take a record that was not made for one without fields.
    assert_eq!(
        run("trace 'probe:f' { if (arg1 == 8) { print(arg0) } }", &probe, 0),
        (vec![], 1)
    );
    probe.head.flags = NEEDS_RECORD;
    let (said, recursion) = run("trace 'probe:f' { print(argstr) }", &probe, 0);
    assert_eq!((said.len(), recursion), (2, 1));
    // Before the handler has begun, in the filter, there is no record for the one inside, so that it is counted
    // there.
    probe.filter = vec![Test {
        kind: TestKind::Eq as u16,
        source: memory,
        value: 7,
        ..Test::default()
    }];
    assert_eq!(run(script, &probe, 0), (vec![first.clone(), first.clone()], 1));
    // Even where the filter would pass what is not there.
    let turned = |kind| Test {
        kind: kind as u16,
        ..Test::default()
    };
    probe.filter[0].value = 8;
    probe.filter.push(turned(TestKind::Not));
    assert_eq!(run(script, &probe, 0), (vec![first.clone(), first], 1));
}
