//! Binding: a program's relocations resolved against the board's kernel.
//!
//! In: [`Program`], the board. Out: the image to push. Invariant: an image with relocations carries the build id of the one kernel it
//! is for.

use ktap_lang::program::{Program, RelocationKind};
use ktap_link::message::Question;
use ktap_symbols::kallsyms::Kallsyms;

use crate::client::Client;
use crate::failure::Failure;

/// Resolves every relocation of the program in place.
///
/// # Errors
/// A symbol the kernel does not have, a board that hides its symbols, a broken link.
pub fn bind(program: &mut Program, client: &mut Client) -> Result<(), Failure> {
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
