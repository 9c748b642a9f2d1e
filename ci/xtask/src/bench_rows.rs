//! What is measured: one row for each kind of work, with a script or command for each tool that can do it.
//!
//! In: nothing. Out: [`ROWS`]. Invariant: in a row every tool does the same work at the same event, the guest's getppid(2), for every process.

/// A tool beside ktap, with the command that runs `$B`, the measured program.
pub struct Peer {
    /// Its name in the table.
    pub tool: &'static str,
    /// Shell words.
    pub command: &'static str,
}

/// A kind of work.
pub struct Row {
    /// Its name in the table.
    pub name: &'static str,
    /// What ktap is to cost at most, guest instructions an event.
    pub target: Option<u32>,
    /// The work of the C module that does the same by hand.
    pub floor: Option<&'static str>,
    /// Whether the program rests between bursts of calls, so that reading what they leave is not measured with making it.
    pub paced: bool,
    /// ktap's script.
    pub ktap: Option<&'static str>,
    /// More words for ktap-host push.
    pub words: &'static str,
    /// bpftrace's program.
    pub bpftrace: Option<&'static str>,
    /// Others.
    pub peers: &'static [Peer],
}

const fn perf(command: &'static str) -> Peer {
    Peer { tool: "perf", command }
}

const fn ftrace(command: &'static str) -> Peer {
    Peer {
        tool: "ftrace",
        command,
    }
}

/// Every row.
pub const ROWS: &[Row] = &[
    Row {
        name: "empty tracepoint",
        target: Some(130),
        floor: Some("empty"),
        paced: false,
        ktap: Some("trace raw_syscalls:sys_enter { }"),
        words: "",
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter { }"),
        peers: &[perf("perf stat -a -e raw_syscalls:sys_enter -o /dev/null -- $B")],
    },
    Row {
        name: "count",
        target: Some(220),
        floor: Some("count"),
        paced: false,
        ktap: Some("var n = 0 trace raw_syscalls:sys_enter { n += 1 } trace_end { print(n) }"),
        words: "",
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter { @ = count(); }"),
        peers: &[perf("perf stat -a -e raw_syscalls:sys_enter -o /dev/null -- $B")],
    },
    Row {
        name: "count per execname",
        target: Some(480),
        floor: Some("by-name"),
        paced: false,
        ktap: Some("var t = {} trace raw_syscalls:sys_enter { t[execname] += 1 } trace_end { print_hist(t) }"),
        words: "",
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }"),
        peers: &[ftrace("with_trigger hist:keys=common_pid.execname")],
    },
    Row {
        name: "log2 histogram of an argument",
        target: Some(380),
        floor: Some("histogram"),
        paced: false,
        ktap: Some("var t = {} trace raw_syscalls:sys_enter { t[log2(arg0)] += 1 } trace_end { print_hist(t) }"),
        words: "",
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter { @ = hist(args->id); }"),
        peers: &[ftrace("with_trigger hist:keys=id.log2")],
    },
    Row {
        name: "filter that rejects",
        target: Some(180),
        floor: Some("filter"),
        paced: false,
        ktap: Some("var n = 0 trace raw_syscalls:sys_enter /common_pid == 99999/ { n += 1 }"),
        words: "",
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter /pid == 99999/ { @ = count(); }"),
        peers: &[
            perf("perf record -a -e raw_syscalls:sys_enter --filter common_pid==99999 -o /tmp/perf.data -- $B"),
            ftrace("with_filter common_pid==99999"),
        ],
    },
    Row {
        name: "predicate in the handler",
        target: None,
        floor: Some("filter"),
        paced: false,
        ktap: Some("var n = 0 trace raw_syscalls:sys_enter { if (pid == 99999) { n += 1 } }"),
        words: "",
        bpftrace: None,
        peers: &[],
    },
    Row {
        name: "enter/exit latency",
        target: Some(900),
        floor: Some("latency"),
        paced: false,
        ktap: Some(
            "var since = {} var t = {}\n\
             trace raw_syscalls:sys_enter { since[tid] = nsecs }\n\
             trace raw_syscalls:sys_exit { var s = since[tid] if (s) { t[log2(nsecs - s)] += 1 since[tid] = nil } }\n\
             trace_end { print_hist(t) }",
        ),
        words: "",
        bpftrace: Some(
            "tracepoint:raw_syscalls:sys_enter { @s[tid] = nsecs; } tracepoint:raw_syscalls:sys_exit /@s[tid]/ { @ = hist(nsecs - @s[tid]); delete(@s[tid]); }",
        ),
        peers: &[],
    },
    Row {
        name: "record of the event",
        target: Some(320),
        floor: Some("record"),
        paced: true,
        ktap: Some("trace raw_syscalls:sys_enter { print(argstr) }"),
        words: "--ring-pages 1024",
        bpftrace: None,
        peers: &[
            ftrace("with_event raw_syscalls/sys_enter"),
            perf("perf record -e raw_syscalls:sys_enter -o /tmp/perf.data -- $B"),
        ],
    },
    Row {
        name: "printf",
        target: Some(320),
        floor: Some("record"),
        paced: true,
        ktap: Some("trace raw_syscalls:sys_enter { printf(\"%d %s\\n\", arg0, execname) }"),
        words: "--ring-pages 1024",
        // Without the test bpftrace would trace its own printing for ever.
        bpftrace: Some("tracepoint:raw_syscalls:sys_enter /args->id == 110/ { printf(\"%d %s\\n\", args->id, comm); }"),
        peers: &[],
    },
    Row {
        name: "kprobe empty",
        target: None,
        floor: Some("kprobe-empty"),
        paced: false,
        ktap: Some("trace probe:__x64_sys_getppid { }"),
        words: "",
        bpftrace: Some("kprobe:__x64_sys_getppid { }"),
        peers: &[perf("with_kprobe perf stat -a -e kprobes:bench -o /dev/null -- $B")],
    },
    Row {
        name: "kprobe count",
        target: Some(320),
        floor: Some("kprobe-count"),
        paced: false,
        ktap: Some("var n = 0 trace probe:__x64_sys_getppid { n += 1 } trace_end { print(n) }"),
        words: "",
        bpftrace: Some("kprobe:__x64_sys_getppid { @ = count(); }"),
        peers: &[
            perf("with_kprobe perf stat -a -e kprobes:bench -o /dev/null -- $B"),
            ftrace("with_kprobe with_event kprobes/bench"),
        ],
    },
    Row {
        name: "kprobe count per execname",
        target: None,
        floor: None,
        paced: false,
        ktap: Some("var t = {} trace probe:__x64_sys_getppid { t[execname] += 1 } trace_end { print_hist(t) }"),
        words: "",
        bpftrace: Some("kprobe:__x64_sys_getppid { @[comm] = count(); }"),
        peers: &[],
    },
    Row {
        name: "kretprobe latency and histogram",
        target: Some(1200),
        floor: Some("kretprobe"),
        paced: false,
        ktap: Some(
            "var since = {} var t = {}\n\
             trace probe:__x64_sys_getppid { since[tid] = nsecs }\n\
             trace probe:__x64_sys_getppid%return { var s = since[tid] if (s) { t[log2(nsecs - s)] += 1 since[tid] = nil } }\n\
             trace_end { print_hist(t) }",
        ),
        words: "",
        bpftrace: Some(
            "kprobe:__x64_sys_getppid { @s[tid] = nsecs; } kretprobe:__x64_sys_getppid /@s[tid]/ { @ = hist(nsecs - @s[tid]); delete(@s[tid]); }",
        ),
        peers: &[],
    },
];
