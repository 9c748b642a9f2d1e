//! Golden files of the front end: `tests/golden/{tokens,ast,errors}/*.kp`, the expected text beside each.
//!
//! `KTAP_BLESS=1 cargo test -p ktap-lang` writes them anew.

use std::path::{Path, PathBuf};

use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::diagnostic::{Code, Severity};
use ktap_lang::source::Source;
use ktap_lang::{dump, lex, parse};

fn scripts(kind: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("the directory of golden files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "kp"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", directory.display());
    paths
}

fn check(kind: &str, render: impl Fn(&Source) -> String) {
    let bless = std::env::var_os("KTAP_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in scripts(kind) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let source = Source::new(name.clone(), std::fs::read(&path).expect("a script"));
        let got = render(&source);
        let expected_path = path.with_extension("expected");
        if bless {
            std::fs::write(&expected_path, &got).expect("a writable golden file");
        } else if std::fs::read_to_string(&expected_path).unwrap_or_default() != got {
            wrong.push(format!("{kind}/{name} gives\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tokens() {
    check("tokens", |source| {
        let (tokens, diagnostics) = lex::lex(source);
        dump::tokens(source, &tokens) + &dump::diagnostics(source, &diagnostics)
    });
}

#[test]
fn ast() {
    check("ast", |source| {
        let (block, diagnostics) = parse::parse(source);
        dump::ast(&block) + &dump::diagnostics(source, &diagnostics)
    });
}

#[test]
fn errors() {
    check("errors", |source| dump::diagnostics(source, &parse::parse(source).1));
}

/// Every script in `errors` says in its first line how many errors it has: a cascade or a lost error fails here even when blessed.
#[test]
fn each_error_is_said_once() {
    let mut wrong = String::new();
    for path in scripts("errors") {
        let text = std::fs::read_to_string(&path).expect("a script");
        let stated = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# errors: "))
            .and_then(|n| n.parse().ok());
        let source = Source::new("script.kp", text.clone());
        let (_, diagnostics) = parse::parse(&source);
        let errors = diagnostics
            .iter()
            .filter(|d| d.code.severity() == Severity::Error)
            .count();
        if stated != Some(errors) {
            wrong += &format!(
                "{} {stated:?} {errors}\n{}",
                path.display(),
                dump::diagnostics(&source, &diagnostics)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Every shipped script opens with its three lines of comment (a fourth where it needs an engine) and compiles without an error or a lint, but for the global of ktap 0.1.
#[test]
fn shipped_scripts_compile() {
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts")];
    let mut count = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(
                std::fs::read_dir(&path)
                    .expect("a directory")
                    .map(|entry| entry.expect("an entry").path()),
            );
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "kp") {
            continue;
        }
        count += 1;
        let shown = path.display().to_string();
        let source = Source::new(shown.clone(), std::fs::read(&path).expect("a script"));
        let text = String::from_utf8_lossy(&source.text).into_owned();
        let head = text.lines().take_while(|line| line.starts_with("# ")).count();
        let needs = text.lines().nth(3).is_some_and(|line| line == "# needs: kmod");
        assert_eq!(needs, text.contains("Engines: kmod."), "{shown}");
        assert!(
            head == 3 + usize::from(needs) && text.contains("# Run: ktap-host ") && text.contains("# Boards: "),
            "{shown}: {head} lines of head"
        );
        let (program, mut diagnostics) = compile(&source, &CompileOptions::default());
        diagnostics.retain(|diagnostic| diagnostic.code != Code::ImplicitGlobal);
        let said = dump::diagnostics(&source, &diagnostics);
        assert!(program.is_some() && diagnostics.is_empty(), "{shown}\n{said}");
    }
    assert!(count > 10, "{count} scripts");
}

#[test]
fn no_nesting_overflows_the_stack() {
    let deep = 10_000;
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("- ", ""),
        ("!", ""),
        ("f(", ")"),
        ("a[", "]"),
        ("a.b", ""),
        ("a + ", ""),
        ("a .. ", ""),
        ("f{", "}"),
        ("function () { return ", "}"),
        ("a and ", ""),
        ("~", ""),
        ("x:y(", ")"),
    ] {
        let text = format!("x = {}1{}", open.repeat(deep), close.repeat(deep));
        deep_script(&text);
    }
    for (open, close) in [
        ("if (x) {", "}"),
        ("if (x) ", ""),
        ("{ ", "}"),
        ("do ", " end"),
        ("repeat ", " until x"),
        ("while (x) {", "}"),
        ("function f() {", "}"),
        ("trace a:b {", "}"),
        ("trace_end {", "}"),
        ("tick-1s {", "}"),
        ("for (i = 1, 2) {", "}"),
    ] {
        let text = format!("{}{}", open.repeat(deep), close.repeat(deep));
        deep_script(&text);
    }
}

/// Scripts whose every part is an error, each looking far ahead: the work stays in proportion.
#[test]
fn large_bad_scripts_are_read_to_the_end() {
    for piece in [
        "if ",
        "for (",
        "trace a ",
        "trace a function (",
        "tick-1 ",
        "x ",
        "\"",
        "{",
        "a--",
        "@ ",
        "f(\n",
        "while (x y) ",
    ] {
        let source = Source::new("large", piece.repeat(20_000));
        let (_, diagnostics) = parse::parse(&source);
        assert!(!diagnostics.is_empty(), "{piece}");
    }
}

fn deep_script(text: &str) {
    let source = Source::new("deep", text);
    let (block, diagnostics) = parse::parse(&source);
    let too_deep = diagnostics
        .iter()
        .filter(|d| d.message.contains("too many syntax levels"))
        .count();
    let head: String = text.chars().take(40).collect();
    assert!(too_deep <= 1, "{head}");
    assert!(
        diagnostics.iter().any(|d| d.code.severity() == Severity::Error),
        "{head}"
    );
    // The tree is shallow enough to be walked and dropped.
    assert!(dump::ast(&block).len() < 10_000_000);
}
