//! Random input to lexer, parser and EVENTDEF reader: nothing panics, and every span lies inside the text.

use ktap_lang::diagnostic::Diagnostic;
use ktap_lang::source::{Source, Span};
use ktap_lang::{dump, interval, lex, parse, probe};
use proptest::prelude::*;

fn inside(span: Span, length: usize) -> bool {
    span.start <= span.end && span.end as usize <= length
}

fn diagnostics_inside(diagnostics: &[Diagnostic], length: usize) -> bool {
    diagnostics
        .iter()
        .all(|d| inside(d.primary.span, length) && d.others.iter().all(|other| inside(other.span, length)))
}

/// Runs every reader over the bytes; the body of a fuzz target.
fn read(text: &[u8]) {
    let source = Source::new("random", text);
    let (tokens, diagnostics) = lex::lex(&source);
    assert!(tokens.iter().all(|token| inside(token.span, text.len())));
    assert!(tokens.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
    assert!(diagnostics_inside(&diagnostics, text.len()));
    let _ = dump::tokens(&source, &tokens);

    let (block, diagnostics) = parse::parse(&source);
    assert!(diagnostics_inside(&diagnostics, text.len()));
    assert!(
        block
            .statements
            .iter()
            .all(|statement| inside(statement.span, text.len()))
    );
    let _ = dump::ast(&block);
    let _ = dump::diagnostics(&source, &diagnostics);

    let text = String::from_utf8_lossy(text);
    let base = Span::new(0, text.len());
    if let Err(diagnostic) = probe::parse_eventdef(&text, base) {
        assert!(inside(diagnostic.primary.span, text.len()));
    }
    let _ = interval::parse_interval(&text, true);
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "trace ",
        "a:b ",
        "probe:f",
        "trace_end ",
        "tick-1s ",
        "profile-",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "[[",
        "]]",
        "[=[",
        "function ",
        "if ",
        "else ",
        "elseif ",
        "while ",
        "for ",
        "in ",
        "do ",
        "end ",
        "repeat ",
        "until ",
        "return ",
        "break ",
        "var ",
        "local ",
        "goto ",
        "::",
        "x",
        "y ",
        "=",
        "==",
        "+=",
        "<<<",
        "<<",
        "+",
        "-",
        "--",
        "--[[",
        "..",
        "...",
        ".",
        ",",
        ";",
        ":",
        "\"",
        "'",
        "\\",
        "\n",
        "\r\n",
        " ",
        "#",
        "1",
        "0x",
        "08",
        "1.5",
        "!",
        "~=",
        "++",
        "`",
        "@",
        "/",
        "/f==1/",
        "%return",
        "\u{e9}",
        "nil ",
        "not ",
        "and ",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes(text in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&text);
    }

    #[test]
    fn soup(pieces in prop::collection::vec(piece(), 0..120)) {
        read(pieces.concat().as_bytes());
    }

    /// A good script with one byte changed, and cut anywhere.
    #[test]
    fn mutations(at in 0usize..700, byte: u8, cut in 0usize..700) {
        let mut text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ast/dialects.kp")).unwrap();
        let last = text.len() - 1;
        text[at.min(last)] = byte;
        text.truncate(cut.max(1).min(last));
        read(&text);
    }

    #[test]
    fn eventdefs(text in "(probe:|kprobe:|sdt:|mem:|tp:|ftrace:)?[a-z/:,+%!*\"0-9 ]{0,40}(/[a-z=1\" ,/]{0,10}/)?") {
        let base = Span::new(7, 7 + text.len());
        if let Err(diagnostic) = probe::parse_eventdef(&text, base) {
            prop_assert!(diagnostic.primary.span.start >= base.start && diagnostic.primary.span.end <= base.end);
        }
    }
}
