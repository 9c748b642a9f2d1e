//! The parser: tokens to the tree.
//!
//! In: [`Source`]. Out: [`Block`] and all diagnostics of lexer and parser, in order of place. Invariant: it never fails; what
//! it cannot read becomes an `Error` node with one diagnostic, and it goes on behind it; no nesting overflows the stack.

mod attach;
mod cursor;
mod expression;
mod function;
mod loops;
mod operator;
mod recovery;
mod simple;
mod statement;
mod table;

use crate::ast::Block;
use crate::diagnostic::Diagnostic;
use crate::lex::lex;
use crate::source::Source;
use cursor::Parser;

/// Levels of nesting the parser follows, as in ktap; a chain of operators or calls counts a level for each link.
pub const MAX_LEVELS: u32 = 200;

/// Parses a script; never fails, collects every complaint.
pub fn parse(source: &Source) -> (Block, Vec<Diagnostic>) {
    let (tokens, mut diagnostics) = lex(source);
    let mut parser = Parser::new(source, &tokens);
    let block = parser.script();
    diagnostics.append(&mut parser.diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.span.start);
    (block, diagnostics)
}

/// The mark of a construct given up: its diagnostic is written, its statement is to be skipped.
#[derive(Clone, Copy, Debug)]
struct Failed;

type Parsed<T> = Result<T, Failed>;
