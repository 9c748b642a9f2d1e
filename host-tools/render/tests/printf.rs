//! `printf` against C's, and its errors against ktap's.

use ktap_bytecode::record::RecordValue;
use ktap_render::NoResolver;
use ktap_render::printf::{PrintfError, PrintfFormat};
use proptest::prelude::*;

/// Format, number, what C's printf makes of it (glibc, with `ll`).
const NUMBERS: &[(&str, i64, &str)] = &[
    ("%d", 0, "0"),
    ("%d", 7, "7"),
    ("%d", -42, "-42"),
    ("%d", i64::MAX, "9223372036854775807"),
    ("%d", i64::MIN, "-9223372036854775808"),
    ("%i", 0, "0"),
    ("%i", 7, "7"),
    ("%i", -42, "-42"),
    ("%i", i64::MAX, "9223372036854775807"),
    ("%i", i64::MIN, "-9223372036854775808"),
    ("%5d", 0, "    0"),
    ("%5d", 7, "    7"),
    ("%5d", -42, "  -42"),
    ("%5d", i64::MAX, "9223372036854775807"),
    ("%5d", i64::MIN, "-9223372036854775808"),
    ("%-5d|", 0, "0    |"),
    ("%-5d|", 7, "7    |"),
    ("%-5d|", -42, "-42  |"),
    ("%-5d|", i64::MAX, "9223372036854775807|"),
    ("%-5d|", i64::MIN, "-9223372036854775808|"),
    ("%05d", 0, "00000"),
    ("%05d", 7, "00007"),
    ("%05d", -42, "-0042"),
    ("%05d", i64::MAX, "9223372036854775807"),
    ("%05d", i64::MIN, "-9223372036854775808"),
    ("%+d", 0, "+0"),
    ("%+d", 7, "+7"),
    ("%+d", -42, "-42"),
    ("%+d", i64::MAX, "+9223372036854775807"),
    ("%+d", i64::MIN, "-9223372036854775808"),
    ("% d", 0, " 0"),
    ("% d", 7, " 7"),
    ("% d", -42, "-42"),
    ("% d", i64::MAX, " 9223372036854775807"),
    ("% d", i64::MIN, "-9223372036854775808"),
    ("%.3d", 0, "000"),
    ("%.3d", 7, "007"),
    ("%.3d", -42, "-042"),
    ("%.3d", i64::MAX, "9223372036854775807"),
    ("%.3d", i64::MIN, "-9223372036854775808"),
    ("%8.3d", 0, "     000"),
    ("%8.3d", 7, "     007"),
    ("%8.3d", -42, "    -042"),
    ("%8.3d", i64::MAX, "9223372036854775807"),
    ("%8.3d", i64::MIN, "-9223372036854775808"),
    ("%08.3d", 0, "     000"),
    ("%08.3d", 7, "     007"),
    ("%08.3d", -42, "    -042"),
    ("%08.3d", i64::MAX, "9223372036854775807"),
    ("%08.3d", i64::MIN, "-9223372036854775808"),
    ("%-8.3d|", 0, "000     |"),
    ("%-8.3d|", 7, "007     |"),
    ("%-8.3d|", -42, "-042    |"),
    ("%-8.3d|", i64::MAX, "9223372036854775807|"),
    ("%-8.3d|", i64::MIN, "-9223372036854775808|"),
    ("%+05d", 0, "+0000"),
    ("%+05d", 7, "+0007"),
    ("%+05d", -42, "-0042"),
    ("%+05d", i64::MAX, "+9223372036854775807"),
    ("%+05d", i64::MIN, "-9223372036854775808"),
    ("% 05d", 0, " 0000"),
    ("% 05d", 7, " 0007"),
    ("% 05d", -42, "-0042"),
    ("% 05d", i64::MAX, " 9223372036854775807"),
    ("% 05d", i64::MIN, "-9223372036854775808"),
    ("%.0d", 0, ""),
    ("%.0d", 7, "7"),
    ("%.0d", -42, "-42"),
    ("%.0d", i64::MAX, "9223372036854775807"),
    ("%.0d", i64::MIN, "-9223372036854775808"),
    ("%u", 0, "0"),
    ("%u", 7, "7"),
    ("%u", -42, "18446744073709551574"),
    ("%u", i64::MAX, "9223372036854775807"),
    ("%u", i64::MIN, "9223372036854775808"),
    ("%x", 0, "0"),
    ("%x", 7, "7"),
    ("%x", -42, "ffffffffffffffd6"),
    ("%x", i64::MAX, "7fffffffffffffff"),
    ("%x", i64::MIN, "8000000000000000"),
    ("%X", 0, "0"),
    ("%X", 7, "7"),
    ("%X", -42, "FFFFFFFFFFFFFFD6"),
    ("%X", i64::MAX, "7FFFFFFFFFFFFFFF"),
    ("%X", i64::MIN, "8000000000000000"),
    ("%#x", 0, "0"),
    ("%#x", 7, "0x7"),
    ("%#x", -42, "0xffffffffffffffd6"),
    ("%#x", i64::MAX, "0x7fffffffffffffff"),
    ("%#x", i64::MIN, "0x8000000000000000"),
    ("%#X", 0, "0"),
    ("%#X", 7, "0X7"),
    ("%#X", -42, "0XFFFFFFFFFFFFFFD6"),
    ("%#X", i64::MAX, "0X7FFFFFFFFFFFFFFF"),
    ("%#X", i64::MIN, "0X8000000000000000"),
    ("%#010x", 0, "0000000000"),
    ("%#010x", 7, "0x00000007"),
    ("%#010x", -42, "0xffffffffffffffd6"),
    ("%#010x", i64::MAX, "0x7fffffffffffffff"),
    ("%#010x", i64::MIN, "0x8000000000000000"),
    ("%-#10x|", 0, "0         |"),
    ("%-#10x|", 7, "0x7       |"),
    ("%-#10x|", -42, "0xffffffffffffffd6|"),
    ("%-#10x|", i64::MAX, "0x7fffffffffffffff|"),
    ("%-#10x|", i64::MIN, "0x8000000000000000|"),
    ("%#.5x", 0, "00000"),
    ("%#.5x", 7, "0x00007"),
    ("%#.5x", -42, "0xffffffffffffffd6"),
    ("%#.5x", i64::MAX, "0x7fffffffffffffff"),
    ("%#.5x", i64::MIN, "0x8000000000000000"),
    ("%o", 0, "0"),
    ("%o", 7, "7"),
    ("%o", -42, "1777777777777777777726"),
    ("%o", i64::MAX, "777777777777777777777"),
    ("%o", i64::MIN, "1000000000000000000000"),
    ("%#o", 0, "0"),
    ("%#o", 7, "07"),
    ("%#o", -42, "01777777777777777777726"),
    ("%#o", i64::MAX, "0777777777777777777777"),
    ("%#o", i64::MIN, "01000000000000000000000"),
    ("%#.4o", 0, "0000"),
    ("%#.4o", 7, "0007"),
    ("%#.4o", -42, "01777777777777777777726"),
    ("%#.4o", i64::MAX, "0777777777777777777777"),
    ("%#.4o", i64::MIN, "01000000000000000000000"),
    ("%#6o", 0, "     0"),
    ("%#6o", 7, "    07"),
    ("%#6o", -42, "01777777777777777777726"),
    ("%#6o", i64::MAX, "0777777777777777777777"),
    ("%#6o", i64::MIN, "01000000000000000000000"),
    ("%#.0o", 0, "0"),
    ("%#.0o", 7, "07"),
    ("%#.0o", -42, "01777777777777777777726"),
    ("%#.0o", i64::MAX, "0777777777777777777777"),
    ("%#.0o", i64::MIN, "01000000000000000000000"),
    ("%#.0x", 0, ""),
    ("%#.0x", 7, "0x7"),
    ("%#.0x", -42, "0xffffffffffffffd6"),
    ("%#.0x", i64::MAX, "0x7fffffffffffffff"),
    ("%#.0x", i64::MIN, "0x8000000000000000"),
    ("%20.10u", 0, "          0000000000"),
    ("%20.10u", 7, "          0000000007"),
    ("%20.10u", -42, "18446744073709551574"),
    ("%20.10u", i64::MAX, " 9223372036854775807"),
    ("%20.10u", i64::MIN, " 9223372036854775808"),
];

