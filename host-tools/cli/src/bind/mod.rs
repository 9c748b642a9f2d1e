//! Binding: what a program leaves to the board, resolved against its kernel and its files.
//!
//! In: [`Program`], the board. Out: the image to push. Invariant: an image with relocations carries the build id of the one kernel it
//! is for; after binding every point in a program or library has its place in the file.

mod files;
mod programs;
mod registers;

use std::path::PathBuf;

use ktap_lang::program::{Program, RelocationKind};
use ktap_lang::source::Source;
use ktap_link::message::Question;
use ktap_symbols::kallsyms::Kallsyms;

use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;
use files::Files;

/// What binding needs to know beside the program.
pub struct Binding<'a> {
    /// The script, for places of what cannot be bound.
    pub source: &'a Source,
    /// A copy of the board's files on this PC.
    pub sysroot: Option<PathBuf>,
    /// The voice.
    pub ui: Ui,
}

impl Binding<'_> {
    /// Resolves everything in place.
    ///
    /// # Errors
    /// What the board does not have, a board that hides its symbols, a broken link.
    pub fn bind(&self, program: &mut Program, client: &mut Client) -> Result<(), Failure> {
        addresses(program, client)?;
        let arch = client.board.machine.clone();
        let files = Files::new(self.sysroot.clone(), client, self.ui);
        programs::bind(program, files, &arch, self)
    }
}

/// Resolves the addresses of kernel symbols.
fn addresses(program: &mut Program, client: &mut Client) -> Result<(), Failure> {
    if program.relocations.is_empty() {
        return Ok(());
    }
    let text = client.ask_text(Question::Kallsyms)?;
    let symbols = Kallsyms::parse(&String::from_utf8_lossy(&text));
    for relocation in &program.relocations {
        let RelocationKind::SymbolAddress(name) = &relocation.kind;
        let address = symbols.addresses(name).next();
        let Some(address) = address.filter(|&a| a != 0) else {
            return Err(Failure::Usage(
                format!("the board's kernel has no symbol `{name}`, or hides its address"),
                Some("see /proc/kallsyms and kernel.kptr_restrict on the board".into()),
            ));
        };
        if let Some(constant) = program.image.consts.get_mut(relocation.constant as usize) {
            constant.value = address as i64;
        }
    }
    program.image.build_id = client.board.build_id.clone();
    Ok(())
}
