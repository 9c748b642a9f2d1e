//! Tokens of print formats.
//!
//! In: C text. Out: [`Token`]s. Invariant: a byte that begins no token of C's expressions ends the lexing with nothing.

use super::text::unescape;
use crate::abi::{Abi, IntType};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Int(u64, IntType),
    Text(Vec<u8>),
    Name(String),
    Punct(&'static str),
}

/// Longest first.
const PUNCTS: &[&str] = &[
    "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", ";", "?", ":", "+", "-",
    "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", ".",
];

/// Cuts `text` into tokens; nothing if a byte fits none.
pub(super) fn lex(text: &str, abi: Abi) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, tail) = match first {
            '"' => {
                let (body, tail) = quoted(&rest[1..], b'"')?;
                (Token::Text(unescape(body.as_bytes())), tail)
            }
            '\'' => {
                let (body, tail) = quoted(&rest[1..], b'\'')?;
                (
                    Token::Int(u64::from(*unescape(body.as_bytes()).first()?), IntType::INT),
                    tail,
                )
            }
            '0'..='9' => {
                let (word, tail) = word(rest);
                (number(word, abi)?, tail)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let (word, tail) = word(rest);
                (Token::Name(word.to_owned()), tail)
            }
            _ => {
                let punct = PUNCTS.iter().find(|punct| rest.starts_with(**punct))?;
                (Token::Punct(punct), &rest[punct.len()..])
            }
        };
        tokens.push(token);
        rest = tail.trim_start();
    }
    Some(tokens)
}

/// Splits at the closing quote, which a backslash protects.
fn quoted(text: &str, quote: u8) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return Some((&text[..index], &text[index + 1..])),
            _ => {}
        }
    }
    None
}

fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at(end)
}

fn number(word: &str, abi: Abi) -> Option<Token> {
    let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
    let suffix = word[digits.len()..].to_ascii_lowercase();
    let (value, decimal) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (u64::from_str_radix(hex, 16).ok()?, false)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (u64::from_str_radix(&digits[1..], 8).ok()?, false)
    } else {
        (digits.parse().ok()?, true)
    };
    let long = suffix.matches('l').count();
    let least = match long {
        0 => 4,
        1 => abi.long_bytes,
        _ => 8,
    };
    // C's order of candidates: signed before unsigned of a size, a decimal without `u` never unsigned.
    let unsigned = suffix.contains('u');
    let fits = |ty: &IntType| ty.bytes >= least && ty.wrap(value) == value && (!ty.signed || value <= i64::MAX as u64);
    let candidates = [IntType::INT, IntType::UINT, IntType::LLONG, IntType::ULLONG];
    let allowed = |ty: &IntType| if unsigned { !ty.signed } else { ty.signed || !decimal };
    let ty = candidates
        .into_iter()
        .find(|ty| allowed(ty) && fits(ty))
        .unwrap_or(IntType::ULLONG);
    Some(Token::Int(value, ty))
}
