//! Property tests of the compiler: whatever is parsed becomes an image that passes the verifier, or an error.

#![allow(clippy::unwrap_used)]

use ktap_bytecode::image::Image;
use ktap_bytecode::verify::verify;
use ktap_lang::compile::{CompileOptions, compile};
use ktap_lang::diagnostic::{Code, Severity};
use ktap_lang::source::Source;
use proptest::prelude::*;

/// Returns true if there is a program.
fn holds(text: &str) -> bool {
    let options = CompileOptions {
        args: vec!["1".to_string(), "x".to_string()],
        script_name: "random.kp".to_string(),
        allow_unsafe: true,
    };
    let (program, diagnostics) = compile(&Source::new("random.kp", text), &options);
    let errors = diagnostics
        .iter()
        .filter(|d| d.code.severity() == Severity::Error)
        .count();
    assert!(
        diagnostics.iter().all(|d| d.code != Code::Internal),
        "{diagnostics:#?}\n{text}"
    );
    assert_eq!(program.is_none(), errors > 0);
    let Some(program) = program else { return false };
    assert!(verify(program.image.code_ref()).is_ok());
    assert_eq!(program.debug.spans.len(), program.image.code.len());
    assert_eq!(program.debug.functions.len(), program.image.functions.len());
    assert_eq!(program.debug.probes.len(), program.image.probes.len());
    for span in &program.debug.spans {
        assert!(
            span.start <= span.end && span.end as usize <= text.len(),
            "{span:?}\n{text}"
        );
    }
    assert_eq!(Image::from_bytes(&program.image.to_bytes()), Ok(program.image));
    true
}

/// Variables every random script has: a captured one, a reassigned one, a table, a function, a constant.
const PRELUDE: &str = "var a, b, t, k = 1, 2, {}, 7\nb = a  a = b\nfunction f(x, ...) { a = x  return x, ... }\n";

fn atom() -> impl Strategy<Value = String> {
    let words = [
        "a",
        "b",
        "t",
        "k",
        "f",
        "g",
        "nil",
        "true",
        "false",
        "0",
        "-1",
        "70000",
        "'s'",
        "\"long text\"",
        "pid",
        "cpu()",
        "execname",
        "...",
        "arg",
        "arg[1]",
        "`jiffies`",
        "{}",
        "nsecs",
        "len",
        "unknown",
        "e",
        "e.name",
        "e.x",
    ];
    prop::sample::select(words.map(str::to_string).to_vec())
}

