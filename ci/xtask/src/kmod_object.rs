//! Checks the Rust object of the kernel module: all that it needs is given by the kernel or by the glue.
//!
//! In: a relocatable ELF object. Out: nothing, or every symbol that nothing gives, with the functions that refer to it. Invariant: a panic
//! path is such a symbol, for core is not linked.

use std::collections::BTreeMap;

use crate::error::XtaskError;

/// The kind of a section of symbols.
const SYMBOLS: u32 = 2;

/// What every kernel exports and compilers call without being told.
const GIVEN: &[&str] = &["memcpy", "memset", "memmove", "memcmp", "__x86_return_thunk"];

/// What begins the names of the kernel's thunks for indirect jumps, and of what the glue gives.
const GIVEN_PREFIXES: &[&str] = &["__x86_indirect_thunk_", "kph_"];

/// Refuses an object that needs what nothing gives.
pub fn check(bytes: &[u8], place: &str) -> Result<(), XtaskError> {
    let bad = |problem: String| XtaskError::BadFile {
        place: place.to_owned(),
        problem,
    };
    let needed = undefined(bytes).ok_or_else(|| bad("is no relocatable 64-bit ELF file".into()))?;
    let refused: Vec<String> = needed
        .iter()
        .filter(|(name, _)| !is_given(name))
        .map(|(name, users)| format!("  {name}\n    needed by {}", users.join(", ")))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(bad(format!(
        "needs what neither the kernel nor the glue gives; most often a panic path, which must not be there:\n{}",
        refused.join("\n")
    )))
}

/// Tells whether an object gives anything; crates all of whose functions went into the last one leave empty ones.
pub fn gives_anything(bytes: &[u8]) -> bool {
    let symbols = || {
        let sections = sections(bytes)?;
        let table = sections.iter().find(|section| section.kind == SYMBOLS)?;
        symbols(bytes, table, sections.get(table.link as usize)?)
    };
    symbols().is_some_and(|symbols| symbols.iter().any(|symbol| symbol.global && symbol.section != 0))
}

fn is_given(name: &str) -> bool {
    GIVEN.contains(&name) || GIVEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns each undefined symbol with the functions that refer to it; `None` if this is no such object.
fn undefined(bytes: &[u8]) -> Option<BTreeMap<String, Vec<String>>> {
    const RELOCATIONS: u32 = 4;
    // \x7fELF, 64 bits, little endian.
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let sections = sections(bytes)?;
    let table = sections.iter().find(|section| section.kind == SYMBOLS)?;
    let symbols = symbols(bytes, table, sections.get(table.link as usize)?)?;
    let mut needed = BTreeMap::new();
    for symbol in symbols.iter().skip(1) {
        if symbol.section == 0 {
            needed.insert(symbol.name.clone(), Vec::new());
        }
    }
    for section in sections.iter().filter(|section| section.kind == RELOCATIONS) {
        for entry in body(bytes, section)?.chunks_exact(24) {
            let offset = long(entry, 0)?;
            let symbol = symbols.get(word(entry, 12)? as usize)?;
            if let Some(users) = needed.get_mut(&symbol.name).filter(|_| symbol.section == 0) {
                let user = function_at(&symbols, section.info, offset);
                if !users.contains(&user) {
                    users.push(user);
                }
            }
        }
    }
    Some(needed)
}

fn function_at(symbols: &[Symbol], section: u32, offset: u64) -> String {
    let holds = |symbol: &&Symbol| {
        u32::from(symbol.section) == section
            && !symbol.name.is_empty()
            && (symbol.value..symbol.value + symbol.size.max(1)).contains(&offset)
    };
    symbols
        .iter()
        .find(holds)
        .map_or_else(|| format!("section {section}"), |symbol| symbol.name.clone())
}

struct Section {
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
    info: u32,
}

struct Symbol {
    name: String,
    global: bool,
    section: u16,
    value: u64,
    size: u64,
}

fn sections(bytes: &[u8]) -> Option<Vec<Section>> {
    let start = usize::try_from(long(bytes, 0x28)?).ok()?;
    let size = usize::from(half(bytes, 0x3a)?);
    let mut count = usize::from(half(bytes, 0x3c)?);
    if count == 0 {
        // More sections than 16 bits count: the first one's size tells.
        count = usize::try_from(long(bytes, start + 0x20)?).ok()?;
    }
    (0..count)
        .map(|index| {
            let header = bytes.get(start + index * size..)?.get(..64)?;
            Some(Section {
                kind: word(header, 4)?,
                offset: long(header, 24)?,
                size: long(header, 32)?,
                link: word(header, 40)?,
                info: word(header, 44)?,
            })
        })
        .collect()
}

fn symbols(bytes: &[u8], table: &Section, names: &Section) -> Option<Vec<Symbol>> {
    let names = body(bytes, names)?;
    let entries = body(bytes, table)?.chunks_exact(24);
    entries
        .map(|entry| {
            let name = names.get(word(entry, 0)? as usize..)?;
            let end = name.iter().position(|byte| *byte == 0)?;
            Some(Symbol {
                name: String::from_utf8_lossy(&name[..end]).into_owned(),
                global: entry.get(4)? >> 4 == 1,
                section: half(entry, 6)?,
                value: long(entry, 8)?,
                size: long(entry, 16)?,
            })
        })
        .collect()
}

fn body<'a>(bytes: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    let start = usize::try_from(section.offset).ok()?;
    bytes.get(start..)?.get(..usize::try_from(section.size).ok()?)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Compiles C, as a stand-in for Rust with and without panics.
    fn object(source: &str) -> Vec<u8> {
        let directory = std::env::temp_dir().join(format!("ktap-object-{}-{}", std::process::id(), source.len()));
        std::fs::create_dir_all(&directory).expect("made");
        let (c, o) = (directory.join("a.c"), directory.join("a.o"));
        std::fs::write(&c, source).expect("written");
        let done = Command::new("gcc")
            .args(["-O0", "-ffunction-sections", "-c", "-o"])
            .args([&o, &c])
            .status();
        assert!(done.expect("gcc runs").success());
        let bytes = std::fs::read(&o).expect("read");
        std::fs::remove_dir_all(&directory).expect("removed");
        bytes
    }

    #[test]
    fn what_glue_and_kernel_give_passes() {
        let bytes = object(
            "void kph_free(void *); void *memcpy(void *, const void *, unsigned long); void f(void *a) { kph_free(memcpy(a, a, 9)); }",
        );
        check(&bytes, "it").expect("passes");
        assert!(gives_anything(&bytes));
        assert!(!gives_anything(&object("extern int other; static int quiet;")));
    }

    #[test]
    fn a_panic_path_is_named_with_its_user() {
        let bytes = object("void panic_bounds(void); void ok(void) {} void guilty(int a) { if (a) panic_bounds(); }");
        let said = check(&bytes, "it").expect_err("refused").to_string();
        assert!(said.contains("panic_bounds\n    needed by guilty"), "{said}");
        assert!(!said.contains("ok"), "{said}");
    }

    #[test]
    fn another_file_is_refused() {
        assert!(check(b"\x7fELF\x01\x01", "it").is_err());
        assert!(check(b"", "it").is_err());
    }
}