/// Format, string, what C's printf makes of it.
const STRINGS: &[(&str, &str, &str)] = &[
    ("%s", "", ""),
    ("%s", "abc", "abc"),
    ("%s", "abcdefghij", "abcdefghij"),
    ("%8s|", "", "        |"),
    ("%8s|", "abc", "     abc|"),
    ("%8s|", "abcdefghij", "abcdefghij|"),
    ("%-8s|", "", "        |"),
    ("%-8s|", "abc", "abc     |"),
    ("%-8s|", "abcdefghij", "abcdefghij|"),
    ("%.2s", "", ""),
    ("%.2s", "abc", "ab"),
    ("%.2s", "abcdefghij", "ab"),
    ("%8.2s|", "", "        |"),
    ("%8.2s|", "abc", "      ab|"),
    ("%8.2s|", "abcdefghij", "      ab|"),
    ("%-8.2s|", "", "        |"),
    ("%-8.2s|", "abc", "ab      |"),
    ("%-8.2s|", "abcdefghij", "ab      |"),
    ("%.0s|", "", "|"),
    ("%.0s|", "abc", "|"),
    ("%.0s|", "abcdefghij", "|"),
    ("%.s|", "", "|"),
    ("%.s|", "abc", "|"),
    ("%.s|", "abcdefghij", "|"),
    (
        "%99s",
        "",
        "                                                                                                   ",
    ),
    (
        "%99s",
        "abc",
        "                                                                                                abc",
    ),
    (
        "%99s",
        "abcdefghij",
        "                                                                                         abcdefghij",
    ),
];

