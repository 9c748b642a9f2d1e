//! Fetch-args: what each means, what is none and where that shows, and that printing and reading are each other's inverse.

use ktap_bytecode::fetch::{FetchArg, FetchBase, FetchDeref, FetchType, MAX_ARRAY, MAX_DEREFS};
use ktap_bytecode::probe::ProbePoint;
use proptest::prelude::*;

use super::fetch::{Place, parse};
use super::parse_eventdef;
use super::split::Definition;
use crate::diagnostic::Code;
use crate::source::Span;

const KERNEL: Place = Place {
    user: false,
    ret: false,
};

fn read(text: &str, place: Place) -> Result<Vec<FetchArg>, String> {
    let definition = Definition {
        text,
        start: 0,
        filter: None,
    };
    parse(&definition, text, place).map_err(|error| format!("{}: {}", &text[error.start..error.end], error.label))
}

fn arg(name: &str, base: FetchBase, derefs: &[(i64, bool)], kind: FetchType, count: u8) -> FetchArg {
    FetchArg {
        name: name.into(),
        base,
        derefs: derefs
            .iter()
            .map(|&(offset, user)| FetchDeref { offset, user })
            .collect(),
        kind,
        count,
    }
}

#[test]
fn each_form_means_what_the_kernel_means() {
    use FetchBase::*;
    use FetchType::*;
    let register = |name: &str| Register(name.into());
    let bits = Bits {
        width: 3,
        shift: 2,
        container: 32,
    };
    for (text, expected) in [
        ("%di", arg("arg1", register("di"), &[], Hex(8), 0)),
        ("dfd=%di:s32", arg("dfd", register("di"), &[], Signed(4), 0)),
        (
            "name=+0(%si):string",
            arg("name", register("si"), &[(0, false)], String, 0),
        ),
        (
            "name=+u0(%si):ustring",
            arg("name", register("si"), &[(0, true)], UserString, 0),
        ),
        (
            "x=-8(+0x10(%x0))",
            arg("x", register("x0"), &[(16, false), (-8, false)], Hex(8), 0),
        ),
        ("$stack", arg("arg1", Stack, &[], Hex(8), 0)),
        ("$stack2:u16", arg("arg1", StackSlot(2), &[], Unsigned(2), 0)),
        ("a=$arg3:symbol", arg("a", Argument(3), &[], Symbol, 0)),
        ("$comm", arg("arg1", Comm, &[], String, 0)),
        ("s=$COMM:string", arg("s", Comm, &[], String, 0)),
        ("\\42", arg("arg1", Immediate(42), &[], Hex(8), 0)),
        ("\\-1:s8", arg("arg1", Immediate(-1), &[], Signed(1), 0)),
        ("t=\\\"a b=c:d\"", arg("t", Text("a b=c:d".into()), &[], String, 0)),
        ("\\\"x=y\"", arg("arg1", Text("x=y".into()), &[], String, 0)),
        (
            "@0xffffffff81000000:x32",
            arg("arg1", Address(0xffff_ffff_8100_0000), &[], Hex(4), 0),
        ),
        (
            "j=@jiffies-8:u64",
            arg(
                "j",
                FetchBase::Symbol {
                    name: "jiffies".into(),
                    offset: -8,
                },
                &[],
                Unsigned(8),
                0,
            ),
        ),
        ("c=+4(%di):char[16]", arg("c", register("di"), &[(4, false)], Char, 16)),
        (
            "+0($arg1):string[3]",
            arg("arg1", Argument(1), &[(0, false)], String, 3),
        ),
        ("b=%di:b3@2/32", arg("b", register("di"), &[], bits, 0)),
        (
            "@linux_banner:string",
            arg(
                "arg1",
                FetchBase::Symbol {
                    name: "linux_banner".into(),
                    offset: 0,
                },
                &[],
                String,
                0,
            ),
        ),
    ] {
        assert_eq!(read(text, KERNEL), Ok(vec![expected]), "{text}");
    }
    let names = |text| -> Vec<_> {
        read(text, KERNEL)
            .expect(text)
            .into_iter()
            .map(|arg| arg.name)
            .collect()
    };
    assert_eq!(names("%di  b=%si %dx"), ["arg1", "b", "arg3"]);
    assert!(names("").is_empty());
    let user = Place { user: true, ret: false };
    let file = arg("arg1", FileOffset(0x100), &[], Unsigned(4), 0);
    assert_eq!(read("@+0x100:u32", user), Ok(vec![file]));
    let ret = Place { user: false, ret: true };
    let retval = arg("r", Retval, &[(0, false)], String, 0);
    assert_eq!(read("r=+0($retval):string", ret), Ok(vec![retval]));
}

