//! Programs: names and marks to places of the file, and files that lie.

mod sample;

use ktap_symbols::elf::{Elf, ElfError, Function, MarkArg};
use proptest::prelude::*;
use sample::{CODE, DATA, Note, Symbol, file};

const X86_64: u16 = 62;

fn symbols() -> Vec<Symbol<'static>> {
    vec![
        ("main", CODE.0, 0x40, 2, true),
        ("helper", CODE.0 + 0x40, 0x10, 2, true),
        ("helper", CODE.0 + 0x50, 0x10, 2, true),
        // Two names of one place.
        ("malloc", CODE.0 + 0x60, 0x20, 2, true),
        ("__libc_malloc", CODE.0 + 0x60, 0x20, 2, true),
        ("strlen@@GLIBC_2.2", CODE.0 + 0x80, 0x10, 10, true),
        // A function of another file, with the place of its stub.
        ("puts", CODE.0 + 0x100, 0, 2, false),
        // Not in code, and not in the file.
        ("odd", DATA.0, 8, 2, true),
        ("far", CODE.0 + 0x1800, 8, 2, true),
        ("counter", DATA.0 + 0x10, 8, 1, true),
    ]
}

fn notes() -> Vec<Note<'static>> {
    let base = 0x50_0000;
    vec![
        (
            CODE.0 + 8,
            base,
            DATA.0 + 0x20,
            "demo",
            "start",
            "-4@%edi 8@-8(%rbp) 8f@%xmm0",
        ),
        (CODE.0 + 0x48, base, 0, "demo", "start", "4@counter(%rip)"),
        (CODE.0 + 0x10, base, 0, "other", "stop", ""),
        // Leads out of the code.
        (DATA.0, base, 0, "demo", "nowhere", ""),
    ]
}

fn program() -> Elf {
    Elf::parse(&file(X86_64, &symbols(), &notes(), 0x50_0000)).expect("a program")
}

