//! The compiled script, before it is bound to a board.
//!
//! In: what lowering emits. Out: [`Program`] and its [`DebugMap`]. Invariant: it knows no board: what differs between
//! kernels is a relocation.

use ktap_bytecode::image::Image;

use crate::source::Span;

/// A script compiled: an image that still lacks its relocations, and what stays on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The image; constants named by `relocations` hold 0.
    pub image: Image,
    /// What the board's kernel decides.
    pub relocations: Vec<Relocation>,
    /// What stays on the host.
    pub debug: DebugMap,
}

/// A constant to be filled in when the kernel is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Index of the constant.
    pub constant: u32,
    /// What it becomes.
    pub kind: RelocationKind,
    /// Where the script asks for it.
    pub span: Span,
}

/// What a relocated constant becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelocationKind {
    /// The address of this kernel symbol.
    SymbolAddress(String),
}

/// What the host keeps of a program: places, names and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugMap {
    /// The place of every word of the code, same length as the code.
    pub spans: Vec<Span>,
    /// A name for every function: `main`, `function f`, `trace SYSTEM:EVENT`.
    pub functions: Vec<String>,
    /// The text of every format, by id.
    pub formats: Vec<Vec<u8>>,
    /// The EVENTDEF of every probe site as written, and its place.
    pub probes: Vec<(String, Span)>,
    /// Names of global slots.
    pub globals: Vec<String>,
}