#[test]
fn what_is_none_says_where_and_why() {
    let deep = format!("{}%di{}", "+0(".repeat(MAX_DEREFS + 1), ")".repeat(MAX_DEREFS + 1));
    for (text, expected) in [
        ("x", "x: 'x' is nothing to fetch"),
        ("x=", "x=: there is nothing to fetch"),
        ("=%di", "=%di: '' is no name"),
        ("9a=%di", "9a: '9a' is no name"),
        ("a.b=%di", "a.b: 'a.b' is no name"),
        ("common_pid=%di", "common_pid: 'common_pid' is a field of every event"),
        ("a=%di a=%si", "a=%si: the name 'a' is used twice"),
        ("a=%di arg3=%si %dx", "%dx: the name 'arg3' is used twice"),
        ("a=%di b=%", "%: '%' is no register"),
        ("a=%di b=$foo", "$foo: '$foo' is unknown"),
        ("$arg0", "$arg0: arguments are $arg1 .. $arg8"),
        ("$arg9", "$arg9: arguments are $arg1 .. $arg8"),
        ("$retval", "$retval: only a return probe has a return value"),
        ("a=+8%di", "+8%di: a dereference has its address in parentheses"),
        ("a=+8(%di", "+8(%di: the ) is missing"),
        ("a=+8()", "+8(): there is nothing to fetch"),
        ("a=+(%di)", "+(%di): '' is no offset"),
        ("a=+zz(%di)", "zz: 'zz' is no offset"),
        ("a=+8(+x(%di))", "x: 'x' is no offset"),
        ("a=%di:u7", "u7: 'u7' is no type"),
        ("a=%di:", "a=%di:: '' is no type"),
        ("a=%di:b9@0/8", "b9@0/8: 'b9@0/8' is no bit field"),
        ("a=+0(%di):u8[65]", "u8[65]: '[65]' is no number of elements"),
        ("a=+0(%di):u8[0]", "u8[0]: '[0]' is no number of elements"),
        (
            "a=%di:string",
            "a=%di:string: a string is read from memory, and this is a value",
        ),
        (
            "a=%di:u8[4]",
            "a=%di:u8[4]: an array is read from memory, and this is a value",
        ),
        ("a=$comm:u8", "a=$comm:u8: this is a text: its type is string"),
        ("a=+0($comm)", "a=+0($comm): a text is no address"),
        ("a=\\", "\\: '' is no number"),
        ("a=\\x", "\\x: 'x' is no number"),
        ("a=\\\"b", "\\\"b: the text is not closed"),
        ("a=@", "@: '' is no symbol"),
        ("a=@0xz", "@0xz: '0xz' is no address"),
        ("a=@sym+", "@sym+: '+' is no offset"),
        ("a=@+4", "@+4: only a program's or library's probe has a file"),
        (&deep, "+0(%di): more than 16 dereferences in one another"),
    ] {
        assert_eq!(read(text, KERNEL).expect_err(text), expected, "{text}");
    }
    let user = Place { user: true, ret: false };
    let error = read("a=@jiffies", user).expect_err("a symbol in a program");
    assert_eq!(error, "@jiffies: symbols of the kernel are no part of a program");
    let ret = Place { user: false, ret: true };
    let error = read("a=$arg1", ret).expect_err("arguments at the return");
    assert_eq!(error, "$arg1: a return probe has no arguments any more");
}

