//! EVENTDEFs and what they mean, kind by kind.

use ktap_bytecode::fetch::FetchArg;
use ktap_bytecode::probe::ProbePoint::{self, *};

use super::split::Definition;
use super::{fetch, parse_eventdef};
use crate::diagnostic::Code;
use crate::source::Span;

fn points(text: &str) -> Vec<ProbePoint> {
    parse_eventdef(text, Span::new(0, text.len())).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn tracepoint(system: &str, event: &str, filter: Option<&str>) -> ProbePoint {
    Tracepoint {
        system: system.into(),
        event: event.into(),
        filter: filter.map(Into::into),
    }
}

fn kprobe(
    module: Option<&str>,
    function: &str,
    offset: u64,
    ret: bool,
    args: &str,
    filter: Option<&str>,
) -> ProbePoint {
    let (module, filter) = (module.map(Into::into), filter.map(Into::into));
    Kprobe {
        function: function.into(),
        module,
        offset,
        ret,
        args: fetches(args, false, ret),
        filter,
    }
}

fn uprobe(path: &str, symbol: &str, offset: u64, ret: bool, args: &str, filter: Option<&str>) -> ProbePoint {
    Uprobe {
        path: path.into(),
        symbol: symbol.into(),
        offset,
        ret,
        args: fetches(args, true, ret),
        filter: filter.map(Into::into),
        bound: None,
    }
}

/// Fetch-args by themselves; their own tests say what they are.
fn fetches(text: &str, user: bool, ret: bool) -> Vec<FetchArg> {
    let definition = Definition {
        text,
        start: 0,
        filter: None,
    };
    fetch::parse(&definition, text, fetch::Place { user, ret }).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn tracepoints() {
    for (text, expected) in [
        ("sched:sched_switch", vec![tracepoint("sched", "sched_switch", None)]),
        (
            " syscalls : sys_enter_* ",
            vec![tracepoint("syscalls", "sys_enter_*", None)],
        ),
        ("*:*", vec![tracepoint("*", "*", None)]),
        ("sched:", vec![tracepoint("sched", "*", None)]),
        ("tp:", vec![tracepoint("*", "*", None)]),
        ("tp:*", vec![tracepoint("*", "*", None)]),
        ("tp:sched:sched_switch", vec![tracepoint("sched", "sched_switch", None)]),
        ("tp:sched:", vec![tracepoint("sched", "*", None)]),
        ("tracepoint::sched_switch", vec![tracepoint("*", "sched_switch", None)]),
        (
            "tp:sched",
            vec![tracepoint("sched", "*", None), tracepoint("*", "sched", None)],
        ),
        ("a:b/x==1/", vec![tracepoint("a", "b", Some("x==1"))]),
        ("a:[bc]?[!d]", vec![tracepoint("a", "[bc]?[!d]", None)]),
    ] {
        assert_eq!(points(text), expected, "{text}");
    }
}

#[test]
fn filters() {
    for (text, expected) in [
        ("a:b /x == 1/", vec![tracepoint("a", "b", Some("x == 1"))]),
        (
            "a:b /n ~ \"/etc/*\" && y == 1/",
            vec![tracepoint("a", "b", Some("n ~ \"/etc/*\" && y == 1"))],
        ),
        ("a:b /x ~ \"1,2/\"/", vec![tracepoint("a", "b", Some("x ~ \"1,2/\""))]),
        ("a:b /cpus ~ {1,2}/", vec![tracepoint("a", "b", Some("cpus ~ {1,2}"))]),
        (
            "a:b /x==1/, c:d /y==2/",
            vec![tracepoint("a", "b", Some("x==1")), tracepoint("c", "d", Some("y==2"))],
        ),
        (
            "a:b /x==1/, c:d",
            vec![tracepoint("a", "b", Some("x==1")), tracepoint("c", "d", None)],
        ),
        // The only filter, at the end: the whole list's.
        (
            "a:b, c:d /y==2/",
            vec![tracepoint("a", "b", Some("y==2")), tracepoint("c", "d", Some("y==2"))],
        ),
    ] {
        assert_eq!(points(text), expected, "{text}");
    }
}

#[test]
fn kernel_functions() {
    for (text, expected) in [
        ("probe:schedule", kprobe(None, "schedule", 0, false, "", None)),
        ("probe: schedule", kprobe(None, "schedule", 0, false, "", None)),
        ("probe:vfs_*%return", kprobe(None, "vfs_*", 0, true, "", None)),
        ("kprobe:do_fork!", kprobe(None, "do_fork", 0, true, "", None)),
        ("kprobes:do_fork", kprobe(None, "do_fork", 0, false, "", None)),
        ("probe:f+0x10", kprobe(None, "f", 16, false, "", None)),
        ("probe:f+8 a=%di", kprobe(None, "f", 8, false, "a=%di", None)),
        ("probe:ext4:ext4_*", kprobe(Some("ext4"), "ext4_*", 0, false, "", None)),
        (
            "probe:f name=+0(%si):string b=%di:b1@2/8 s=\\\"x\\\" /name == \"a\"/",
            kprobe(
                None,
                "f",
                0,
                false,
                "name=+0(%si):string b=%di:b1@2/8 s=\\\"x\\\"",
                Some("name == \"a\""),
            ),
        ),
        (
            "probe:f%return ret=$retval /ret < 0/",
            kprobe(None, "f", 0, true, "ret=$retval", Some("ret < 0")),
        ),
    ] {
        assert_eq!(points(text), [expected], "{text}");
    }
    assert_eq!(points("probe:f a=%di, probe:g").len(), 2);
}

#[test]
fn programs() {
    for (text, expected) in [
        (
            "probe:/lib/libc.so.6:malloc",
            uprobe("/lib/libc.so.6", "malloc", 0, false, "", None),
        ),
        (
            "probe:/lib/libc.so.6:malloc%return",
            uprobe("/lib/libc.so.6", "malloc", 0, true, "", None),
        ),
        (
            "probe:/bin/a:0x1234 x=%di",
            uprobe("/bin/a", "", 0x1234, false, "x=%di", None),
        ),
        ("probe:/bin/a:main+4", uprobe("/bin/a", "main", 4, false, "", None)),
        (
            "probe: /bin/a:m* /x == 1/",
            uprobe("/bin/a", "m*", 0, false, "", Some("x == 1")),
        ),
        (
            "sdt:/lib/libc.so.6:setjmp",
            Sdt {
                path: "/lib/libc.so.6".into(),
                mark: "setjmp".into(),
                args: Vec::new(),
                filter: None,
                bound: None,
            },
        ),
        (
            "sdt:/lib/libc.so.6:lll_* /x==1/",
            Sdt {
                path: "/lib/libc.so.6".into(),
                mark: "lll_*".into(),
                args: Vec::new(),
                filter: Some("x==1".into()),
                bound: None,
            },
        ),
    ] {
        assert_eq!(points(text), [expected], "{text}");
    }
}

#[test]
fn functions_memory_and_perf_events() {
    let function = |glob: &str| Function { glob: glob.into() };
    let memory = |address: &str, len, access| Memory {
        address: address.into(),
        len,
        access,
    };
    let perf = |name: &str, period| PerfEvent {
        name: name.into(),
        period,
    };
    for (text, expected) in [
        ("ftrace:function", vec![function("*")]),
        ("ftrace:function /ip==mutex*/", vec![function("mutex*")]),
        (
            "ftrace:function /ip == a* || ip ~ \"b\"/",
            vec![function("a*"), function("b")],
        ),
        ("ftrace:print", vec![tracepoint("ftrace", "print", None)]),
        ("mem:0xffff0000", vec![memory("0xffff0000", 4, 3)]),
        ("mem:jiffies/8:w", vec![memory("jiffies", 8, 2)]),
        ("mem:jiffies:rw", vec![memory("jiffies", 4, 3)]),
        (
            "mem:schedule/8:x, cycles",
            vec![memory("schedule", 8, 4), perf("cycles", 0)],
        ),
        ("page-faults", vec![perf("page-faults", 0)]),
        ("faults", vec![perf("page-faults", 0)]),
        ("cache-misses:10000", vec![perf("cache-misses", 10000)]),
    ] {
        assert_eq!(points(text), expected, "{text}");
    }
}

#[test]
fn what_is_none_says_why() {
    for (text, code, label) in [
        ("", Code::BadEventDef, "a definition is missing here"),
        ("a:b,", Code::BadEventDef, "a definition is missing here"),
        ("a:b,,c:d", Code::BadEventDef, "a definition is missing here"),
        ("a:b /x", Code::BadEventDef, "the filter has no closing /"),
        ("a:b /x/ c", Code::BadEventDef, "the filter has no closing /"),
        ("a:b //", Code::BadEventDef, "the filter is empty"),
        ("a:b:c", Code::BadEventDef, "'b:c' is no name"),
        ("a b:c", Code::BadEventDef, "'a b' is no name"),
        ("page-fault", Code::BadEventDef, "there is no event 'page-fault'"),
        ("cycles:x", Code::BadEventDef, "'x' is no period"),
        ("cycles /x==1/", Code::BadEventDef, "a perf event takes no filter"),
        ("probe:", Code::BadEventDef, "no function is named"),
        ("probe:f%ret", Code::BadEventDef, "'%ret' is unknown here"),
        ("probe:f+zz", Code::BadEventDef, "'zz' is no offset"),
        ("probe:f+8%return", Code::BadEventDef, "a return probe takes no offset"),
        (
            "probe:sched.c:123",
            Code::NotLowered,
            "probing by source line is not supported yet",
        ),
        ("probe:/bin/a", Code::BadEventDef, "no symbol is named"),
        ("sdt:/bin/a", Code::BadEventDef, "no mark is named"),
        (
            "ftrace:function /pid==1/",
            Code::BadEventDef,
            "the filter 'pid==1' is not of functions",
        ),
        ("mem:0xzz", Code::BadEventDef, "'0xzz' is no address"),
        ("mem:a/3", Code::BadEventDef, "'3' is no length: 1, 2, 4 or 8"),
        ("mem:a:q", Code::BadEventDef, "'q' is no access"),
    ] {
        let error = parse_eventdef(text, Span::new(0, text.len())).expect_err(text);
        assert_eq!((error.code, error.primary.text.as_str()), (code, label), "{text}");
    }
    let error = parse_eventdef("a:b, page-fault", Span::new(10, 25)).expect_err("a misspelt name");
    assert_eq!(error.message, "cannot parse eventdef 'page-fault'");
    assert_eq!(error.primary.span, Span::new(15, 25));
    assert_eq!(error.help[0], "did you mean `page-faults`?");
}
