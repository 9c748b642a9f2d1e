//! Print formats and what C makes of them.

use ktap_symbols::abi::Abi;
use ktap_symbols::format::EventFormat;
use ktap_symbols::symbol::{NoSymbols, Symbol, Symbolize};

const FIELDS: &str = "name: e\nID: 7\nformat:\n\
    \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
    \tfield:int i;\toffset:8;\tsize:4;\tsigned:1;\n\
    \tfield:u8 b;\toffset:12;\tsize:1;\tsigned:0;\n\
    \tfield:unsigned int u;\toffset:16;\tsize:4;\tsigned:0;\n\
    \tfield:__data_loc char[] d;\toffset:20;\tsize:4;\tsigned:0;\n\
    \tfield:u64 q;\toffset:24;\tsize:8;\tsigned:0;\n\
    \tfield:u8 bytes[16];\toffset:32;\tsize:16;\tsigned:0;\n\
    \tfield:u16 words[2];\toffset:48;\tsize:4;\tsigned:0;\n\
    \tfield:const char * s;\toffset:56;\tsize:8;\tsigned:0;\n\
    \tfield:__data_loc unsigned long[] mask;\toffset:64;\tsize:4;\tsigned:0;\n\n";

/// i = -2, b = 255, u = 0xfffffffe, d = "dyn", q = 2^63 + 5, bytes = 0..16, words = 1, 2, s = 0x1000, mask = CPUs 0-2, 33.
fn raw() -> Vec<u8> {
    let mut raw = vec![0u8; 72];
    raw[0] = 7;
    raw[8..12].copy_from_slice(&(-2i32).to_le_bytes());
    raw[12] = 255;
    raw[16..20].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    raw[20..24].copy_from_slice(&(4 << 16 | 72u32).to_le_bytes());
    raw[24..32].copy_from_slice(&((1u64 << 63) + 5).to_le_bytes());
    (0..16).for_each(|n| raw[32 + n] = n as u8);
    raw[48] = 1;
    raw[50] = 2;
    raw[57] = 0x10;
    raw[64..68].copy_from_slice(&(8 << 16 | 76u32).to_le_bytes());
    raw.extend_from_slice(b"dyn\0");
    raw.extend_from_slice(&(7u64 | 1 << 33).to_le_bytes());
    raw
}

struct Strings;

impl Symbolize for Strings {
    fn symbol(&self, address: u64) -> Option<Symbol<'_>> {
        (address == 0x1000).then_some(Symbol {
            name: "here",
            offset: 4,
            size: 8,
            module: Some("mod"),
        })
    }

    fn string(&self, address: u64) -> Option<&[u8]> {
        (address == 0x1000).then_some(b"constant")
    }

    fn constant(&self, name: &str) -> Option<u64> {
        (name == "KNOWN").then_some(4)
    }
}

