//! How QEMU is told to be a board of an architecture.
//!
//! In: a [`QemuSpec`]. Out: the program and its arguments. Invariant: whatever the architecture, the first UART is the console and the
//! second one the data line, and the network card's port 22 is the board's ssh port.

use std::path::{Path, PathBuf};

use super::{QemuError, QemuSpec};

/// What differs from one architecture to the next.
struct Machine {
    /// Its name in `uname -m`.
    arch: &'static str,
    /// The emulator.
    program: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    /// The machine that is emulated.
    machine: &'static str,
    /// Emulation, even where there is a /dev/kvm: inside a virtual machine that often hangs or ends QEMU, and a board boots in seconds without.
    accelerator: &'static str,
    /// The CPU when the board does not name one.
    cpu: &'static str,
    /// The console in the kernel's words.
    console: &'static str,
    /// The device that is the data line.
    data: &'static [&'static str],
}

const MACHINES: &[Machine] = &[
    Machine {
        arch: "x86_64",
        program: "qemu-system-x86_64",
        package: "qemu-system-x86",
        machine: "q35",
        // With a thread for each CPU, QEMU 7.2 misses instructions that the kernel has just patched: kernels that arm and disarm probes by their own
        // means, without any module, end in jumps to nowhere.
        accelerator: "tcg,thread=single",
        // Without cmpxchg16b, whose emulation by QEMU 7.2 with several CPUs now and then breaks the flags: kernels crash in their allocator.
        cpu: "max,-cx16",
        console: "ttyS0,115200",
        data: &["-serial", "chardev:data"],
    },
    Machine {
        arch: "aarch64",
        program: "qemu-system-aarch64",
        package: "qemu-system-arm",
        machine: "virt",
        accelerator: "tcg,thread=multi",
        cpu: "cortex-a57",
        console: "ttyAMA0",
        // The machine has one UART of its own: the second one sits on the PCI bus, and is ttyS0 to the guest.
        data: &["-device", "pci-serial,chardev=data"],
    },
];

/// Lists the architectures that there is a machine for.
pub(super) fn known() -> String {
    MACHINES
        .iter()
        .map(|machine| format!("`{}`", machine.arch))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns the emulator of an architecture and the Debian package that has it.
pub(super) fn program(arch: &str) -> Result<(&'static str, &'static str), QemuError> {
    find(arch).map(|machine| (machine.program, machine.package))
}

fn find(arch: &str) -> Result<&'static Machine, QemuError> {
    MACHINES
        .iter()
        .find(|machine| machine.arch == arch)
        .ok_or_else(|| QemuError::Architecture { arch: arch.into() })
}

/// Sockets are named relative to the state directory: a socket's path may have no more than 107 bytes.
pub(super) fn arguments(spec: &QemuSpec, state_dir: &Path) -> Result<Vec<String>, QemuError> {
    let machine = find(&spec.arch)?;
    let cpu = if spec.cpu.is_empty() { machine.cpu } else { &spec.cpu };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let absolute = |path: &Path| text(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
    add(&[
        "-name",
        &format!("ktap-{}", spec.name),
        "-machine",
        machine.machine,
        "-accel",
        machine.accelerator,
        "-cpu",
        cpu,
    ]);
    add(&["-m", &spec.memory_mb.to_string(), "-smp", &spec.cpus.to_string()]);
    add(&[
        "-kernel",
        &absolute(&spec.kernel),
        "-initrd",
        &absolute(&spec.initramfs),
    ]);
    // With panic=-1 a panic reboots at once, and with -no-reboot that ends QEMU: a dead board is seen to be dead.
    add(&[
        "-append",
        format!("console={} quiet panic=-1 {}", machine.console, spec.append).trim_end(),
        "-no-reboot",
    ]);
    add(&["-nodefaults", "-display", "none"]);
    add(&[
        "-chardev",
        "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log",
    ]);
    add(&["-serial", "chardev:console", "-chardev", "pty,id=data"]);
    add(machine.data);
    add(&[
        "-netdev",
        &format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22", spec.ssh_port),
    ]);
    add(&["-device", "virtio-net-pci,netdev=net,romfile="]);
    add(&[
        "-qmp",
        "unix:qmp.sock,server=on,wait=off",
        "-daemonize",
        "-pidfile",
        &text(state_dir.join("pid")),
    ]);
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arch: &str, cpu: &str) -> String {
        let spec = QemuSpec {
            name: "test".into(),
            arch: arch.into(),
            cpu: cpu.into(),
            kernel: "/k".into(),
            initramfs: "/i".into(),
            append: "more".into(),
            memory_mb: 256,
            cpus: 2,
            ssh_port: 22990,
            state_dir: "/s".into(),
        };
        arguments(&spec, Path::new("/s")).unwrap().join(" ")
    }

    #[test]
    fn each_architecture_has_its_machine_and_console() {
        let x86 = words("x86_64", "");
        assert!(
            x86.contains("-machine q35 -accel tcg,thread=single -cpu max,-cx16 -m 256 -smp 2"),
            "{x86}"
        );
        assert!(x86.contains("console=ttyS0,115200 quiet panic=-1 more"), "{x86}");
        let arm = words("aarch64", "");
        assert!(
            arm.contains("-machine virt -accel tcg,thread=multi -cpu cortex-a57"),
            "{arm}"
        );
        assert!(
            arm.contains("console=ttyAMA0 quiet") && arm.contains("pci-serial,chardev=data"),
            "{arm}"
        );
    }

    #[test]
    fn a_board_can_name_its_cpu() {
        let arm = words("aarch64", "max,pauth-impdef=on");
        assert!(arm.contains("-cpu max,pauth-impdef=on"), "{arm}");
    }
}