#[test]
fn an_error_points_at_its_place_in_the_script() {
    let text = "a:b, probe:f x=%di y=+8(%si /y == 1/";
    let error = parse_eventdef(text, Span::new(100, 100 + text.len())).expect_err("no parenthesis");
    assert_eq!(error.code, Code::BadFetchArg);
    assert_eq!(error.message, "cannot parse fetch-arg '+8(%si'");
    let at = 100 + text.find("+8(").expect("it is there");
    assert_eq!(error.primary.span, Span::new(at, at + 6));
}

#[test]
fn uprobes_and_return_probes_know_where_they_are() {
    let args = |text: &str| {
        let points = parse_eventdef(text, Span::new(0, text.len())).unwrap_or_else(|error| panic!("{error:?}"));
        points[0].args().len()
    };
    assert_eq!(args("probe:/bin/a:main x=%di y=@+16:u32"), 2);
    assert_eq!(args("probe:f%return $retval"), 1);
    assert!(matches!(
        parse_eventdef("sdt:/bin/a:b", Span::new(0, 12)).as_deref(),
        Ok([ProbePoint::Sdt { args, bound: None, .. }]) if args.is_empty()
    ));
}

fn base() -> impl Strategy<Value = FetchBase> {
    prop_oneof![
        "[a-z][a-z0-9]{0,5}".prop_map(FetchBase::Register),
        any::<u16>().prop_map(FetchBase::StackSlot),
        Just(FetchBase::Stack),
        (1u8..=8).prop_map(FetchBase::Argument),
        any::<i64>().prop_map(FetchBase::Immediate),
        any::<u64>().prop_map(FetchBase::Address),
        ("[a-z_][a-z0-9_.]{0,9}", any::<i64>()).prop_map(|(name, offset)| FetchBase::Symbol { name, offset }),
    ]
}

fn kind() -> impl Strategy<Value = (FetchType, u8)> {
    let bytes = || prop_oneof![Just(1u8), Just(2), Just(4), Just(8)];
    let bits = (0u8..4, 1u8..=64, 0u8..64)
        .prop_map(|(size, width, shift)| (8u8 << size, width, shift))
        .prop_filter("lies inside", |(container, width, shift)| width + shift <= *container)
        .prop_map(|(container, width, shift)| FetchType::Bits {
            width,
            shift,
            container,
        });
    let one = prop_oneof![
        bytes().prop_map(FetchType::Unsigned),
        bytes().prop_map(FetchType::Signed),
        bytes().prop_map(FetchType::Hex),
        Just(FetchType::Char),
        Just(FetchType::Symbol),
        Just(FetchType::String),
        Just(FetchType::UserString),
        bits,
    ];
    (one, 0..=MAX_ARRAY)
}

fn fetch_arg() -> impl Strategy<Value = FetchArg> {
    let deref = (any::<i64>(), any::<bool>()).prop_map(|(offset, user)| FetchDeref { offset, user });
    // What is in memory takes every type.
    let memory = (base(), proptest::collection::vec(deref, 1..=MAX_DEREFS), kind())
        .prop_map(|(base, derefs, (kind, count))| (base, derefs, kind, count));
    let value = base().prop_map(|base| (base, Vec::new(), FetchType::Hex(8), 0));
    let text = "[ -!#-~]{0,20}".prop_map(|text| (FetchBase::Text(text), Vec::new(), FetchType::String, 0));
    ("x_[a-z0-9_]{0,8}", prop_oneof![memory, value, text]).prop_map(|(name, (base, derefs, kind, count))| FetchArg {
        name,
        base,
        derefs,
        kind,
        count,
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(arg in fetch_arg()) {
        let text = arg.to_string();
        prop_assert_eq!(read(&text, KERNEL), Ok(vec![arg]), "{}", text);
    }

    #[test]
    fn any_text_is_an_answer(text in "[ -~]{0,60}") {
        let _ = read(&text, KERNEL);
        let _ = parse_eventdef(&format!("probe:f {text}"), Span::new(0, text.len() + 8));
    }

    #[test]
    fn nearly_right_text_is_an_answer(text in "[-+@$%\\\\\"=:()\\[\\]uxsb0-9a ]{0,40}") {
        let _ = read(&text, KERNEL);
    }
}
