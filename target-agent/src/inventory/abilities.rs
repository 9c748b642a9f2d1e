//! What the board can do, found by trying.
//!
//! In: trial system calls and files of /proc and /sys. Out: [`Ability`] lines. Invariant: a trial is undone before the next one.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_link::message::{Ability, ModuleState};

use super::{build_id, cpus, events, memory, tracefs::Tracefs};
use crate::engine::kmod::state;
use crate::sys::perf::{self, Attr, Chains};
use crate::sys::{Errno, file, process};

/// Finds out all there is to know.
pub fn survey(no_module: bool) -> Vec<Ability> {
    let tracefs = Tracefs::find();
    let stacks = Chains {
        kernel: true,
        user: true,
    };
    let owner = opens(Attr::ring_owner(false, Chains::default(), 4096));
    let sample = match &tracefs {
        Ok(tracefs) => sample_event(tracefs, Chains::default()),
        Err(errno) => Err(reason(*errno)),
    };
    let engine = match (&tracefs, &owner, &sample) {
        (Ok(_), Ok(_), Ok(_)) => Ok("tracepoints, timers and profiles through perf".to_string()),
        _ => Err("needs tracefs, perf_event_open and raw samples".to_string()),
    };
    let chains = match &tracefs {
        Ok(tracefs) => sample_event(tracefs, stacks),
        Err(errno) => Err(reason(*errno)),
    };
    let mut out = Vec::new();
    let mut tell = |name: &str, found: Result<String, String>| {
        let (yes, reason) = match found {
            Ok(reason) => (true, reason),
            Err(reason) => (false, reason),
        };
        out.push(Ability {
            name: name.to_string(),
            yes,
            reason,
        });
    };
    tell("engine user", engine);
    let module = state::find(no_module);
    let ready = module.state == ModuleState::Ready;
    tell(
        "engine kmod",
        if ready { Ok(module.reason) } else { Err(module.reason) },
    );
    tell("root", root());
    tell(
        "tracefs",
        tracefs
            .as_ref()
            .map(|t| t.root().to_string())
            .map_err(|errno| reason(*errno)),
    );
    tell(
        "tracepoints",
        tracefs.as_ref().map_err(|errno| reason(*errno)).and_then(count_events),
    );
    tell("perf_event_open", owner);
    tell("raw samples", sample);
    tell("call chains", chains);
    tell("profile", opens(Attr::profile(1_000_000, Chains::default(), 4096)));
    tell("kernel addresses", kernel_addresses());
    tell("build id", kernel_build_id());
    tell("module loading", module_loading());
    tell("kernel lockdown", lockdown());
    tell("cpus", Ok(alloc::format!("{} online", cpus::online().len())));
    tell(
        "memory",
        Ok(alloc::format!("{} KiB available", memory::available() >> 10)),
    );
    out
}

fn opens(attr: Attr) -> Result<String, String> {
    let cpu = cpus::online().first().copied().unwrap_or(0);
    match perf::open(&attr, cpu, None) {
        Ok(_) => Ok(paranoia()),
        Err(errno) => Err(reason(errno)),
    }
}

/// Opens a sampled tracepoint that every kernel with tracepoints has.
fn sample_event(tracefs: &Tracefs, chains: Chains) -> Result<String, String> {
    let name = events::EventName {
        system: "sched".to_string(),
        event: "sched_switch".to_string(),
    };
    let id = events::id(tracefs, &name).map_err(|_| "the kernel has no sched:sched_switch".to_string())?;
    opens(Attr::tracepoint(id, chains, 4096)).map(|_| "tried with sched:sched_switch".to_string())
}

fn count_events(tracefs: &Tracefs) -> Result<String, String> {
    match events::all(tracefs) {
        Ok(events) if events.is_empty() => Err("the kernel has none".to_string()),
        Ok(events) => Ok(alloc::format!("{}", events.len())),
        Err(errno) => Err(reason(errno)),
    }
}

fn root() -> Result<String, String> {
    match process::effective_uid() {
        0 => Ok("uid 0".to_string()),
        uid => Err(alloc::format!("uid {uid}")),
    }
}

fn paranoia() -> String {
    let level = file::read_line("/proc/sys/kernel/perf_event_paranoid").unwrap_or_else(|_| "unknown".to_string());
    alloc::format!("perf_event_paranoid is {level}")
}

fn kernel_addresses() -> Result<String, String> {
    let start = file::read_file("/proc/kallsyms", 4096).map_err(reason)?;
    let shown = start
        .split(|b| *b == b'\n')
        .any(|line| line.iter().take_while(|b| **b != b' ').any(|b| *b != b'0'));
    if shown {
        Ok("/proc/kallsyms".to_string())
    } else {
        Err("hidden by kptr_restrict".to_string())
    }
}

fn kernel_build_id() -> Result<String, String> {
    let id = build_id::running();
    if id.is_empty() {
        return Err("not in /sys/kernel/notes".to_string());
    }
    Ok(id.iter().map(|byte| alloc::format!("{byte:02x}")).collect())
}

fn module_loading() -> Result<String, String> {
    match file::read_line("/proc/sys/kernel/modules_disabled").as_deref() {
        Ok("0") => Ok("/proc/sys/kernel/modules_disabled is 0".to_string()),
        Ok(_) => Err("switched off until reboot".to_string()),
        Err(_) => Err("a kernel without modules".to_string()),
    }
}

/// A lockdown is nothing a board can do, so "no" is the good answer.
fn lockdown() -> Result<String, String> {
    match file::read_line("/sys/kernel/security/lockdown") {
        Ok(modes) if modes.starts_with("[none]") => Err("off".to_string()),
        Ok(modes) => Ok(modes),
        Err(_) => Err("not there".to_string()),
    }
}

fn reason(errno: Errno) -> String {
    match errno {
        Errno::EPERM | Errno::EACCES => alloc::format!("not permitted (errno {})", errno.into_raw()),
        Errno::ENOSYS => "the kernel has no such system call".to_string(),
        Errno::ENOENT => "not there".to_string(),
        Errno::ENODEV => "the kernel was built without it".to_string(),
        errno => alloc::format!("errno {}", errno.into_raw()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_has_name_and_reason() {
        let all = super::survey(false);
        assert!(all.len() > 10);
        assert!(
            all.iter()
                .all(|ability| !ability.name.is_empty() && !ability.reason.is_empty())
        );
    }
}
