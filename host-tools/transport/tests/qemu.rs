//! Boots a real guest: needs the image that `cargo xtask setup` makes.

use std::io::{Read, Write};
use std::path::PathBuf;

use ktap_transport::qemu::{self, QemuSpec};

/// Returns where `cargo xtask setup` puts the image.
fn image() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let xdg = || std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    let cache = std::env::var_os("KTAP_CACHE").map_or_else(|| xdg().join("ktap"), PathBuf::from);
    let board = cache.join("x86-edge");
    assert!(
        board.join("initramfs.cpio").exists(),
        "there is no image in {board:?}: `cargo xtask setup` makes it"
    );
    board
}

#[test]
fn a_guest_comes_up_is_found_talks_and_goes_down() {
    let image = image();
    let state_dir = std::env::temp_dir().join(format!("ktap-qemu-test-{}", std::process::id()));
    let spec = QemuSpec {
        name: "transport-test".into(),
        arch: "x86_64".into(),
        cpu: String::new(),
        kernel: image.join("../kernels/6.1-amd64/vmlinuz"),
        initramfs: image.join("initramfs.cpio"),
        append: String::new(),
        memory_mb: 256,
        cpus: 1,
        ssh_port: 22989,
        state_dir: state_dir.clone(),
    };
    let guest = qemu::up(&spec).unwrap();
    assert_eq!(qemu::status(&state_dir), Some(guest.clone()));
    assert_eq!(
        qemu::up(&spec).unwrap(),
        guest,
        "a board that runs is not started again"
    );
    assert!(guest.serial.exists(), "{}", guest.serial.display());

    let (input, mut keys) = std::io::pipe().unwrap();
    keys.write_all(b"echo $((6*7))-seen; sleep 1; cat /proc/uptime\n")
        .unwrap();
    let (mut screen, mut output) = std::io::pipe().unwrap();
    let console = std::thread::spawn({
        let guest = guest.clone();
        move || guest.console(input, &mut output)
    });
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("42-seen") {
        let mut bytes = [0; 256];
        let count = screen.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "the console ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..count]);
    }
    keys.write_all(&[0x1d]).unwrap();
    console.join().unwrap().unwrap();

    let taken = qemu::up(&QemuSpec {
        state_dir: state_dir.join("second"),
        ..spec.clone()
    })
    .unwrap_err();
    assert!(
        taken.to_string().starts_with("port 22989 of this PC is taken"),
        "{taken}"
    );

    guest.down().unwrap();
    assert_eq!(qemu::status(&state_dir), None);
    std::fs::remove_dir_all(&state_dir).unwrap();
}
