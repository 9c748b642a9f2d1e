//! What a module says of itself.
//!
//! In: an ELF file. Out: its vermagic, sizes of its sections, whether it is for a kernel. Invariant: any bytes may be given; what is no module
//! has no vermagic.

use std::fmt;

use goblin::elf::Elf;

/// Why a module is not for a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongKernel {
    /// The file is no kernel module.
    NoModule,
    /// It was built for another kernel.
    Other {
        /// The release it was built for.
        built: String,
        /// The release that runs.
        runs: String,
    },
}

impl fmt::Display for WrongKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModule => write!(f, "this is no kernel module"),
            Self::Other { built, runs } => write!(
                f,
                "this kernel module was built for {built}, the board runs {runs}: ktap-host kmod build --board B"
            ),
        }
    }
}

/// Returns the `vermagic` of a module: release, then what else its kernel asks for.
pub fn vermagic(module: &[u8]) -> Option<String> {
    entry(module, "vermagic")
}

/// Tells whether a module may be inserted into the kernel `release`.
///
/// # Errors
/// [`WrongKernel`], shown as a sentence.
pub fn check_kernel(module: &[u8], release: &str) -> Result<(), WrongKernel> {
    let magic = vermagic(module).ok_or(WrongKernel::NoModule)?;
    let built = magic.split(' ').next().unwrap_or_default();
    if built == release {
        return Ok(());
    }
    Err(WrongKernel::Other {
        built: built.to_owned(),
        runs: release.to_owned(),
    })
}

/// Returns the architecture of a module, in the words of `uname -m`.
pub fn arch(module: &[u8]) -> Option<&'static str> {
    use goblin::elf::header;
    match Elf::parse(module).ok()?.header.e_machine {
        header::EM_X86_64 => Some("x86_64"),
        header::EM_AARCH64 => Some("aarch64"),
        header::EM_ARM => Some("armv7l"),
        header::EM_RISCV => Some("riscv64"),
        _ => None,
    }
}

/// Returns the sections that the kernel keeps in memory, name and bytes, largest first.
pub fn sections(module: &[u8]) -> Vec<(String, u64)> {
    const KEPT: u64 = goblin::elf::section_header::SHF_ALLOC as u64;
    let Ok(elf) = Elf::parse(module) else {
        return Vec::new();
    };
    let kept = elf.section_headers.iter().filter(|header| header.sh_flags & KEPT != 0);
    let mut list: Vec<(String, u64)> = kept
        .filter(|header| header.sh_size != 0)
        .map(|header| {
            let name = elf.shdr_strtab.get_at(header.sh_name).unwrap_or("?");
            (name.to_owned(), header.sh_size)
        })
        .collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    list
}

/// Reads `NAME=value` out of `.modinfo`, a list of NUL-ended texts.
fn entry(module: &[u8], name: &str) -> Option<String> {
    let elf = Elf::parse(module).ok()?;
    let header = elf
        .section_headers
        .iter()
        .find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(".modinfo"))?;
    let body = module.get(header.file_range()?)?;
    let value = body
        .split(|byte| *byte == 0)
        .find_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Compiles an object that says of itself what a module says.
    fn module(magic: &str) -> Vec<u8> {
        let directory = std::env::temp_dir().join(format!("ktap-modinfo-{}-{}", std::process::id(), magic.len()));
        std::fs::create_dir_all(&directory).expect("made");
        let (c, o) = (directory.join("a.c"), directory.join("a.o"));
        let text = format!(
            "__attribute__((section(\".modinfo\"))) const char a[] = \"license=GPL\\0vermagic={magic}\"; int f(void) {{ return 1; }}"
        );
        std::fs::write(&c, text).expect("written");
        let done = Command::new("gcc").arg("-c").arg("-o").args([&o, &c]).status();
        assert!(done.expect("gcc runs").success());
        let bytes = std::fs::read(&o).expect("read");
        std::fs::remove_dir_all(&directory).expect("removed");
        bytes
    }

    #[test]
    fn a_module_is_for_the_release_in_its_vermagic() {
        let module = module("6.1.0-56-cloud-amd64 SMP preempt mod_unload ");
        let magic = vermagic(&module);
        assert_eq!(magic.as_deref(), Some("6.1.0-56-cloud-amd64 SMP preempt mod_unload"));
        assert_eq!(check_kernel(&module, "6.1.0-56-cloud-amd64"), Ok(()));
        let wrong = check_kernel(&module, "6.1.0-56").expect_err("another release");
        let sentence = wrong.to_string();
        assert!(
            sentence.contains("built for 6.1.0-56-cloud-amd64, the board runs 6.1.0-56"),
            "{sentence}"
        );
        assert!(sections(&module).iter().any(|(name, _)| name == ".modinfo"));
        assert_eq!(arch(&module), Some(std::env::consts::ARCH));
    }

    #[test]
    fn what_is_no_module_has_no_vermagic() {
        assert_eq!(check_kernel(b"", "6.1.0"), Err(WrongKernel::NoModule));
        assert_eq!(
            check_kernel(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0xff], "6.1.0"),
            Err(WrongKernel::NoModule)
        );
        let mut cut = module("6.1.0 ");
        for length in (0..cut.len()).rev().step_by(7) {
            cut.truncate(length);
            let _ = vermagic(&cut);
            let _ = sections(&cut);
        }
    }
}
