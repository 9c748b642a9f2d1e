//! Tokens: what the lexer makes of the text.
//!
//! In: nothing. Out: [`Token`], [`TokenKind`]. Invariant: a fixed token has one spelling, and the table here is the only place
//! that says it.

use crate::source::Span;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub kind: TokenKind,
    /// Where.
    pub span: Span,
    /// True if no other token stands before it on its line.
    pub first_on_line: bool,
}

macro_rules! define_tokens {
    (words { $($word:ident $word_text:literal)* } symbols { $($symbol:ident $symbol_text:literal)* }) => {
        /// Kinds of tokens.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum TokenKind {
            /// A name.
            Name(String),
            /// A number, suffix applied.
            Number(i64),
            /// A string's bytes, escapes resolved.
            Str(Vec<u8>),
            /// `` `symbol` ``.
            KernelSymbol(String),
            /// `trace` where a statement starts.
            Trace,
            /// `tick-` where a statement starts.
            Tick,
            /// `profile-` where a statement starts.
            Profile,
            /// The text of an EVENTDEF or an interval, up to its brace.
            EventText(String),
            /// Something the lexer has already complained about.
            Error,
            /// The end of the script.
            Eof,
            $(#[doc = concat!("`", $word_text, "`.")] $word,)*
            $(#[doc = concat!("`", $symbol_text, "`.")] $symbol,)*
        }

        impl TokenKind {
            /// Every reserved word.
            pub const WORDS: &'static [&'static str] = &[$($word_text),*];

            /// Returns the reserved word with this spelling.
            pub fn word(text: &str) -> Option<TokenKind> {
                match text { $($word_text => Some(TokenKind::$word),)* _ => None }
            }

            /// Returns the longest symbol `text` begins with.
            pub fn symbol(text: &[u8]) -> Option<(TokenKind, usize)> {
                let mut best: Option<(TokenKind, usize)> = None;
                $(if text.starts_with($symbol_text.as_bytes()) && best.as_ref().is_none_or(|b| b.1 < $symbol_text.len()) {
                    best = Some((TokenKind::$symbol, $symbol_text.len()));
                })*
                best
            }

            /// Returns the spelling of a fixed token, the kind in angle brackets of the others.
            pub const fn text(&self) -> &'static str {
                match self {
                    TokenKind::Name(_) => "<name>",
                    TokenKind::Number(_) => "<number>",
                    TokenKind::Str(_) => "<string>",
                    TokenKind::KernelSymbol(_) => "<kernel symbol>",
                    TokenKind::Trace => "trace",
                    TokenKind::Tick => "tick-",
                    TokenKind::Profile => "profile-",
                    TokenKind::EventText(_) => "<eventdef>",
                    TokenKind::Error => "<error>",
                    TokenKind::Eof => "<eof>",
                    $(TokenKind::$word => $word_text,)*
                    $(TokenKind::$symbol => $symbol_text,)*
                }
            }
        }
    };
}

define_tokens! {
    words {
        And "and" Break "break" Continue "continue" Do "do" Else "else" ElseIf "elseif" End "end" False "false" For "for"
        Function "function" Goto "goto" If "if" In "in" Local "local" Nil "nil" Not "not" Or "or" Repeat "repeat"
        Return "return" Then "then" True "true" Until "until" Var "var" While "while"
    }
    symbols {
        Plus "+" Minus "-" Star "*" Slash "/" Percent "%" Caret "^" Amp "&" Pipe "|" Tilde "~" Bang "!" Assign "=" Less "<"
        Greater ">" Dot "." Comma "," Semicolon ";" Colon ":" LeftParen "(" RightParen ")" LeftBracket "[" RightBracket "]"
        LeftBrace "{" RightBrace "}" Concat ".." Ellipsis "..." EqualEqual "==" NotEqual "!=" LessEqual "<=" GreaterEqual ">="
        ShiftLeft "<<" ShiftRight ">>" Aggregate "<<<" AndAnd "&&" OrOr "||" ColonColon "::" PlusAssign "+="
        MinusAssign "-=" StarAssign "*=" SlashAssign "/=" PercentAssign "%=" PlusPlus "++" MinusMinus "--"
        TildeEqual "~=" EqualEqualEqual "===" NotEqualEqual "!=="
    }
}

impl TokenKind {
    /// Returns true if an operand can end in this token, so that an operator may follow.
    pub const fn ends_operand(&self) -> bool {
        use TokenKind::*;
        matches!(
            self,
            Name(_)
                | Number(_)
                | Str(_)
                | KernelSymbol(_)
                | RightParen
                | RightBracket
                | RightBrace
                | Ellipsis
                | Nil
                | True
                | False
        )
    }
}
