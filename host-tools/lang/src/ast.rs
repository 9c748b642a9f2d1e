//! The syntax tree: one tree for every dialect.
//!
//! In: tokens. Out: [`Block`]. Invariant: the tree says what was written; what names mean is the resolver's.

use crate::source::Span;

/// A name as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text. Bytes from 0x80 up are taken as letters; invalid UTF-8 is replaced.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// Statements in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The statements.
    pub statements: Vec<Statement>,
    /// Where.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Which.
    pub kind: StatementKind,
    /// Where.
    pub span: Span,
}

/// Kinds of statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// `var a, b = 1, 2` or `local`.
    Local {
        /// Declared names.
        names: Vec<Name>,
        /// Values, perhaps fewer or more.
        values: Vec<Expression>,
    },
    /// `var function f() {}`.
    LocalFunction {
        /// Its name, visible in its own body.
        name: Name,
        /// The function.
        function: FunctionBody,
    },
    /// `function a.b.c:m() {}`.
    Function {
        /// `a`, `b`, `c`.
        path: Vec<Name>,
        /// `m`: the function gets a first parameter `self`.
        method: Option<Name>,
        /// The function, without `self`.
        function: FunctionBody,
    },
    /// `a, t[i] = 1, 2`.
    Assign {
        /// Places: names, indexes, members.
        targets: Vec<Expression>,
        /// Values.
        values: Vec<Expression>,
    },
    /// `a += 1` and its kin.
    Compound {
        /// The operator: `Add Sub Mul Div Mod`.
        op: BinaryOp,
        /// The place.
        target: Expression,
        /// The value.
        value: Expression,
    },
    /// `t[k] <<< v`.
    Aggregate {
        /// The place.
        target: Expression,
        /// The value.
        value: Expression,
    },
    /// A call (or another expression, which gets a lint).
    Expression(Expression),
    /// `if (c) {} elseif (c) {} else {}`.
    If {
        /// Conditions with their blocks.
        arms: Vec<(Expression, Block)>,
        /// else.
        otherwise: Option<Block>,
    },
    /// `while (c) {}`.
    While {
        /// Condition.
        condition: Expression,
        /// Body.
        body: Block,
    },
    /// `repeat ... until (c)`.
    Repeat {
        /// Body.
        body: Block,
        /// Condition to stop; sees the body's locals.
        until: Expression,
    },
    /// `for (i = a, b, c) {}`.
    NumericFor {
        /// Loop variable.
        variable: Name,
        /// First value.
        first: Expression,
        /// Limit, included.
        last: Expression,
        /// Step, 1 if none.
        step: Option<Expression>,
        /// Body.
        body: Block,
    },
    /// `for (i = 0; i < n; i += 1) {}`.
    CFor {
        /// Runs first.
        init: Option<Box<Statement>>,
        /// Condition to go on.
        condition: Option<Expression>,
        /// Runs after each round.
        step: Option<Box<Statement>>,
        /// Body.
        body: Block,
    },
    /// `for (k, v in pairs(t)) {}`.
    PairsFor {
        /// One or two loop variables.
        names: Vec<Name>,
        /// `pairs(t)`, `sort_pairs(t, f)` or anything else, which is an error later.
        iterator: Expression,
        /// Body.
        body: Block,
    },
    /// `do ... end`, or a bare block.
    Do(Block),
    /// `return a, b`.
    Return(Vec<Expression>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `goto NAME`.
    Goto(Name),
    /// `::NAME::`.
    Label(Name),
    /// `trace EVENTDEF {}`.
    Trace {
        /// The EVENTDEF's text with its filter.
        event: EventText,
        /// The handler.
        body: Block,
    },
    /// `trace EXPR function (e) {}`: event and handler are expressions.
    TraceCall {
        /// The EVENTDEF.
        event: Expression,
        /// The handler.
        handler: Expression,
    },
    /// `trace_end {}` (a handler without parameters) or `trace_end function () {}`.
    TraceEnd(Expression),
    /// `tick-1s {}`, `profile-1ms {}`.
    Timer {
        /// True for `profile`.
        profile: bool,
        /// The interval's text, `1s`.
        interval: EventText,
        /// The handler.
        body: Block,
    },
    /// What the parser skipped after an error.
    Error,
}

/// Raw text read up to a brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText {
    /// The text, trimmed.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A function's parameters and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionBody {
    /// Parameters.
    pub parameters: Vec<Name>,
    /// True if it ends in `...`.
    pub vararg: bool,
    /// Body.
    pub body: Block,
    /// Where, from `function` to the closing brace.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Which.
    pub kind: ExpressionKind,
    /// Where.
    pub span: Span,
}

/// Kinds of expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressionKind {
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A number, saturated as the language says.
    Number(i64),
    /// A string's bytes, escapes resolved.
    Str(Vec<u8>),
    /// `...`.
    Vararg,
    /// A name: local, upvalue, global, builtin variable or library.
    Name(String),
    /// `` `symbol` ``.
    KernelSymbol(String),
    /// `function (p) {}`.
    Function(Box<FunctionBody>),
    /// `{ 1, k = v, [e] = v }`.
    Table(Vec<TableItem>),
    /// `t[k]`.
    Index(Box<Expression>, Box<Expression>),
    /// `t.name`.
    Member(Box<Expression>, Name),
    /// `f(a, b)`, `f"s"`, `f{t}`.
    Call(Box<Expression>, Vec<Expression>),
    /// `o:m(a, b)`.
    MethodCall(Box<Expression>, Name, Vec<Expression>),
    /// Unary operator.
    Unary(UnaryOp, Box<Expression>),
    /// Binary operator.
    Binary(BinaryOp, Box<Expression>, Box<Expression>),
    /// `(e)`: cuts multiple results to one.
    Paren(Box<Expression>),
    /// What the parser could not read.
    Error,
}

impl ExpressionKind {
    /// Calls `each` with every expression right below this one, in the order of the text. What a function consists of is not below it.
    pub fn parts(&self, each: &mut dyn FnMut(&Expression)) {
        match self {
            Self::Table(items) => {
                for item in items {
                    match item {
                        TableItem::Positional(value) | TableItem::Named(_, value) => each(value),
                        TableItem::Keyed(key, value) => {
                            each(key);
                            each(value);
                        }
                    }
                }
            }
            Self::Index(left, right) | Self::Binary(_, left, right) => {
                each(left);
                each(right);
            }
            Self::Call(one, more) | Self::MethodCall(one, _, more) => {
                each(one);
                more.iter().for_each(each);
            }
            Self::Member(one, _) | Self::Unary(_, one) | Self::Paren(one) => each(one),
            Self::Nil
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Str(_)
            | Self::Vararg
            | Self::Name(_)
            | Self::KernelSymbol(_)
            | Self::Function(_)
            | Self::Error => {}
        }
    }
}

/// An entry of a table constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableItem {
    /// The next position, from 1.
    Positional(Expression),
    /// `name = v`.
    Named(Name, Expression),
    /// `[k] = v`.
    Keyed(Expression, Expression),
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`.
    Neg,
    /// `!`, `not`.
    Not,
    /// `~`.
    BitNot,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `||`, `or`.
    Or,
    /// `&&`, `and`.
    And,
    /// `==`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `|`.
    BitOr,
    /// `^`.
    BitXor,
    /// `&`.
    BitAnd,
    /// `<<`.
    Shl,
    /// `>>`.
    Shr,
    /// `..`.
    Concat,
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `%`.
    Mod,
}