fn expression() -> impl Strategy<Value = String> {
    let operators = [
        "+", "-", "*", "/", "%", "..", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "and", "or", "&", "|", "<<", ">>",
    ];
    atom().prop_recursive(4, 24, 4, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|list| list.join(", "));
        prop_oneof![
            4 => (inner.clone(), prop::sample::select(operators.to_vec()), inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            1 => inner.clone().prop_map(|a| format!("!{a}")),
            1 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("- {a}")),
            2 => list.clone().prop_map(|list| format!("f({list})")),
            1 => list.clone().prop_map(|list| format!("t:m({list})")),
            1 => list.clone().prop_map(|list| format!("print({list})")),
            1 => inner.clone().prop_map(|a| format!("len({a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("count({a}, {b})")),
            1 => list.clone().prop_map(|list| format!("{{ {list} }}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(k, v)| format!("{{ x = {v}, [{k}] = {v}, {k} }}")),
            1 => inner.clone().prop_map(|k| format!("t[{k}]")),
            1 => inner.clone().prop_map(|_| "t.x.y".to_string()),
            1 => list.prop_map(|list| format!("function (...) {{ a = a + 1  return {list} }}")),
            1 => inner.prop_map(|a| format!("(function (p) {{ var q = p  return function () {{ q += 1  return q, {a} }} }})(1)")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let targets = ["a", "b", "g", "t.x", "t[a]", "t['k']", "t[b][1]", "k", "e.x"];
    let target = prop::sample::select(targets.to_vec());
    let compound = prop::sample::select(vec!["+=", "-=", "*=", "/=", "%=", "<<<", "="]);
    let list = || prop::collection::vec(expression(), 1..4).prop_map(|list| list.join(", "));
    let leaf = prop_oneof![
        4 => (target.clone(), compound, expression()).prop_map(|(t, op, e)| format!("{t} {op} {e}")),
        2 => (target.clone(), target.clone(), list()).prop_map(|(a, b, list)| format!("{a}, {b} = {list}")),
        2 => list().prop_map(|list| format!("var x, y = {list}  x = y")),
        1 => list().prop_map(|list| format!("var z = {list}")),
        2 => list().prop_map(|list| format!("print({list})")),
        2 => list().prop_map(|list| format!("f({list})")),
        1 => expression().prop_map(|e| format!("printf('%d %s\\n', {e}, {e})")),
        1 => (target, expression()).prop_map(|(t, e)| format!("{t} = {t} + {e}")),
        1 => Just("break".to_string()),
        1 => Just("continue".to_string()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let block = || prop::collection::vec(inner.clone(), 0..4).prop_map(|list| list.join("\n"));
        prop_oneof![
            2 => (expression(), block(), block()).prop_map(|(c, a, b)| format!("if ({c}) {{ {a} }} else {{ {b} }}")),
            1 => (expression(), expression(), block()).prop_map(|(c, d, a)| format!("if ({c}) {{ break }} elseif ({d}) {{ {a} }}")),
            1 => (expression(), block()).prop_map(|(c, a)| format!("while ({c}) {{ {a} }}")),
            1 => (expression(), block()).prop_map(|(c, a)| format!("repeat var u = a u += 1 {a} until (u > {c})")),
            1 => (expression(), block()).prop_map(|(c, a)| format!("for (i = 1, {c}) {{ f(function () {{ return i }}) {a} }}")),
            1 => (expression(), block()).prop_map(|(c, a)| format!("for (var i = 0; i < {c}; i += 1) {{ {a} }}")),
            1 => (expression(), block()).prop_map(|(c, a)| format!("for (q, v in pairs({c})) {{ {a} }}")),
            1 => (block(), expression()).prop_map(|(a, e)| format!("var function h(p) {{ {a}\n return {e} }}")),
            1 => (block(), expression()).prop_map(|(a, e)| format!("function t:m(p, ...) {{ {a}\n return f({e}) }}")),
            1 => block().prop_map(|a| format!("trace syscalls:* {{ {a} }}")),
            1 => block().prop_map(|a| format!("kdebug.probe('tp:', function (e) {{ {a} }})")),
            1 => block().prop_map(|a| format!("tick-1s {{ {a} }}")),
            1 => block().prop_map(|a| format!("trace_end {{ {a} }}")),
            1 => block().prop_map(|a| format!("kdebug.probe_end(function () {{ {a} }})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn random_scripts_compile_to_verified_images_or_have_errors(
        statements in prop::collection::vec(statement(), 0..6)
    ) {
        holds(&format!("{PRELUDE}{}\n", statements.join("\n")));
    }

    #[test]
    fn random_text_has_errors_or_compiles(text in "[a-z(){}=+ \n\"'.,;:/<>0-9-]{0,80}") {
        holds(&text);
    }
}

#[test]
fn the_deepest_nesting_compiles() {
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("f(", ")"),
        ("t[", "]"),
        ("1 + (", ")"),
        ("function () { return ", " }"),
    ] {
        for levels in [20, 150, 199, 2000] {
            let text = format!("{PRELUDE}a = {}1{}\n", open.repeat(levels), close.repeat(levels));
            let compiled = holds(&text);
            assert!(compiled || levels > 20, "{open}");
        }
    }
}

#[test]
fn bounds_are_errors() {
    let many = |line: &dyn Fn(usize) -> String, count| (0..count).map(line).collect::<Vec<_>>().join("\n");
    let cases = [
        many(&|i| format!("var v{i} = cpu() v{i} = 1"), 300),
        format!("print({})", vec!["cpu()"; 300].join(", ")),
        format!(
            "var t = {{}} while (cpu()) {{ {} }}",
            many(&|i| format!("t.x{} = pid", i % 9), 20_000)
        ),
        format!(
            "function f(e) {{ print({}) }}",
            many(&|i| format!("e.member_{i}"), 300).replace('\n', ", ")
        ),
    ];
    for text in cases {
        let (program, diagnostics) = compile(&Source::new("s", text), &CompileOptions::default());
        assert!(program.is_none());
        assert!(diagnostics.iter().any(|d| d.code == Code::TooLarge), "{diagnostics:?}");
    }
}
