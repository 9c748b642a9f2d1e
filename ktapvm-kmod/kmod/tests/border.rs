//! The two sides of the border say the same: `glue/border.h` and `src/border.rs`.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::path::PathBuf;
use std::process::Command;

use ktap_kmod::border::{KpEvent, KphAttach, LEVELS};

mod kernel;

fn crate_path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(crate_path(path)).expect("a source file")
}

/// Removes `/* */` and `//` comments.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    out.push_str(rest);
    let lines = out.lines().map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every function of the border that is declared in `text`, with its number of parameters; `void` is none.
fn functions(text: &str, before: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (at, _) in text.match_indices("kp") {
        let head = &text[..at];
        let name: String = text[at..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let after = &text[at + name.len()..];
        let declared = head.ends_with(before) || before.is_empty() && head.ends_with([' ', '*', '\n']);
        if !declared || !(name.starts_with("kp_") || name.starts_with("kph_")) || !after.starts_with('(') {
            continue;
        }
        let end = after.find(')').expect("a closing parenthesis");
        let parameters = after[1..end]
            .split(',')
            .map(str::trim)
            .filter(|p| !p.is_empty() && *p != "void");
        found.insert(name, parameters.count());
    }
    found
}

#[test]
fn the_same_functions() {
    let c = functions(&without_comments(&read("../glue/border.h")), "");
    let rust = functions(&without_comments(&read("src/border.rs")), "fn ");
    assert!(c.len() > 40, "{c:?}");
    assert_eq!(c, rust);
}

/// What C's compiler says of a constant expression of the header.
fn ask_c(expressions: &[String]) -> Vec<usize> {
    let directory = std::env::temp_dir().join(format!("ktap-border-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let (source, program) = (directory.join("border.c"), directory.join("border"));
    let mut text = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/types.h>\n\
         typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64; typedef __s32 s32; typedef __s64 s64;\n\
         #include \"border.h\"\nint main(void) {\n",
    );
    for expression in expressions {
        text.push_str(&format!("printf(\"%zu\\n\", (size_t)({expression}));\n"));
    }
    text.push_str("return 0; }\n");
    std::fs::write(&source, text).expect("written");
    let compiled = Command::new("gcc")
        .args(["-std=gnu11", "-Werror", "-I"])
        .arg(crate_path("../glue"))
        .arg("-o")
        .args([&program, &source])
        .status();
    assert!(
        compiled.expect("gcc runs").success(),
        "the header does not compile by itself"
    );
    let said = Command::new(&program).output().expect("it runs");
    std::fs::remove_dir_all(&directory).expect("removed");
    let said = String::from_utf8(said.stdout).expect("numbers");
    said.lines().map(|line| line.parse().expect("a number")).collect()
}

macro_rules! layout {
    ($list:ident, $c:literal, $rust:ty: $($field:ident),*) => {
        $list.push((format!("sizeof({})", $c), size_of::<$rust>()));
        $(
            $list.push((format!("offsetof({}, {})", $c, stringify!($field)), offset_of!($rust, $field)));
            let size = {
                fn size_of_field<T, F>(_: impl Fn(&T) -> F) -> usize {
                    size_of::<F>()
                }
                size_of_field(|it: &$rust| it.$field)
            };
            $list.push((format!("sizeof((({} *)0)->{})", $c, stringify!($field)), size));
        )*
    };
}

#[test]
#[cfg_attr(miri, ignore = "runs a compiler")]
fn the_same_layouts() {
    let mut expected: Vec<(String, usize)> = Vec::new();
    layout!(expected, "struct kp_event", KpEvent:
        probe, regs, record, words, ip, caller, record_len, words_len, level, user_regs, cpu, pid, tid, reserved);
    layout!(expected, "struct kph_attach", KphAttach:
        kind, perf_type, syscall, needs_words, idle, reserved, offset, extra, config, name, filter);
    expected.push(("KTAP_LEVELS".into(), LEVELS as usize));
    expected.push(("KTAP_SOFTIRQ".into(), ktap_kmod::border::SOFTIRQ as usize));
    expected.push(("KTAP_HARDIRQ".into(), ktap_kmod::border::HARDIRQ as usize));
    expected.push(("KTAP_NMI".into(), ktap_kmod::border::NMI as usize));
    let questions: Vec<String> = expected.iter().map(|(question, _)| question.clone()).collect();
    let said: Vec<(String, usize)> = questions.iter().cloned().zip(ask_c(&questions)).collect();
    assert_eq!(said, expected);
}