/// Format, character, what C's printf makes of it.
const CHARACTERS: &[(&str, i64, &str)] = &[("%c", 65, "A"), ("%3c|", 65, "  A|"), ("%-3c|", 65, "A  |")];

fn render(format: &str, values: &[RecordValue<'_>]) -> Result<String, PrintfError> {
    let text = PrintfFormat::parse(format.as_bytes())?.render(values, &NoResolver)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn numbers_are_laid_out_as_in_c() {
    for (format, number, expected) in NUMBERS.iter().chain(CHARACTERS) {
        assert_eq!(
            render(format, &[RecordValue::Int(*number)]).as_deref(),
            Ok(*expected),
            "{format} of {number}"
        );
    }
}

#[test]
fn strings_are_laid_out_as_in_c() {
    for (format, text, expected) in STRINGS {
        assert_eq!(
            render(format, &[RecordValue::Str(text.as_bytes())]).as_deref(),
            Ok(*expected),
            "{format} of {text:?}"
        );
    }
}

#[test]
fn nil_prints_and_goes_on() {
    assert_eq!(
        render(
            "<%s> <%5d> %d\n",
            &[RecordValue::Nil, RecordValue::Nil, RecordValue::Int(1)]
        )
        .as_deref(),
        Ok("<nil> <  nil> 1\n")
    );
}

#[test]
fn symbols_without_a_name_are_addresses() {
    assert_eq!(
        render("%p %12p", &[RecordValue::Int(-1), RecordValue::Symbol(0x1000)]).as_deref(),
        Ok("0xffffffffffffffff       0x1000")
    );
    assert_eq!(
        render("%s %d", &[RecordValue::Symbol(0x10), RecordValue::Symbol(0x10)]).as_deref(),
        Ok("0x10 16")
    );
}

#[test]
fn plain_text_and_spare_values_are_fine() {
    assert_eq!(
        render("100%% %d\n", &[RecordValue::Int(1), RecordValue::Int(2)]).as_deref(),
        Ok("100% 1\n")
    );
    assert_eq!(render("", &[]).as_deref(), Ok(""));
}

#[test]
fn errors_are_ktaps() {
    let message = |format, values: &[RecordValue<'_>]| render(format, values).map_err(|error| error.to_string());
    let error = |text: &str| Err(text.to_owned());
    let (one, word) = (RecordValue::Int(1), RecordValue::Str(b"word"));
    assert_eq!(message("%d", &[]), error("bad argument #2: (no value)"));
    assert_eq!(
        message("%d %d", std::slice::from_ref(&one)),
        error("bad argument #3: (no value)")
    );
    assert_eq!(
        message("%s", std::slice::from_ref(&one)),
        error("wrong type of argument 2")
    );
    assert_eq!(
        message("%s", &[RecordValue::Bool(true)]),
        error("wrong type of argument 2")
    );
    assert_eq!(
        message("%d %d", &[one, word.clone()]),
        error("wrong type of argument 3")
    );
    assert_eq!(
        message("%c", std::slice::from_ref(&word)),
        error("wrong type of argument 2")
    );
    assert_eq!(message("%q", &[word]), error("invalid option '%q' to 'format'"));
    assert_eq!(message("%", &[]), error("invalid format (ends with '%')"));
    assert_eq!(message("%------d", &[]), error("invalid format (repeated flags)"));
    assert_eq!(
        message("%100d", &[]),
        error("invalid format (width or precision too long)")
    );
    assert_eq!(
        message("%.100d", &[]),
        error("invalid format (width or precision too long)")
    );
}

proptest! {
    #[test]
    fn any_format_renders_or_says_why(format: Vec<u8>, number: i64, text: Vec<u8>) {
        if let Ok(format) = PrintfFormat::parse(&format) {
            let _ = format.render(&[RecordValue::Int(number), RecordValue::Str(&text), RecordValue::Nil], &NoResolver);
        }
    }

    #[test]
    fn any_conversion_renders(spec in "%[-+ #0]{0,3}[0-9]{0,2}(\\.[0-9]{0,2})?[cdiouxXp]", number: i64) {
        prop_assert!(render(&spec, &[RecordValue::Int(number)]).is_ok());
    }
}
