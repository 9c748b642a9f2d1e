//! The command line as a user meets it, offline: exit codes, where words go, what errors say.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn ktap(args: &[&str]) -> Output {
    run(args, b"")
}

fn run(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ktap-host"))
        .args(args)
        .env("NO_COLOR", "1")
        .env_remove("KTAP_BOARD")
        .env("KTAP_BOARDS_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../../boards"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = ktap(&["--help"]);
    assert_eq!(code(&help), 0);
    for verb in ["push", "check", "dump", "list", "info", "board", "completions", "doc"] {
        assert!(out(&help).contains(&format!("\n  {verb} ")), "{verb}");
    }
    let version = ktap(&["-V"]);
    assert_eq!(out(&version), format!("ktap-host {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_use_is_2() {
    for args in [
        &["push", "--no-such-option"] as &[&str],
        &["frobnicate"],
        &["push"],
        &["push", "/nowhere/script.kp"],
        &["push", "--board", "no-such-board", "-e", "exit()"],
        &["push", "--timeout", "5 parsecs", "-e", "exit()"],
        &["doc", "K9999"],
    ] {
        let output = ktap(args);
        assert_eq!(code(&output), 2, "{args:?}: {}", err(&output));
        assert!(out(&output).is_empty(), "{args:?}");
        assert!(!err(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn a_board_misspelt_is_suggested() {
    let output = ktap(&["push", "--board", "x86-egde", "-e", "exit()"]);
    assert!(err(&output).contains("did you mean `x86-edge`?"), "{}", err(&output));
}

#[test]
fn three_errors_are_three_diagnostics() {
    let script = b"var a = 1 +\nprint(nosuch)\ntrace foo bar { print(1) }\nprint((2)\n";
    let output = run(&["check", "-"], script);
    assert_eq!(code(&output), 3);
    let text = err(&output);
    assert!(out(&output).is_empty());
    assert!(text.matches("error[K").count() >= 3, "{text}");
    assert!(text.contains("(stdin):"), "{text}");
}

#[test]
fn a_good_script_checks() {
    let output = ktap(&["check", "-e", "print(1)"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(err(&output).contains("(command line): ok"));
}

#[test]
fn findings_as_json_are_lines_on_stdout() {
    let output = ktap(&["check", "-f", "json", "-e", "print(nosuch)"]);
    assert_eq!(code(&output), 3);
    let text = out(&output);
    let object: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(object["type"], "diagnostic");
    assert_eq!(object["code"], "K0101");
    assert_eq!((object["line"].as_i64(), object["column"].as_i64()), (Some(1), Some(7)));
}

#[test]
fn stages_can_be_seen() {
    for (stage, expected) in [
        ("tokens", "print"),
        ("ast", "print"),
        ("dis", "builtin"),
        ("image", "0000  "),
    ] {
        let output = ktap(&["dump", "-s", stage, "-e", "print(1, 2)"]);
        assert_eq!(code(&output), 0, "{stage}: {}", err(&output));
        assert!(out(&output).contains(expected), "{stage}: {}", out(&output));
        // `push -d` is the same view.
        assert_eq!(out(&ktap(&["push", "-d", stage, "-e", "print(1, 2)"])), out(&output));
    }
}

#[test]
fn lists_and_pages() {
    let builtins = out(&ktap(&["list", "builtins", "print*"]));
    assert!(
        builtins.contains("print_hist(t[, n])") && !builtins.contains("delete"),
        "{builtins}"
    );
    let boards = out(&ktap(&["list", "boards"]));
    assert!(boards.contains("x86-edge") && boards.contains("local"), "{boards}");
    assert!(out(&ktap(&["doc", "exit"])).starts_with("0  "));
    assert!(out(&ktap(&["doc", "K0101"])).contains("undefined name"));
    assert!(out(&ktap(&["completions", "bash"])).contains("ktap-host"));
}

#[test]
fn a_script_in_the_place_of_a_verb_is_pushed() {
    let path = std::env::temp_dir().join(format!("ktap-cli-{}.kp", std::process::id()));
    std::fs::write(&path, "#!/usr/bin/env ktap-host\nprint(nosuch)\n").unwrap();
    let output = ktap(&[path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code(&output), 3, "{}", err(&output));
    assert!(err(&output).contains(":2:7"), "{}", err(&output));
}

#[test]
fn every_shipped_script_compiles() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let mut seen = 0;
    for topic in std::fs::read_dir(root).unwrap().flatten() {
        for script in std::fs::read_dir(topic.path()).unwrap().flatten() {
            let path = script.path();
            let output = ktap(&["check", path.to_str().unwrap()]);
            assert_eq!(code(&output), 0, "{}: {}", path.display(), err(&output));
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.lines().take(3).all(|line| line.starts_with('#')),
                "{}: a header of three lines",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn no_color_means_no_escape() {
    assert!(!err(&ktap(&["check", "-e", "print("])).contains('\x1b'));
}
