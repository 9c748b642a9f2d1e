//! Golden files of what may only grow.

use std::path::{Path, PathBuf};

/// Compares text with `tests/golden/<name>`; with `KTAP_BLESS=1` writes it.
pub fn same(name: &str, text: &str) {
    let path = path(name);
    if blessing() {
        std::fs::write(&path, text).expect("the golden directory is writable");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (n, (new, old)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(new, old, "{name}:{}", n + 1);
    }
    assert_eq!(
        text.lines().count(),
        golden.lines().count(),
        "{name} has another length; KTAP_BLESS=1 renews it"
    );
}

/// As [`same`], but lines may only be added.
///
/// Numbers and bytes on the wire never change within a major version, so blessing refuses a line that changed. With a new
/// major version the file is removed by hand.
pub fn only_grows(name: &str, text: &str) {
    if blessing() {
        let golden = std::fs::read_to_string(path(name)).unwrap_or_default();
        let mut new = text.lines();
        for old in golden.lines() {
            assert!(
                new.any(|line| line == old),
                "{name}: the wire is append-only, yet this line went or moved:\n{old}"
            );
        }
    }
    same(name, text);
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var("KTAP_BLESS").is_ok_and(|value| value == "1")
}

/// A readable name and bytes as hexadecimal.
pub fn hex_line(name: &str, bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name:<24} {}\n", hex.join(" "))
}