fn places(found: Result<Vec<Function>, ElfError>) -> Result<Vec<(String, u64)>, String> {
    found
        .map(|functions| functions.into_iter().map(|f| (f.name, f.offset)).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn names_and_globs_are_places_of_the_file() {
    let elf = program();
    let find = |name: &str, offset| places(elf.functions(name, offset));
    let one = |name: &str, offset: u64| Ok(vec![(name.to_string(), offset)]);
    assert_eq!(find("main", 0), one("main", CODE.1));
    assert_eq!(find("main", 4), one("main", CODE.1 + 4));
    assert_eq!(find("__libc_malloc", 0), one("__libc_malloc", CODE.1 + 0x60));
    assert_eq!(find("helper", 0).map(|found| found.len()), Ok(2));
    // One place has one point, whatever its names; what has no place is no match of a glob.
    assert_eq!(find("*malloc", 0), one("malloc", CODE.1 + 0x60));
    assert_eq!(find("*", 0).map(|found| found.len()), Ok(4));
    assert_eq!(find("*", 0x18).map(|found| found.len()), Ok(2));
}

#[test]
fn what_has_no_place_says_why() {
    let elf = program();
    let find = |name: &str, offset| places(elf.functions(name, offset)).expect_err(name);
    assert_eq!(find("mian", 0), "it has no function `mian`");
    assert_eq!(find("x*", 0), "it has no function `x*`");
    // What only its own stub calls is another file's.
    assert_eq!(find("puts", 0), "it has no function `puts`");
    assert_eq!(find("main", 0x40), "`main` has only 64 bytes, 64 is behind it");
    assert_eq!(find("odd", 0), "0x404000 is no place in its code");
    assert_eq!(find("far", 0), "0x402800 is no place in its code");
    assert!(find("strlen", 0).starts_with("`strlen` is chosen when the program starts"));
    assert_eq!(elf.check_offset(CODE.1 + 0xfff), Ok(()));
    assert_eq!(elf.check_offset(CODE.1 + 0x1000), Err(ElfError::NotCode(0x2000)));
    let stripped = Elf::parse(&file(X86_64, &[], &[], 0)).expect("a program");
    assert_eq!(stripped.functions("main", 0), Err(ElfError::Stripped));
    assert_eq!(stripped.marks("x").err(), Some(ElfError::NoMarks));
    assert!(matches!(Elf::parse(b"#!/bin/sh\n"), Err(ElfError::NotElf(_))));
    assert!(matches!(Elf::parse(b""), Err(ElfError::NotElf(_))));
    assert_eq!(elf.marks("strat").err(), Some(ElfError::NoMark("strat".into())));
    assert!(elf.function_names().any(|name| name == "main"));
    assert!(elf.mark_names().any(|name| name == "stop"));
}

#[test]
fn marks_have_places_counters_and_arguments() {
    let elf = program();
    let start = elf.marks("start").expect("it is there");
    assert_eq!(start.len(), 2);
    assert_eq!((start[0].offset, start[0].ref_ctr), (CODE.1 + 8, DATA.1 + 0x20));
    assert_eq!((start[1].offset, start[1].ref_ctr), (CODE.1 + 0x48, 0));
    let text = |arg: &MarkArg| match arg {
        MarkArg::Fetch(arg) => arg.to_string(),
        MarkArg::Unreachable(text) => format!("? {text}"),
    };
    let args = |index: usize| start[index].args.iter().map(text).collect::<Vec<_>>();
    assert_eq!(args(0), ["arg1=%di:s32", "arg2=-u8(%bp):u64", "? 8f@%xmm0"]);
    assert_eq!(args(1), ["arg1=@+0x2010:u32"]);
    assert_eq!(elf.marks("*").map(|marks| marks.len()), Ok(3));
    assert_eq!(
        elf.marks("other:*").map(|marks| marks[0].name.clone()),
        Ok("stop".into())
    );
    assert!(elf.marks("demo:stop").is_err());
    assert!(elf.marks("nowhere").is_err());
}

#[test]
fn marks_of_a_file_that_was_moved_move_with_it() {
    // Linked with the base section 0x1000 lower than it is now.
    let elf = Elf::parse(&file(X86_64, &symbols(), &notes(), 0x50_0100)).expect("a program");
    let marks = elf.marks("stop").expect("it is there");
    assert_eq!(marks[0].offset, CODE.1 + 0x110);
}

#[test]
fn arguments_on_other_processors() {
    let note = [(CODE.0, 0, 0, "demo", "m", "-4@w0 8@[sp, 24]")];
    let elf = Elf::parse(&file(183, &symbols(), &note, 0)).expect("a program");
    let args = &elf.marks("m").expect("it is there")[0].args;
    assert!(matches!(&args[0], MarkArg::Fetch(arg) if arg.to_string() == "arg1=%x0:s32"));
    // Forms of a processor that is not known stay as they are.
    let elf = Elf::parse(&file(243, &symbols(), &note, 0)).expect("a program");
    let args = &elf.marks("m").expect("it is there")[0].args;
    assert_eq!(args[1], MarkArg::Unreachable("8@[sp, 24]".into()));
}

#[test]
fn a_real_program() {
    let bytes = std::fs::read("/proc/self/exe").expect("the test itself");
    let elf = Elf::parse(&bytes).expect("a program");
    let main = elf.functions("main", 0).expect("main");
    assert_eq!(main.len(), 1);
    assert_eq!(elf.check_offset(main[0].offset), Ok(()));
}

proptest! {
    #[test]
    fn files_that_lie_are_no_danger(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut bytes = file(X86_64, &symbols(), &notes(), 0x50_0000);
        let len = bytes.len();
        // What counts is at the two ends.
        for (at, value) in changes {
            let at = at.index(2048);
            let at = if at < 256 { at } else { len - 1 - (at - 256).min(len - 257) };
            bytes[at] = value;
        }
        if let Ok(elf) = Elf::parse(&bytes) {
            for found in elf.functions("*", 0).unwrap_or_default() {
                prop_assert!(found.offset < len as u64);
            }
            for mark in elf.marks("*").unwrap_or_default() {
                prop_assert!(mark.offset < len as u64 && mark.ref_ctr < len as u64);
            }
        }
    }

    #[test]
    fn cut_files_are_no_danger(len in 0usize..0x3600) {
        let bytes = file(X86_64, &symbols(), &notes(), 0x50_0000);
        let _ = Elf::parse(&bytes[..len.min(bytes.len())]);
    }
}
