//! Golden tests of the compiler: every script under `golden/program` with its code, or with its diagnostics.
//!
//! `KTAP_BLESS=1` writes the golden files anew.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ktap_bytecode::disasm::disasm;
use ktap_bytecode::image::Image;
use ktap_bytecode::verify::verify;
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::diagnostic::Diagnostic;
use ktap_lang::program::Program;
use ktap_lang::source::Source;

fn options() -> CompileOptions {
    CompileOptions {
        args: vec!["10".to_string(), "sched:sched_switch".to_string()],
        script_name: "script.kp".to_string(),
        allow_unsafe: true,
    }
}

fn scripts(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "kp"));
    found.sort();
    assert!(!found.is_empty());
    found
}

fn show(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for d in diagnostics {
        let (line, column) = source.line_column(d.primary.span.start);
        let (end_line, end_column) = source.line_column(d.primary.span.end);
        writeln!(
            text,
            "{} {line}:{column}-{end_line}:{end_column} {}",
            d.code.text(),
            d.message
        )
        .unwrap();
        for help in &d.help {
            writeln!(text, "    help: {help}").unwrap();
        }
    }
    text
}

/// Returns a program as text: its size, its code, and what stays on the host.
fn list(program: &Program) -> String {
    let mut text = format!("{} bytes\n{}", program.image.to_bytes().len(), disasm(&program.image));
    for (index, name) in program.debug.functions.iter().enumerate() {
        writeln!(text, "name of fn{index}: {name}").unwrap();
    }
    for (index, name) in program.debug.globals.iter().enumerate() {
        writeln!(text, "name of g{index}: {name}").unwrap();
    }
    for format in &program.debug.formats {
        writeln!(text, "format: {}", format.escape_ascii()).unwrap();
    }
    for (probe, _) in &program.debug.probes {
        writeln!(text, "eventdef: {probe}").unwrap();
    }
    for relocation in &program.relocations {
        writeln!(text, "relocation k{}: {:?}", relocation.constant, relocation.kind).unwrap();
    }
    text
}

/// Compares with the golden file, which is absent when the text is empty.
fn check(path: &Path, text: &str, failures: &mut String) {
    if std::env::var_os("KTAP_BLESS").is_some() {
        if text.is_empty() {
            let _ = fs::remove_file(path);
        } else {
            fs::write(path, text).unwrap();
        }
        return;
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    if golden != text {
        write!(failures, "{} differs:\n{text}\n", path.display()).unwrap();
    }
}

#[test]
fn scripts_compile_to_the_golden_code() {
    let mut failures = String::new();
    for path in scripts("tests/golden/program") {
        let source = Source::new("script.kp", fs::read(&path).unwrap());
        let (program, diagnostics) = compile(&source, &options());
        let code = program.map(|program| {
            assert!(verify(program.image.code_ref()).is_ok(), "{}", path.display());
            assert_eq!(program.debug.spans.len(), program.image.code.len());
            assert_eq!(
                Image::from_bytes(&program.image.to_bytes()).as_ref(),
                Ok(&program.image)
            );
            list(&program)
        });
        check(&path.with_extension("dis"), &code.unwrap_or_default(), &mut failures);
        check(
            &path.with_extension("diag"),
            &show(&source, &diagnostics),
            &mut failures,
        );
    }
    assert!(failures.is_empty(), "{failures}run with KTAP_BLESS=1 to accept");
}

#[test]
fn shipped_scripts_compile() {
    let mut failures = String::new();
    for topic in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts")).unwrap() {
        for entry in fs::read_dir(topic.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            let source = Source::new(path.display().to_string(), fs::read(&path).unwrap());
            let (program, diagnostics) = compile(&source, &CompileOptions::default());
            if program.is_none() {
                write!(failures, "{}\n{}", path.display(), show(&source, &diagnostics)).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_histogram_script_fits_400_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/syscalls/syscalls_histogram.kp");
    let source = Source::new("syscalls_histogram.kp", fs::read(path).unwrap());
    let (program, diagnostics) = compile(&source, &CompileOptions::default());
    let program = program.unwrap_or_else(|| panic!("{}", show(&source, &diagnostics)));
    let bytes = program.image.to_bytes();
    assert!(bytes.len() < 400, "{} bytes", bytes.len());
}

#[test]
fn changing_the_kernel_must_be_asked_for() {
    let source = Source::new(
        "script.kp",
        "trace \"probe:f%return\" function (e) { e.set_retval(-1) }",
    );
    let unsafe_allowed = |allow_unsafe| CompileOptions {
        allow_unsafe,
        ..options()
    };
    assert!(compile(&source, &unsafe_allowed(true)).0.is_some());
    let (program, diagnostics) = compile(&source, &unsafe_allowed(false));
    assert!(program.is_none());
    assert_eq!(
        show(&source, &diagnostics),
        "K0114 1:39-1:55 'set_retval' changes the kernel\n    help: say --unsafe if you mean it\n"
    );
}
