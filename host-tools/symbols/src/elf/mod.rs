//! Programs and libraries of a board: their functions and static marks, as places in the file.
//!
//! In: a file's bytes. Out: [`Elf`]. Invariant: every place given out lies in the file, in a part that is mapped to be run; a file that lies about
//! itself gives an error or another place in itself, never a panic.

mod marks;
mod sdt_args;
mod segments;

use std::collections::BTreeMap;

use goblin::elf::header::EM_AARCH64;
use goblin::elf::header::EM_X86_64;
use goblin::elf::section_header::SHN_UNDEF;
use goblin::elf::sym::{STT_FUNC, STT_GNU_IFUNC, STT_OBJECT, Sym};
use goblin::strtab::Strtab;
use ktap_bytecode::glob;

pub use marks::Mark;
pub use sdt_args::MarkArg;
use segments::Segments;

/// Why a file, or a place in it, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is no ELF file, or a broken one.
    #[error("it is no program or library: {0}")]
    NotElf(String),
    /// It has no names.
    #[error("it is stripped: it has no names of functions; use probe:/PATH:0xOFFSET")]
    Stripped,
    /// No function has the name.
    #[error("it has no function `{0}`")]
    NoFunction(String),
    /// The function is chosen when the program starts.
    #[error("`{0}` is chosen when the program starts, among several functions: name one of them")]
    Indirect(String),
    /// The offset is behind the function.
    #[error("`{name}` has only {size} bytes, {offset} is behind it")]
    BehindFunction {
        /// The function.
        name: String,
        /// Its bytes.
        size: u64,
        /// The offset asked for.
        offset: u64,
    },
    /// The place is not in what is mapped to be run.
    #[error("{0:#x} is no place in its code")]
    NotCode(u64),
    /// It has no marks at all.
    #[error("it has no static marks")]
    NoMarks,
    /// No mark has the name.
    #[error("it has no static mark `{0}`")]
    NoMark(String),
}

/// A function's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Byte of the file.
    pub offset: u64,
}

/// A symbol of the file.
#[derive(Clone, Debug)]
struct Symbol {
    name: String,
    address: u64,
    size: u64,
    indirect: bool,
}

/// A program or library.
#[derive(Clone, Debug)]
pub struct Elf {
    segments: Segments,
    /// Functions in order of their addresses.
    functions: Vec<Symbol>,
    marks: Vec<Mark>,
}

impl Elf {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no ELF file.
    pub fn parse(bytes: &[u8]) -> Result<Elf, ElfError> {
        let elf = goblin::elf::Elf::parse(bytes).map_err(|error| ElfError::NotElf(error.to_string()))?;
        let segments = Segments::of(&elf, bytes.len() as u64);
        let mut functions = Vec::new();
        let mut objects = BTreeMap::new();
        // The full table first: of two names for one place the first is kept for globs.
        collect(elf.syms.iter(), &elf.strtab, &mut functions, &mut objects);
        collect(elf.dynsyms.iter(), &elf.dynstrtab, &mut functions, &mut objects);
        functions.sort_by_key(|function| function.address);
        let registers = match elf.header.e_machine {
            EM_X86_64 => Some(sdt_args::Registers::X86_64),
            EM_AARCH64 => Some(sdt_args::Registers::Aarch64),
            _ => None,
        };
        let context = sdt_args::Context {
            registers,
            symbol: &|name| objects.get(name).and_then(|&address| segments.data_offset(address)),
        };
        let marks = marks::read(&elf, bytes, &segments, &context);
        Ok(Elf {
            segments,
            functions,
            marks,
        })
    }

    /// Returns the places `offset` bytes behind the functions that a name or glob means; one for each place.
    ///
    /// # Errors
    /// There is none, or `offset` leads out of it.
    pub fn functions(&self, name: &str, offset: u64) -> Result<Vec<Function>, ElfError> {
        if self.functions.is_empty() {
            return Err(ElfError::Stripped);
        }
        let glob = glob::is_glob(name.as_bytes());
        let mut found: Vec<Function> = Vec::new();
        let mut indirect = false;
        for function in &self.functions {
            if !glob::matches(name.as_bytes(), function.name.as_bytes()) {
                continue;
            }
            if function.indirect {
                indirect = true;
                continue;
            }
            if function.size > 0 && offset >= function.size {
                if glob {
                    continue;
                }
                return Err(ElfError::BehindFunction {
                    name: function.name.clone(),
                    size: function.size,
                    offset,
                });
            }
            let address = function.address.wrapping_add(offset);
            match self.segments.code_offset(address) {
                Some(offset) if found.iter().all(|other| other.offset != offset) => found.push(Function {
                    name: function.name.clone(),
                    offset,
                }),
                Some(_) => {}
                None if glob => {}
                None => return Err(ElfError::NotCode(address)),
            }
        }
        match (found.is_empty(), indirect && !glob) {
            (false, _) => Ok(found),
            (true, true) => Err(ElfError::Indirect(name.into())),
            (true, false) => Err(ElfError::NoFunction(name.into())),
        }
    }

    /// Checks that a byte of the file is code.
    ///
    /// # Errors
    /// It is not.
    pub fn check_offset(&self, offset: u64) -> Result<(), ElfError> {
        if self.segments.is_code(offset) {
            Ok(())
        } else {
            Err(ElfError::NotCode(offset))
        }
    }

    /// Returns the marks a name or glob means; `PROVIDER:NAME` means only that provider's.
    ///
    /// # Errors
    /// There is none.
    pub fn marks(&self, name: &str) -> Result<Vec<&Mark>, ElfError> {
        if self.marks.is_empty() {
            return Err(ElfError::NoMarks);
        }
        let (provider, mark) = name.split_once(':').unwrap_or(("*", name));
        let means = |pattern: &str, text: &str| glob::matches(pattern.as_bytes(), text.as_bytes());
        let found: Vec<&Mark> = self
            .marks
            .iter()
            .filter(|m| means(provider, &m.provider) && means(mark, &m.name))
            .collect();
        if found.is_empty() {
            return Err(ElfError::NoMark(name.into()));
        }
        Ok(found)
    }

    /// Returns the names of all functions, for suggestions.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|function| function.name.as_str())
    }

    /// Returns the names of all marks, for suggestions.
    pub fn mark_names(&self) -> impl Iterator<Item = &str> {
        self.marks.iter().map(|mark| mark.name.as_str())
    }
}

/// Takes functions and data that the file itself defines: what is only called in another file has its place there.
fn collect(
    symbols: impl Iterator<Item = Sym>,
    names: &Strtab<'_>,
    functions: &mut Vec<Symbol>,
    objects: &mut BTreeMap<String, u64>,
) {
    for symbol in symbols {
        let Some(name) = names.get_at(symbol.st_name).filter(|name| !name.is_empty()) else {
            continue;
        };
        if symbol.st_shndx == SHN_UNDEF as usize || symbol.st_value == 0 {
            continue;
        }
        // `name@@VERSION` in some tables.
        let name = name.split('@').next().unwrap_or(name).to_string();
        match symbol.st_type() {
            STT_FUNC | STT_GNU_IFUNC => functions.push(Symbol {
                name,
                address: symbol.st_value,
                size: symbol.st_size,
                indirect: symbol.st_type() == STT_GNU_IFUNC,
            }),
            STT_OBJECT => {
                objects.entry(name).or_insert(symbol.st_value);
            }
            _ => {}
        }
    }
}
