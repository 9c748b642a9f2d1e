//! A small program file made of what uprobes look at: segments, symbols, notes.

/// Where code and data are mapped, and where they lie in the file.
pub const CODE: (u64, u64) = (0x40_1000, 0x1000);
pub const DATA: (u64, u64) = (0x40_4000, 0x2000);

/// A symbol to write: name, address, size, type (2 function, 1 object, 10 indirect), defined or not.
pub type Symbol<'a> = (&'a str, u64, u64, u8, bool);

/// A note to write: address, base, semaphore, provider, name, arguments.
pub type Note<'a> = (u64, u64, u64, &'a str, &'a str, &'a str);

/// Writes a 64-bit little-endian file.
pub fn file(machine: u16, symbols: &[Symbol<'_>], notes: &[Note<'_>], base: u64) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut table = vec![0u8; 24];
    for (name, address, size, kind, defined) in symbols {
        table.extend((strings.len() as u32).to_le_bytes());
        table.extend([1 << 4 | kind, 0]);
        table.extend(u16::from(*defined).to_le_bytes());
        table.extend(address.to_le_bytes());
        table.extend(size.to_le_bytes());
        strings.extend(name.bytes());
        strings.push(0);
    }
    let notes: Vec<u8> = notes.iter().flat_map(note).collect();
    let section_names = b"\0.symtab\0.strtab\0.note.stapsdt\0.stapsdt.base\0.shstrtab\0";
    let name = |text: &str| {
        let at = section_names.windows(text.len()).position(|w| w == text.as_bytes());
        at.expect("a name of the list") as u32
    };
    let mut bytes = vec![0u8; 0x3000];
    let mut section = |kind: u32, name: u32, address: u64, body: &[u8], link: u32, entry: u64| {
        let offset = bytes.len() as u64;
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let mut header = Vec::new();
        header.extend(name.to_le_bytes());
        header.extend(kind.to_le_bytes());
        for word in [0, address, offset, body.len() as u64] {
            header.extend(word.to_le_bytes());
        }
        header.extend(link.to_le_bytes());
        header.extend(1u32.to_le_bytes());
        header.extend(4u64.to_le_bytes());
        header.extend(entry.to_le_bytes());
        header
    };
    let headers = [
        vec![0u8; 64],
        section(2, name(".symtab"), 0, &table, 2, 24),
        section(3, name(".strtab"), 0, &strings, 0, 0),
        section(7, name(".note.stapsdt"), 0, &notes, 0, 0),
        section(1, name(".stapsdt.base"), base, &[0], 0, 0),
        section(3, name(".shstrtab"), 0, section_names, 0, 0),
    ];
    let at = bytes.len() as u64;
    bytes.extend(headers.concat());
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(2u16.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    for word in [CODE.0, 64, at] {
        header.extend(word.to_le_bytes());
    }
    header.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 2, 64, headers.len() as u16, headers.len() as u16 - 1] {
        header.extend(half.to_le_bytes());
    }
    for (flags, (address, offset)) in [(5u32, CODE), (6, DATA)] {
        header.extend(1u32.to_le_bytes());
        header.extend(flags.to_le_bytes());
        for word in [offset, address, address, 0x1000, 0x2000, 0x1000] {
            header.extend(word.to_le_bytes());
        }
    }
    bytes[..header.len()].copy_from_slice(&header);
    bytes
}

fn note((address, base, semaphore, provider, name, args): &Note<'_>) -> Vec<u8> {
    let mut desc = Vec::new();
    for word in [address, base, semaphore] {
        desc.extend(word.to_le_bytes());
    }
    for text in [provider, name, args] {
        desc.extend(text.bytes());
        desc.push(0);
    }
    let mut note = Vec::new();
    for word in [8, desc.len() as u32, 3] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"stapsdt\0");
    note.extend(&desc);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}
