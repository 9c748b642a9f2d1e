//! How the module stands.
//!
//! In: `/dev/ktap`, /proc, what the agent may do. Out: [`Module`], and the open device where it is there. Invariant: looking changes nothing.

use alloc::format;
use alloc::string::{String, ToString};

use ktap_device::request::{Code, INTERFACE, Kind, VersionReply};
use ktap_link::message::{Module, ModuleState};

use super::device::{self, Device, value_of};
use crate::sys::{Errno, file, process};

/// The module's name.
pub const NAME: &str = "ktapvm";

/// Looks how the module stands; `no_module` says that the agent may not insert one.
pub fn find(no_module: bool) -> Module {
    open(no_module).0
}

/// As [`find`]; where it is ready, also its session and the kinds it can attach, bit n for kind n.
pub fn open(no_module: bool) -> (Module, Option<(Device, u64)>) {
    let state = |state, reason: String| (Module { state, reason }, None);
    let device = match Device::open() {
        Ok(device) => device,
        Err(Errno::EACCES | Errno::EPERM) => {
            return state(
                ModuleState::Unable,
                "/dev/ktap may not be opened: the agent is not root".to_string(),
            );
        }
        Err(errno) => {
            let (found, reason) = absent(no_module, errno);
            return state(found, reason);
        }
    };
    let mut output = [0u8; size_of::<VersionReply>()];
    let got = device::Module::request(&device, Kind::Version, &[], &mut output);
    let version: VersionReply = value_of(&output);
    if got.is_err() || version.reply.code != Code::Done as u32 || version.interface != INTERFACE {
        let theirs = version.interface;
        let reason = format!("the module loaded speaks interface {theirs:#x}, this agent {INTERFACE:#x}");
        return match insertable(no_module) {
            Ok(()) => state(ModuleState::Foreign, reason),
            Err(why) => state(ModuleState::Unable, format!("{reason}; {why}")),
        };
    }
    let reason = format!(
        "the module ktapvm is loaded, interface {INTERFACE:#x}, {} CPUs",
        version.cpus
    );
    let ready = Module {
        state: ModuleState::Ready,
        reason,
    };
    (ready, Some((device, version.kinds)))
}

/// What to say of a device that is not there.
fn absent(no_module: bool, errno: Errno) -> (ModuleState, String) {
    let loaded = file::read_file("/proc/modules", 1 << 20).unwrap_or_default();
    let ours = format!("{NAME} ");
    if loaded
        .split(|b| *b == b'\n')
        .any(|line| line.starts_with(ours.as_bytes()))
    {
        let errno = errno.into_raw();
        return (
            ModuleState::Unable,
            format!("the module ktapvm is loaded, but /dev/ktap cannot be opened (errno {errno})"),
        );
    }
    match insertable(no_module) {
        Ok(()) => (ModuleState::Missing, "the module ktapvm is not loaded".to_string()),
        Err(why) => (ModuleState::Unable, format!("the module ktapvm is not loaded; {why}")),
    }
}

/// Tells why no module can be inserted.
pub fn insertable(no_module: bool) -> Result<(), String> {
    if no_module {
        return Err("this agent was told --no-module".to_string());
    }
    if process::effective_uid() != 0 {
        return Err("the agent is not root".to_string());
    }
    match file::read_line("/proc/sys/kernel/modules_disabled").as_deref() {
        Ok("0") => Ok(()),
        Ok(_) => Err("loading modules is switched off until reboot".to_string()),
        Err(_) => Err("the kernel was built without modules".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_none_the_reason_is_told() {
        let found = find(true);
        assert!(!found.reason.is_empty());
        if found.state != ModuleState::Ready && process::effective_uid() == 0 {
            assert!(found.reason.ends_with("--no-module"), "{}", found.reason);
        }
    }
}
