//! Expressions of print formats.
//!
//! In: nothing. Out: [`Expr`]. Invariant: the tree is no deeper than the parser's bound, so walking it needs little stack.

use crate::abi::IntType;

/// A type that a cast or a declaration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CType {
    Int(IntType),
    Bool,
    /// A pointer, with the type it points to where that is an integer.
    Pointer(Option<IntType>),
    /// A type of unknown name: the value stays as it is.
    Unknown,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Mul,
    Div,
    Rem,
    Add,
    Sub,
    Shl,
    Shr,
    Lt,
    Gt,
    Le,
    Ge,
    Eq,
    Ne,
    And,
    Xor,
    Or,
    AndAlso,
    OrElse,
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Plus,
    Minus,
    Not,
    Complement,
    Deref,
    AddressOf,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Int(u64, IntType),
    Text(Vec<u8>),
    /// `REC->name`.
    Field(String),
    /// A local of a block, a field's name as an argument, or what only the kernel knows.
    Name(String),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Conditional(Box<Expr>, Option<Box<Expr>>, Box<Expr>),
    Cast(CType, Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    /// `{ value, "name" }`.
    Braces(Vec<Expr>),
    Comma(Box<Expr>, Box<Expr>),
    /// `({ type name = value; .. expression; })`.
    Block(Vec<(String, CType, Expr)>, Box<Expr>),
}
