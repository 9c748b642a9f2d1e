//! The kernel's symbol table.
//!
//! In: the text of `/proc/kallsyms` or of a `System.map`. Out: [`Kallsyms`]. Invariant: entries are sorted by address and every
//! index into the texts was made from them.

use std::ops::Range;

use crate::symbol::{Symbol, Symbolize};

/// No module: the kernel itself.
const BUILT_IN: u16 = 0;
/// Bytes that the last symbol is taken to cover: nothing tells its size.
const LAST_BYTES: u64 = 4096;
/// A symbol that would be larger is the last one before a hole, as between the kernel and its modules.
const MAX_BYTES: u64 = 16 << 20;

/// 24 bytes a symbol; names live in one text.
#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    name: u32,
    len: u16,
    module: u16,
    kind: u8,
}

/// A sorted symbol table.
#[derive(Clone, Debug, Default)]
pub struct Kallsyms {
    names: String,
    modules: Vec<String>,
    entries: Vec<Entry>,
    /// Indices into `entries`, sorted by name.
    by_name: Vec<u32>,
}

impl Kallsyms {
    /// Reads lines of `address kind name [module]`; lines of another form and address 0 (a kernel that hides them) are skipped.
    pub fn parse(text: &str) -> Kallsyms {
        let mut table = Kallsyms {
            modules: vec![String::new()],
            ..Kallsyms::default()
        };
        for line in text.lines() {
            table.add_line(line);
        }
        // A stable sort keeps the order of the file among aliases, which is the kernel's own preference.
        table.entries.sort_by_key(|entry| entry.address);
        let mut by_name: Vec<u32> = (0..table.entries.len() as u32).collect();
        by_name.sort_by_key(|&index| table.name(index as usize));
        table.by_name = by_name;
        table
    }

    fn add_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let kind = *words.next()?.as_bytes().first()?;
        let name = words.next()?;
        let module = words
            .next()
            .map(|word| word.trim_matches(['[', ']']))
            .unwrap_or_default();
        // Absolute symbols and the offsets of per-CPU variables cover no code.
        if address == 0 || kind.eq_ignore_ascii_case(&b'a') || kind == b'U' {
            return None;
        }
        let module = self.module_index(module)?;
        let start = u32::try_from(self.names.len()).ok()?;
        let len = u16::try_from(name.len()).ok()?;
        self.names.push_str(name);
        self.entries.push(Entry {
            address,
            name: start,
            len,
            module,
            kind,
        });
        Some(())
    }

    fn module_index(&mut self, name: &str) -> Option<u16> {
        // Symbols of one module stand together: the last one is nearly always the right one.
        let found = self.modules.iter().rposition(|known| known == name);
        let index = found.unwrap_or_else(|| {
            self.modules.push(name.to_owned());
            self.modules.len() - 1
        });
        u16::try_from(index).ok()
    }

    /// Moves every symbol of the kernel itself by `slide` bytes, for a table that was made before KASLR moved it; modules stay.
    pub fn with_slide(mut self, slide: u64) -> Kallsyms {
        for entry in &mut self.entries {
            if entry.module == BUILT_IN {
                entry.address = entry.address.wrapping_add(slide);
            }
        }
        let mut order: Vec<u32> = (0..self.entries.len() as u32).collect();
        order.sort_by_key(|&index| self.entries[index as usize].address);
        let mut place = vec![0u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        self.entries = order.iter().map(|&index| self.entries[index as usize]).collect();
        for index in &mut self.by_name {
            *index = place[*index as usize];
        }
        self
    }

    /// Returns how far the kernel of this table lies from where `board`, a part of the running kernel's table, has it; nothing if the two are
    /// not of one kernel, or if there is too little to tell.
    pub fn slide_to(&self, board: &Kallsyms) -> Option<u64> {
        let mut slides: Vec<u64> = Vec::new();
        for (index, entry) in board.entries.iter().enumerate().filter(|(_, e)| e.module == BUILT_IN) {
            let mut here = self.addresses(board.name(index));
            // A name that is used twice tells nothing.
            if let (Some(address), None) = (here.next(), here.next()) {
                slides.push(entry.address.wrapping_sub(address));
            }
        }
        slides.sort_unstable();
        // Of one kernel all are the same but for a few that are no places of its image.
        let middle = *slides.get(slides.len() / 2)?;
        let same = slides.iter().filter(|&&slide| slide == middle).count();
        (same >= 4 && same * 10 >= slides.len() * 8).then_some(middle)
    }

    /// Returns the number of symbols.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if there is none, as where `kptr_restrict` hides the addresses.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn name(&self, index: usize) -> &str {
        let text = |entry: &Entry| {
            let start = entry.name as usize;
            self.names.get(start..start + entry.len as usize)
        };
        self.entries.get(index).and_then(text).unwrap_or_default()
    }

    /// Returns what covers `address`: the last symbol at or before it, which reaches to the next one.
    pub fn lookup(&self, address: u64) -> Option<Symbol<'_>> {
        let after = self.entries.partition_point(|entry| entry.address <= address);
        let start = self.entries.get(after.checked_sub(1)?)?.address;
        let size = self.entries.get(after).map_or(LAST_BYTES, |next| next.address - start);
        if size > MAX_BYTES || address - start >= size {
            return None;
        }
        // Of several names for one address the first is the kernel's own choice.
        let first = self.entries.partition_point(|entry| entry.address < start);
        let entry = self.entries.get(first)?;
        let module = self
            .modules
            .get(entry.module as usize)
            .map(String::as_str)
            .filter(|name| !name.is_empty());
        Some(Symbol {
            name: self.name(first),
            offset: address - start,
            size,
            module,
        })
    }

    /// Returns the addresses of the symbols named so, in address order.
    pub fn addresses<'s>(&'s self, name: &'s str) -> impl Iterator<Item = u64> + 's {
        self.named(name).map(|index| self.entries[index].address)
    }

    /// Returns each symbol with its address and its kind letter (`T` and `t` are code).
    pub fn iter(&self) -> impl Iterator<Item = (u64, char, &str)> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.address, entry.kind as char, self.name(index)))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = usize> + '_ {
        let start = self.by_name.partition_point(|&index| self.name(index as usize) < name);
        let rest = self.by_name.get(start..).unwrap_or_default();
        let count = rest.partition_point(|&index| self.name(index as usize) <= name);
        let range: Range<usize> = start..start + count;
        self.by_name
            .get(range)
            .unwrap_or_default()
            .iter()
            .map(|&index| index as usize)
    }
}

