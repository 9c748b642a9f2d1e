//! A compiled print format.
//!
//! In: what follows `print fmt:`. Out: [`PrintFmt`]. Invariant: a record either gets the kernel's text or none.

use super::eval::Evaluator;
use super::event::EventFormat;
use super::expr::Expr;
use super::{lexer, parser, printf};
use crate::abi::Abi;
use crate::symbol::Symbolize;

/// Most tokens of a format. The kernel's largest have a few thousand.
const MAX_TOKENS: usize = 16384;

/// A print format that could be parsed.
#[derive(Clone, Debug)]
pub(super) struct PrintFmt {
    format: Vec<u8>,
    arguments: Vec<Expr>,
}

impl PrintFmt {
    /// Compiles a print format; nothing if it is beyond what is understood here.
    pub fn parse(text: &str, abi: Abi) -> Option<PrintFmt> {
        let tokens = lexer::lex(text, abi).filter(|tokens| tokens.len() <= MAX_TOKENS)?;
        let (format, arguments) = parser::parse(&tokens, abi)?;
        Some(PrintFmt { format, arguments })
    }

    /// Renders a record; nothing if it needs what only the kernel knows.
    pub fn render(&self, event: &EventFormat, raw: &[u8], symbols: &dyn Symbolize) -> Option<Vec<u8>> {
        let mut evaluator = Evaluator::new(event, raw, symbols);
        printf::render(&self.format, &self.arguments, &mut evaluator, symbols, event.abi)
    }
}
