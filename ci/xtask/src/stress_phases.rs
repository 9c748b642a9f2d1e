//! The phases of the stress test: what is done to the module in each, and how a session in it may end.
//!
//! In: nothing. Out: [`PHASES`]. Invariant: no phase asks for more than errors where it asks for the impossible: the kernel's log decides.

/// Ends well.
const FINE: &[i32] = &[0];
/// Ends well, or cannot attach.
const REFUSABLE: &[i32] = &[0, 4];
/// A handler may run out of something as well.
const TRAPPABLE: &[i32] = &[0, 1, 2, 4];
/// Anything but a host that fails of itself: the board's side is torn away under it.
const TORN: &[i32] = &[0, 1, 2, 4, 5];

/// What happens beside the sessions of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Only the load.
    Load,
    /// The load, and a command on the board over and over.
    Command(&'static str),
    /// No sessions: a command on the board, once, with the phase's seconds behind it.
    Only(&'static str),
}

/// A phase.
pub struct Phase {
    /// What it is called.
    pub name: &'static str,
    /// Its part of the time, in hundredths.
    pub share: u64,
    /// The scripts, each with more arguments for push; pushed one after the other, over and over.
    pub scripts: &'static [(&'static str, &'static str)],
    /// How many sessions at a time.
    pub at_a_time: usize,
    /// How long a session runs, milliseconds.
    pub session: u64,
    /// The exit codes that a session may have.
    pub codes: &'static [i32],
    /// What happens beside.
    pub beside: Beside,
}

/// Kills every agent that runs a session over ssh, and none that serves the serial line.
const KILL_AGENTS: &str = "sleep 0.$((RANDOM % 10)); for p in /proc/[0-9]*; do \
     case $(readlink $p/exe) in *ktap-agent*) grep -q serve $p/cmdline || kill -9 ${p#/proc/} ;; esac; done 2>/dev/null";

/// Takes the module out whenever that works.
const UNLOAD: &str = "sleep 0.0$((RANDOM % 10)); rmmod ktapvm 2>/dev/null";

/// Eats memory until the kernel has next to none, and gives it back.
const EAT: &str =
    "head -c $((RANDOM * 10000 + 100000000)) /dev/zero >/dev/shm/eaten 2>/dev/null; sleep 0.2; rm -f /dev/shm/eaten";

/// Takes the second CPU away for a moment.
const UNPLUG: &str = "echo 0 >/sys/devices/system/cpu/cpu1/online; sleep 0.$((RANDOM % 10)); \
     echo 1 >/sys/devices/system/cpu/cpu1/online; sleep 0.$((RANDOM % 10))";

const COUNT_ALL: &str = "var t = {} trace *:* { t[cpu] += 1 } trace_end { print_hist(t) }";

const MANY: &[(&str, &str)] = &[
    ("var t = {} trace sched:* { t[execname] += 1 }", ""),
    ("var n = 0 trace probe:vfs_[rw]* { n += 1 }", ""),
    ("var t = {} trace probe:tcp_send*%return { t[tid] += 1 }", ""),
    (
        "var t = {} trace \"ftrace:function /ip == vfs_*/\" function (e) { t[ipof(e.ip)] += 1 }",
        "",
    ),
    ("var n = 0 trace syscalls:* { n += 1 }", ""),
    ("var n = 0 profile-1ms { n += 1 } tick-1ms { n += 1 }", ""),
    (
        "var n = 0 trace page-faults:1, context-switches:1, cpu-clock:100000 { n += 1 }",
        "",
    ),
    ("var n = 0 trace mem:jiffies/8:w { n += 1 }", ""),
    ("var n = 0 trace probe:/bin/busybox:0x1000 { n += 1 }", ""),
    (
        "var t = {} trace \"probe:vfs_write size=$arg3:u64 path=+0($arg1):string /size > 100/\" function (e) { t[e.size] += 1 }",
        "",
    ),
    ("trace sched:sched_switch { var s = stack() }", ""),
];

/// What the VM and the glue call while a handler runs.
const OWN: &[(&str, &str)] = &[
    ("var n = 0 trace probe:ktime_get_mono_fast_ns { n += 1 }", ""),
    (
        "var n = 0 trace probe:copy_from_kernel_nofault { n += 1 kernel_string(n) }",
        "",
    ),
    ("var n = 0 trace probe:memcpy { n += 1 }", ""),
    ("var n = 0 trace probe:memset { n += 1 }", ""),
    ("var n = 0 trace probe:strnlen { n += 1 }", ""),
    (
        "var n = 0 trace probe:irq_work_queue, probe:irq_work_run { n += 1 print(n) }",
        "--ring-pages 1",
    ),
    (
        "var n = 0 trace probe:__wake_up, probe:__wake_up_common { n += 1 print(n) }",
        "",
    ),
    (
        "var n = 0 trace probe:stack_trace_save, probe:arch_stack_walk { n += 1 var s = stack() }",
        "",
    ),
    ("var n = 0 trace probe:_raw_spin_* { n += 1 }", ""),
    ("var n = 0 trace probe:_raw_spin_*%return { n += 1 }", ""),
    ("var n = 0 trace probe:hrtimer_* { n += 1 } profile-1ms { n += 1 }", ""),
    (
        "var n = 0 trace probe:__kmalloc*, probe:kfree, probe:v*alloc* { n += 1 }",
        "",
    ),
    ("var n = 0 trace probe:mutex_* { n += 1 }", ""),
    ("var n = 0 trace probe:rcu_*, probe:synchronize_* { n += 1 }", ""),
    (
        "var n = 0 trace probe:kprobe_*, probe:ftrace_*, probe:perf_* { n += 1 }",
        "",
    ),
    ("var n = 0 trace probe:trace_*, probe:tracing_* { n += 1 }", ""),
    ("var n = 0 trace probe:*copy*user* { n += 1 }", ""),
    (
        "var n = 0 trace probe:asm_* , probe:exc_*, probe:do_int3, probe:preempt_* { n += 1 }",
        "",
    ),
    (
        "var n = 0 trace \"ftrace:function /ip == */\" function (e) { n += 1 }",
        "",
    ),
    (
        "var t = {} trace \"ftrace:function /ip == *lock*/\" function (e) { t[ipof(e.ip)] += 1 }",
        "",
    ),
    (
        "trace probe:memcpy, probe:ktime_get_mono_fast_ns { print(argstr) }",
        "--ring-pages 16",
    ),
    (
        "trace \"ftrace:function /ip == */\" { print(argstr) }",
        "--ring-pages 16",
    ),
    (
        "var n = 0 trace irq:*, timer:*, irq_vectors:*, rcu:*, kmem:* { n += 1 print(n) }",
        "",
    ),
];

const HUNGRY: &[(&str, &str)] = &[
    (
        "var t = {} var n = 0 trace syscalls:sys_enter_getppid { n += 1 t[n] = n }",
        "--memory 64K",
    ),
    (
        "var t = {} var n = 0 trace syscalls:sys_enter_* { n += 1 t[execname .. n] = stack() }",
        "--memory 256K",
    ),
    ("var t = {} trace sched:* { t[stack()] += 1 }", "--memory 128K"),
    (
        "var s = \"\" trace syscalls:sys_enter_getppid { s = s .. \"xxxxxxxx\" }",
        "",
    ),
    (
        "var t = {} tick-1ms { var u = {} var i = 0 while (i < 1000) { u[i] = {} i += 1 } t[1] = u }",
        "--memory 1M",
    ),
    (COUNT_ALL, "--memory 64M --ring-pages 4096"),
];

const LOUD: &[(&str, &str)] = &[
    (
        "trace syscalls:sys_enter_getppid { printf(\"%d %s\\n\", pid, execname) }",
        "--ring-pages 1",
    ),
    ("trace sched:* { print(argstr) }", "--ring-pages 1"),
    ("trace probe:vfs_* { print(stack()) }", "--ring-pages 2"),
    ("trace kmem:*, irq:* { print(argstr) }", "--ring-pages 1"),
    ("trace syscalls:sys_enter_* { print(argstr) }", "--ring-pages 1"),
];

const SAME: &[(&str, &str)] = &[
    ("var n = 0 trace probe:vfs_write, probe:vfs_read { n += 1 }", ""),
    ("var t = {} trace probe:vfs_*%return { t[tid] += 1 }", ""),
    (
        "var t = {} trace \"ftrace:function /ip == vfs_*/\" function (e) { t[ipof(e.ip)] += 1 }",
        "",
    ),
    ("var n = 0 trace raw_syscalls:* { n += 1 }", ""),
];

/// Every phase.
pub const PHASES: &[Phase] = &[
    Phase {
        name: "every tracepoint counted",
        share: 12,
        scripts: &[(COUNT_ALL, ""), ("var t = {} trace *:* { count(t, probename) }", "")],
        at_a_time: 1,
        session: 8000,
        codes: FINE,
        beside: Beside::Load,
    },
    Phase {
        name: "attached and detached in a loop",
        share: 12,
        scripts: MANY,
        at_a_time: 1,
        session: 100,
        codes: REFUSABLE,
        beside: Beside::Load,
    },
    Phase {
        name: "sessions on the same functions",
        share: 10,
        scripts: SAME,
        at_a_time: 3,
        session: 1500,
        codes: FINE,
        beside: Beside::Load,
    },
    Phase {
        name: "agents killed",
        share: 10,
        scripts: MANY,
        at_a_time: 2,
        session: 2000,
        codes: TORN,
        beside: Beside::Command(KILL_AGENTS),
    },
    Phase {
        name: "the module taken out in between",
        share: 8,
        scripts: MANY,
        at_a_time: 2,
        session: 50,
        codes: TORN,
        beside: Beside::Command(UNLOAD),
    },
    Phase {
        name: "functions that the module itself uses",
        share: 16,
        scripts: OWN,
        at_a_time: 1,
        session: 1000,
        codes: TRAPPABLE,
        beside: Beside::Load,
    },
    Phase {
        name: "CPUs that leave and come back",
        share: 7,
        scripts: MANY,
        at_a_time: 2,
        session: 1500,
        codes: REFUSABLE,
        beside: Beside::Command(UNPLUG),
    },
    Phase {
        name: "no memory",
        share: 8,
        scripts: HUNGRY,
        at_a_time: 2,
        session: 1000,
        codes: TORN,
        beside: Beside::Command(EAT),
    },
    Phase {
        name: "rings full",
        share: 7,
        scripts: LOUD,
        at_a_time: 2,
        session: 1500,
        codes: TORN,
        beside: Beside::Load,
    },
    Phase {
        name: "the device under random requests",
        share: 10,
        scripts: &[],
        at_a_time: 0,
        session: 0,
        codes: FINE,
        beside: Beside::Only("ktap_fuzz run /root/requests"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_make_a_whole() {
        let sum: u64 = PHASES.iter().map(|phase| phase.share).sum();
        assert_eq!(sum, 100);
    }
}
