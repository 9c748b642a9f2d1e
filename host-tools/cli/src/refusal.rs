//! Refusals of the board as sentences.
//!
//! In: [`Refusal`], which is data. Out: what a person needs to know, and how to mend it. Invariant: a sentence names the cause
//! before the symptom.

use ktap_link::message::{Refusal, RefusalCode, Stage};

use crate::exit_code as code;

/// Returns the sentence and, where there is one, the mend.
pub fn sentence(refusal: &Refusal) -> (String, Option<String>) {
    let name = &refusal.name;
    let (text, help): (String, Option<&str>) = match refusal.code {
        RefusalCode::OutOfOrder => ("the board got a message it does not expect now".into(), None),
        RefusalCode::Malformed => (
            format!("the board cannot read what it was sent ({})", stage(refusal.stage)),
            None,
        ),
        RefusalCode::Version => (
            format!("the agent speaks another version of the protocol: {name}"),
            Some("remove the old agent from the board, or build ktap-host and agent from one release"),
        ),
        RefusalCode::Rule => (
            format!(
                "the board's verifier refused the program: {name} (rule {}, word {})",
                refusal.detail, refusal.errno
            ),
            Some("this is a defect of the compiler; please report it with the script"),
        ),
        RefusalCode::WrongKernel => (
            format!("the program is for another kernel than the one that runs on the board: {name}"),
            Some("give the vmlinux of the running kernel in the board file"),
        ),
        RefusalCode::NoMemory => (
            format!(
                "the board has not enough memory for this session: {} bytes wanted",
                refusal.detail
            ),
            Some("ask for less with --memory, or set limits.memory in the board file"),
        ),
        RefusalCode::NoTracefs => (
            format!("the board's kernel has no tracefs{}", errno(refusal)),
            Some(
                "the kernel needs CONFIG_TRACING; tracefs is mounted at /sys/kernel/tracing by the agent if it can be",
            ),
        ),
        RefusalCode::NoPerf => (
            format!("the board's kernel gives no perf events{}", errno(refusal)),
            Some("the kernel needs CONFIG_PERF_EVENTS, and kernel.perf_event_paranoid must allow it"),
        ),
        RefusalCode::NoPermission => (
            format!("not permitted on the board: {name}{}", errno(refusal)),
            Some("the agent must run as root; check the user of the link"),
        ),
        RefusalCode::NoSuchEvent => (
            format!("no event of the board matches `{name}`"),
            Some("`ktap-host list probes GLOB --board NAME` shows what there is"),
        ),
        RefusalCode::NoSuchField => (format!("the event has no field `{name}`"), None),
        RefusalCode::BadFilter => (
            format!("the kernel refuses the filter `{name}`{}", errno(refusal)),
            Some("filters use the event's own fields, e.g. /prev_comm == \"sh\" && prev_pid > 1/"),
        ),
        RefusalCode::NoBuiltin => (
            format!("the engine `{name}` cannot do this; the engine `kmod` can"),
            Some("from user space the kernel's memory and its tasks cannot be read or changed"),
        ),
        RefusalCode::WrongEngine => (
            format!("the engine `{name}` cannot attach this probe; the engine `kmod` can"),
            Some("the engine `user` attaches tracepoints, timers and trace_end"),
        ),
        RefusalCode::TooMany => (format!("too many probes: {} ({name})", refusal.detail), None),
        RefusalCode::NoEngine => (
            format!("the board has no engine `kmod`: {name}"),
            Some("use --engine auto or --engine user"),
        ),
        RefusalCode::NoCommand => (
            format!("the command `{name}` cannot be started on the board{}", errno(refusal)),
            None,
        ),
        RefusalCode::System => (format!("{name} failed on the board{}", errno(refusal)), None),
        RefusalCode::Unsafe => (
            format!("`{name}` changes the kernel"),
            Some("say --unsafe if you mean it"),
        ),
        RefusalCode::NoModule => (
            format!(
                "the board's kernel does not take the module ktapvm: {name}{}",
                errno(refusal)
            ),
            Some("`ktap-host kmod build --board NAME` builds it for the board's kernel; --engine user does without"),
        ),
        RefusalCode::Unsupported => (format!("the board's kernel cannot attach {name}"), None),
        RefusalCode::NoSuchTarget => (format!("the board has no function, symbol or file `{name}`"), None),
        RefusalCode::BadFetch => (
            format!("the fetch-arg `{name}` cannot be taken on this board"),
            Some("of `@+OFFSET` this is always so: fetch from a register instead, as in `+OFFSET(%ip)`"),
        ),
    };
    (text, help.map(str::to_owned))
}

/// Returns the exit code a refusal leads to.
pub fn exit_code(refusal: &Refusal) -> u8 {
    match refusal.code {
        RefusalCode::Version | RefusalCode::WrongKernel => code::MISMATCH,
        _ => code::REFUSED,
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Message => "reading a message",
        Stage::Decode => "decoding the image",
        Stage::Verify => "verifying the image",
        Stage::Memory => "reserving memory",
        Stage::Attach => "attaching probes",
        Stage::Command => "starting the command",
        Stage::Ask => "answering a question",
        Stage::Run => "running",
        Stage::Module => "inserting the kernel module",
    }
}

/// Returns `: No such file or directory (errno 2)`, or nothing.
fn errno(refusal: &Refusal) -> String {
    if refusal.errno == 0 {
        return String::new();
    }
    format!(": {}", std::io::Error::from_raw_os_error(refusal.errno))
}
