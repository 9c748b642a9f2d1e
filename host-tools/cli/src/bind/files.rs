//! Programs and libraries of the board, from the board or from a copy of its files on this PC.
//!
//! In: a path on the board. Out: [`Elf`]. Invariant: each file is read once; links inside a copy stay inside it.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use ktap_link::message::Question;
use ktap_symbols::elf::Elf;

use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;

/// Most bytes of a file that are fetched from a board.
const LIMIT: u32 = 64 << 20;
/// Most links followed on the way to one file, as in the kernel.
const MAX_LINKS: usize = 40;

/// Why a file cannot be used: the sentence, and how to mend it.
pub struct FileError {
    pub text: String,
    pub help: Option<String>,
}

/// The files.
pub struct Files<'a> {
    sysroot: Option<PathBuf>,
    client: &'a mut Client,
    ui: Ui,
    known: HashMap<String, Rc<Elf>>,
}

impl<'a> Files<'a> {
    pub fn new(sysroot: Option<PathBuf>, client: &'a mut Client, ui: Ui) -> Files<'a> {
        Files {
            sysroot,
            client,
            ui,
            known: HashMap::new(),
        }
    }

    /// Returns the file at this path of the board.
    pub fn open(&mut self, path: &str) -> Result<Rc<Elf>, FileError> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let bytes = match &self.sysroot {
            Some(root) => self.read_copy(root, path)?,
            None => self.fetch(path)?,
        };
        let elf = Elf::parse(&bytes).map_err(|error| FileError {
            text: format!("`{path}` cannot be probed: {error}"),
            help: None,
        })?;
        let elf = Rc::new(elf);
        self.known.insert(path.to_owned(), elf.clone());
        Ok(elf)
    }

    fn read_copy(&self, root: &Path, path: &str) -> Result<Vec<u8>, FileError> {
        let error = |e: std::io::Error, file: &Path| FileError {
            text: format!("cannot read `{path}` of the sysroot: {}: {e}", file.display()),
            help: Some("without --sysroot the file is fetched from the board".into()),
        };
        let file = inside(root, Path::new(path)).map_err(|e| error(e, &root.join(path.trim_start_matches('/'))))?;
        let bytes = std::fs::read(&file).map_err(|e| error(e, &file))?;
        self.ui
            .verbose(format!("`{path}` is {}, {} bytes", file.display(), bytes.len()));
        Ok(bytes)
    }

    fn fetch(&mut self, path: &str) -> Result<Vec<u8>, FileError> {
        let question = Question::File {
            path: path.to_owned(),
            limit: LIMIT + 1,
        };
        let bytes = self.client.ask_text(question).map_err(|failure| {
            let (text, help) = match &failure {
                Failure::Refused(refusal) if refusal.errno != 0 => {
                    (std::io::Error::from_raw_os_error(refusal.errno).to_string(), None)
                }
                _ => {
                    let (text, help) = failure.text();
                    (text.unwrap_or_default(), help)
                }
            };
            FileError {
                text: format!("cannot read `{path}` on the board: {text}"),
                help,
            }
        })?;
        if bytes.len() > LIMIT as usize {
            return Err(FileError {
                text: format!("`{path}` is larger than the {} MiB fetched from a board", LIMIT >> 20),
                help: Some(
                    "--sysroot DIR, or `sysroot` in the board file, names a copy of the board's files here".into(),
                ),
            });
        }
        self.ui
            .verbose(format!("`{path}`: {} bytes from the board", bytes.len()));
        Ok(bytes)
    }
}

/// Follows a path of the board inside its copy: a link to `/lib/x` means the copy's `/lib/x`.
fn inside(root: &Path, path: &Path) -> std::io::Result<PathBuf> {
    let mut rest: Vec<std::ffi::OsString> = Vec::new();
    push_reversed(&mut rest, path);
    let mut here = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let full = root.join(&next);
        if !std::fs::symlink_metadata(&full)?.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(std::io::Error::other("too many links"));
        }
        let target = std::fs::read_link(&full)?;
        if target.is_absolute() {
            here = PathBuf::new();
        }
        push_reversed(&mut rest, &target);
    }
    Ok(root.join(here))
}

fn push_reversed(rest: &mut Vec<std::ffi::OsString>, path: &Path) {
    let parts: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        })
        .collect();
    rest.extend(parts.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_of_a_copy_stay_inside_it() {
        let root = std::env::temp_dir().join(format!("ktap-sysroot-{}", std::process::id()));
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::write(root.join("usr/lib/real.so"), b"x").unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/usr/lib/real.so", root.join("usr/lib/abs.so")).unwrap();
        symlink("../../../../usr/lib/real.so", root.join("usr/lib/up.so")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let find = |path: &str| inside(&root, Path::new(path)).ok();
        let real = Some(root.join("usr/lib/real.so"));
        assert_eq!(find("/lib/real.so"), real);
        assert_eq!(find("/lib/abs.so"), real);
        assert_eq!(find("/lib/up.so"), real);
        assert_eq!(find("/lib/../lib/./real.so"), real);
        assert_eq!(find("/loop"), None);
        assert_eq!(find("/nothing"), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