/// Print format and its text.
const TEXTS: &[(&str, &str)] = &[
    // Conversions between types.
    (r#""%d", REC->i < REC->u"#, "0"),
    (r#""%d", REC->i < REC->b"#, "1"),
    (r#""%d", REC->i == REC->u"#, "1"),
    (r#""%d", (u64)REC->i == REC->u"#, "0"),
    (r#""%d", (unsigned long)REC->i > 0"#, "1"),
    (r#""%d %d", REC->b + 1, (u8)(REC->b + 1)"#, "256 0"),
    (r#""%d", (s8)REC->b"#, "-1"),
    (r#""%lld", (long long)REC->i"#, "-2"),
    (r#""%llu", (u64)REC->i"#, "18446744073709551614"),
    (
        r#""%u %hu %hhu %d", REC->i, REC->i, REC->i, REC->u"#,
        "4294967294 65534 254 -2",
    ),
    (r#""%d %llu", REC->i >> 1, REC->q >> 1"#, "-1 4611686018427387906"),
    (r#""%lx", 1UL << 40"#, "10000000000"),
    (r#""%d", -7 / 2 * 10 + -7 % 2"#, "-31"),
    (r#""%x", ~0U ^ 0xff"#, "ffffff00"),
    (r#""%d%d%d", 1 || REC->nothing, 0 && REC->nothing, !REC->i"#, "100"),
    (r#""%s", REC->i ? REC->b > 3 ? "a" : "b" : "c""#, "a"),
    (r#""%d", REC->b ?: 3"#, "255"),
    (r#""%d", 1 ? 2 : REC->nothing"#, "2"),
    (r#""%d", (1, 2)"#, "2"),
    (
        r#""%d", ({ int x = (REC->i); unsigned char y = (300); x < y ? x : y; })"#,
        "-2",
    ),
    (r#""%d %d", (bool)REC->q, sizeof(u64) / sizeof(REC->words[0])"#, "1 4"),
    (r#""%d", KNOWN + 1"#, "5"),
    (r#""%d", __builtin_constant_p(REC->i) ? 1 : 2"#, "2"),
    // Strings and arrays.
    (r#""a" "b" "%s" "c", __get_str(d)"#, "abdync"),
    (
        r#""%s|%5s|%-5s|%.2s|%.*s|%*s", __get_str(d), __get_str(d), __get_str(d), __get_str(d), 1, __get_str(d), 4, "x""#,
        "dyn|  dyn|dyn  |dy|d|   x",
    ),
    (r#""%c%c", __get_str(d)[1], 'z'"#, "yz"),
    (r#""%s", __get_str(d)[0] ? "some" : "none""#, "some"),
    (r#""%s %s", REC->s, ((void *)0)"#, "constant (null)"),
    (r#""%d %d", REC->words[1], *(u16 *)REC->bytes"#, "2 256"),
    (r#""%d", ((u8 *)REC->bytes + 3)[1]"#, "4"),
    (
        r#""%d %x", __get_dynamic_array_len(d), ((char *)__get_dynamic_array(d))[0]"#,
        "4 64",
    ),
    (
        r#""%s %s", __print_hex(REC->bytes, 3), __print_hex_str(REC->bytes, 3)"#,
        "00 01 02 000102",
    ),
    (r#""%s", __print_array(REC->words, 2, 2)"#, "{0x1,0x2}"),
    (
        r#""%s %s", __get_bitmask(mask), __get_cpumask(mask)"#,
        "00000002,00000007 00000002,00000007",
    ),
    (
        r#""%*pbl %*pb", 64, __get_dynamic_array(mask), 64, __get_dynamic_array(mask)"#,
        "0-2,33 00000002,00000007",
    ),
    // Tables.
    (
        r#""%s %s", __print_symbolic(REC->b, {1, "one"}, {255, "all"}), __print_symbolic(9, {1, "one"})"#,
        "all 0x9",
    ),
    (
        r#""%s", __print_flags(11, "|", {1, "a"}, {2, "b"}, {4, "c"})"#,
        "a|b|0x8",
    ),
    (r#""%s.", __print_flags(0, "|", {1, "a"}, {-1, ((void *)0)})"#, "."),
    (r#""%s", __print_flags(5, "|", {UNKNOWN, "a"}, {KNOWN, "k"})"#, "k|0x1"),
    // Numbers of the kernel's printf.
    (
        r#""%5d|%-5d|%05d|%+d|% d|%.3d|%#x|%#o|%X|%08.3d", 42, 42, 42, 42, 42, 42, 42, 42, 42, 42"#,
        "   42|42   |00042|+42| 42|042|0x2a|052|2A|00000042",
    ),
    (
        r#""%Lu %zu %ld %hhd", REC->q, REC->q, REC->q, REC->b"#,
        "9223372036854775813 9223372036854775813 -9223372036854775803 -1",
    ),
    (r#""100%%""#, "100%"),
    // Pointers.
    (r#""%p %px", REC->s, (void *)0"#, "0000000000001000 0000000000000000"),
    (
        r#""%pS %ps %pF %pS", REC->s, REC->s, REC->s, (void *)5"#,
        "here+0x4/0x8 [mod] here [mod] here+0x4/0x8 [mod] 0x5",
    ),
    (
        r#""%pI4 %pM %pmF", REC->bytes, REC->bytes, REC->bytes"#,
        "0.1.2.3 00:01:02:03:04:05 000102030405",
    ),
    (
        r#""%pI6 %pI6c", REC->bytes, REC->bytes"#,
        "0001:0203:0405:0607:0809:0a0b:0c0d:0e0f 1:203:405:607:809:a0b:c0d:e0f",
    ),
    (
        r#""%pU %pUl", REC->bytes, REC->bytes"#,
        "00010203-0405-0607-0809-0a0b0c0d0e0f 03020100-0504-0706-0809-0a0b0c0d0e0f",
    ),
    (
        r#""%*ph %*phC %3phN", 2, REC->bytes, 2, REC->bytes, REC->bytes"#,
        "00 01 00:01 000102",
    ),
    (
        r#""%llu.%09u", __print_ns_to_secs(1000000005), __print_ns_without_secs(1000000005)"#,
        "1.000000005",
    ),
];

fn event(print_fmt: &str) -> EventFormat {
    EventFormat::parse(&format!("{FIELDS}print fmt: {print_fmt}\n"), Abi::LP64).expect("a format")
}

#[test]
fn texts_are_as_in_c() {
    let text = |print_fmt| {
        event(print_fmt)
            .formatted(&raw(), &Strings)
            .map(|text| String::from_utf8_lossy(&text).into_owned())
    };
    let ours: Vec<_> = TEXTS
        .iter()
        .map(|(print_fmt, _)| (*print_fmt, text(print_fmt)))
        .collect();
    let expected: Vec<_> = TEXTS
        .iter()
        .map(|(print_fmt, expected)| (*print_fmt, Some((*expected).to_owned())))
        .collect();
    let wrong: Vec<_> = ours
        .iter()
        .zip(&expected)
        .filter(|(ours, expected)| ours != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_unknown_becomes_a_list_of_fields() {
    let unknown = [
        r#""%d", jiffies_to_msecs(REC->u)"#,
        r#""%d", some_variable"#,
        r#""%d %d", REC->i"#,
        r#""%d", REC->i / 0"#,
        r#""%y", REC->i"#,
        r#""%d", REC->nothing"#,
        r#""%d", ({ static int x; x; })"#,
        "nonsense (",
        "",
    ];
    let list = " i=0xfffffffe (-2) b=(255) u=0xfffffffe (-2) d=dyn q=0x8000000000000005 (-9223372036854775803) \
                bytes=0x0,0x1,0x2,0x3,0x4,0x5,0x6,0x7,0x8,0x9,0xa,0xb,0xc,0xd,0xe,0xf words=0x1,0x2 s=0x1000 (4096) \
                mask=0x200000007";
    for print_fmt in unknown {
        assert_eq!(
            String::from_utf8_lossy(&event(print_fmt).text(&raw(), &NoSymbols)),
            list,
            "{print_fmt}"
        );
    }
}

#[test]
fn what_a_format_needs_is_told() {
    assert!(event(r#""%pS", REC->s"#).names_addresses());
    assert!(!event(r#""%d", REC->i"#).names_addresses());
    assert!(event(r#""%s", REC->s"#).reads_kernel_strings());
}

#[test]
fn a_blank_in_front_of_the_text_stays() {
    let line = event(r#"" %d", 1"#).line(&raw(), &NoSymbols);
    assert_eq!(String::from_utf8_lossy(&line), format!("{}:  1", event("").name));
}
