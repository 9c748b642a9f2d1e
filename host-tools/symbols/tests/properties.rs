//! Nothing that a board sends makes the host panic.

use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;
use ktap_symbols::kallsyms::Kallsyms;
use ktap_symbols::symbol::NoSymbols;
use proptest::prelude::*;

/// One field of each shape.
const FIELDS: &str = "name: shapes\nID: 7\nformat:\n\
    \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
    \tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n\
    \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n\
    \tfield:__data_loc char[] d;\toffset:28;\tsize:4;\tsigned:0;\n\
    \tfield:__rel_loc u32[] r;\toffset:32;\tsize:4;\tsigned:0;\n\
    \tfield:u64 b;\toffset:40;\tsize:8;\tsigned:0;\n\n";

/// What print formats are made of.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "REC->a",
        "REC->b",
        "REC->comm",
        "REC->d",
        "__get_str(d)",
        "__get_rel_dynamic_array(r)",
        "__get_dynamic_array_len(d)",
        "__print_flags(REC->b, \"|\", {1, \"x\"}, {-1, ((void *)0)})",
        "__print_symbolic(REC->a, {0, \"zero\"})",
        "__print_array(__get_dynamic_array(d), 3, 4)",
        "__print_hex(REC->comm, REC->a)",
        "(u8)",
        "(char *)",
        "sizeof(long)",
        "({ int x = 3; x; })",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "?",
        ":",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<<",
        ">>",
        "==",
        "&&",
        "||",
        "!",
        "~",
        "&",
        "0x7fffffffffffffff",
        "1",
        "0",
        "-1",
        "\"%d %s\"",
        "REC->",
        "nobody",
        "'c'",
    ])
}

fn conversion() -> impl Strategy<Value = String> {
    "%[-+ #0]{0,3}([0-9]{1,5}|\\*)?(\\.([0-9]{1,3}|\\*))?(h|hh|l|ll|z)?(d|u|x|X|o|c|s|p|pS|ps|pI4|pI6c|pISpc|pM|pU|pUl|ph|pb|pbl)"
}

proptest! {
    #[test]
    fn any_text_is_a_format_or_an_error(text in ".{0,300}") {
        let _ = EventFormat::parse(&text, Abi::LP64);
        let _ = Kallsyms::parse(&text);
        let _ = EventFormat::parse(&format!("{FIELDS}print fmt: {text}"), Abi::ILP32);
    }

    #[test]
    fn any_record_has_a_text(
        formats in proptest::collection::vec(conversion(), 0..4),
        pieces in proptest::collection::vec(piece(), 0..12),
        raw in proptest::collection::vec(any::<u8>(), 0..80),
        big_endian: bool,
    ) {
        for arguments in [pieces.join(" "), pieces.join(", ")] {
            let text = format!("{FIELDS}print fmt: \"{}\", {arguments}", formats.join(" "));
            for long_bytes in [4, 8] {
                let format = EventFormat::parse(&text, Abi { long_bytes, big_endian }).expect("fields parse");
                prop_assert!(!format.line(&raw, &NoSymbols).is_empty());
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("!", ""),
        ("({", "})"),
        ("1?", ":1"),
        ("1+(", ")"),
        ("{", "}"),
    ] {
        let text = format!(
            "{FIELDS}print fmt: \"%d\", {}1{}",
            open.repeat(5000),
            close.repeat(5000)
        );
        let format = EventFormat::parse(&text, Abi::LP64).expect("fields parse");
        assert!(!format.has_print_format(), "{open}");
    }
    let text = format!("{FIELDS}print fmt: \"%d\", {}1", "1 + ".repeat(5000));
    assert!(
        !EventFormat::parse(&text, Abi::LP64)
            .expect("fields parse")
            .has_print_format()
    );
}