impl Symbolize for Kallsyms {
    fn symbol(&self, address: u64) -> Option<Symbol<'_>> {
        self.lookup(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t schedule
ffffffff81000180 T vfs_read
ffffffffc0000000 t helper\t[tun]
ffffffffc0000040 t helper\t[tap]
nonsense
";

    #[test]
    fn looks_up_by_address() {
        let table = Kallsyms::parse(TEXT);
        let show = |address| table.lookup(address).map(|symbol| symbol.to_string());
        assert_eq!(show(0x10), None);
        assert_eq!(show(0xffffffff81000000).as_deref(), Some("_stext+0x0/0x100"));
        assert_eq!(show(0xffffffff8100017f).as_deref(), Some("schedule+0x7f/0x80"));
        assert_eq!(show(0xffffffffc0000001).as_deref(), Some("helper+0x1/0x40 [tun]"));
        assert_eq!(show(0xffffffffc0000041).as_deref(), Some("helper+0x1/0x1000 [tap]"));
        // Behind the last symbol, and in the hole before the modules.
        assert_eq!(show(u64::MAX), None);
        assert_eq!(show(0xffffffff81000181), None);
    }

    #[test]
    fn looks_up_by_name() {
        let table = Kallsyms::parse(TEXT);
        let all = |name| table.addresses(name).collect::<Vec<_>>();
        assert_eq!(all("vfs_read"), [0xffffffff81000180]);
        assert_eq!(all("helper"), [0xffffffffc0000000, 0xffffffffc0000040]);
        assert_eq!(all("nothing"), []);
        assert_eq!(table.len(), 6);
    }

    #[test]
    fn finds_how_far_a_kernel_was_moved() {
        let map: String = (0..20)
            .map(|n| format!("{:016x} T f{n}\n", 0xffffffff81000000u64 + n * 64))
            .collect();
        let map = Kallsyms::parse(&map);
        let board = |slide: u64, step: u64| -> Kallsyms {
            let line = |n: u64| format!("{:016x} T f{n}\n", 0xffffffff81000000u64 + slide + n * step);
            Kallsyms::parse(&(0..8).map(line).collect::<String>())
        };
        assert_eq!(map.slide_to(&board(0, 64)), Some(0));
        assert_eq!(map.slide_to(&board(0x1200_0000, 64)), Some(0x1200_0000));
        // Another kernel, and one that hides its addresses.
        assert_eq!(map.slide_to(&board(0, 80)), None);
        assert_eq!(map.slide_to(&Kallsyms::parse("0000000000000000 T f1\n")), None);
    }

    #[test]
    fn slides_the_kernel_only() {
        let table = Kallsyms::parse(TEXT).with_slide(0x1000_0000);
        assert_eq!(table.addresses("schedule").collect::<Vec<_>>(), [0xffffffff91000100]);
        assert_eq!(
            table.lookup(0xffffffff91000101).map(|s| s.to_string()).as_deref(),
            Some("schedule+0x1/0x80")
        );
        assert_eq!(table.addresses("helper").count(), 2);
    }
}
