//! The parser of print formats.
//!
//! In: tokens. Out: the format's string and its arguments. Invariant: nesting and chains are bounded, for the text comes from a
//! board that nobody vouches for.

use super::expr::{Binary, CType, Expr, Unary};
use super::lexer::Token;
use crate::abi::{Abi, IntType};

/// Deepest nesting, and longest chain of operators on one level.
const MAX_DEPTH: usize = 200;

/// Parses `"format", argument, ..`; nothing if it is something else.
pub(super) fn parse(tokens: &[Token], abi: Abi) -> Option<(Vec<u8>, Vec<Expr>)> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        abi,
    };
    let Expr::Text(format) = parser.assignment()? else {
        return None;
    };
    let mut arguments = Vec::new();
    while parser.eat(",") {
        arguments.push(parser.assignment()?);
    }
    (parser.at == tokens.len()).then_some((format, arguments))
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    abi: Abi,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn at_punct(&self, punct: &str) -> bool {
        matches!(self.peek(), Some(Token::Punct(p)) if *p == punct)
    }

    fn eat(&mut self, punct: &str) -> bool {
        let found = self.at_punct(punct);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punct: &str) -> Option<()> {
        self.eat(punct).then_some(())
    }

    fn name(&mut self) -> Option<String> {
        let Some(Token::Name(name)) = self.peek() else {
            return None;
        };
        let name = name.clone();
        self.at += 1;
        Some(name)
    }

    fn expression(&mut self) -> Option<Expr> {
        let mut left = self.assignment()?;
        for _ in 0..MAX_DEPTH {
            if !self.eat(",") {
                return Some(left);
            }
            left = Expr::Comma(Box::new(left), Box::new(self.assignment()?));
        }
        None
    }

    /// What stands between commas. Print formats assign nothing, so it is a conditional.
    fn assignment(&mut self) -> Option<Expr> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Some(condition);
        }
        // `a ?: b` is a GNU habit of the kernel.
        let then = if self.at_punct(":") {
            None
        } else {
            Some(Box::new(self.deeper(Self::expression)?))
        };
        self.expect(":")?;
        let otherwise = self.deeper(Self::assignment)?;
        Some(Expr::Conditional(Box::new(condition), then, Box::new(otherwise)))
    }

    fn deeper(&mut self, parse: impl FnOnce(&mut Self) -> Option<Expr>) -> Option<Expr> {
        self.depth += 1;
        let result = if self.depth < MAX_DEPTH { parse(self) } else { None };
        self.depth -= 1;
        result
    }

    fn binary(&mut self, least: u8) -> Option<Expr> {
        let mut left = self.unary()?;
        for _ in 0..MAX_DEPTH {
            let Some((operator, precedence)) = self.operator().filter(|(_, precedence)| *precedence >= least) else {
                return Some(left);
            };
            self.at += 1;
            let right = self.deeper(|parser| parser.binary(precedence + 1))?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        None
    }

    fn operator(&self) -> Option<(Binary, u8)> {
        let Some(Token::Punct(punct)) = self.peek() else {
            return None;
        };
        Some(match *punct {
            "*" => (Binary::Mul, 9),
            "/" => (Binary::Div, 9),
            "%" => (Binary::Rem, 9),
            "+" => (Binary::Add, 8),
            "-" => (Binary::Sub, 8),
            "<<" => (Binary::Shl, 7),
            ">>" => (Binary::Shr, 7),
            "<" => (Binary::Lt, 6),
            ">" => (Binary::Gt, 6),
            "<=" => (Binary::Le, 6),
            ">=" => (Binary::Ge, 6),
            "==" => (Binary::Eq, 5),
            "!=" => (Binary::Ne, 5),
            "&" => (Binary::And, 4),
            "^" => (Binary::Xor, 3),
            "|" => (Binary::Or, 2),
            "&&" => (Binary::AndAlso, 1),
            "||" => (Binary::OrElse, 0),
            _ => return None,
        })
    }

    fn unary(&mut self) -> Option<Expr> {
        let operators = [
            ("!", Unary::Not),
            ("~", Unary::Complement),
            ("-", Unary::Minus),
            ("+", Unary::Plus),
            ("*", Unary::Deref),
            ("&", Unary::AddressOf),
        ];
        for (punct, operator) in operators {
            if self.eat(punct) {
                return Some(Expr::Unary(operator, Box::new(self.deeper(Self::unary)?)));
            }
        }
        if let Some(cast) = self.cast() {
            return Some(Expr::Cast(cast, Box::new(self.deeper(Self::unary)?)));
        }
        self.postfix()
    }

    /// Eats `(type)` if a cast begins here.
    fn cast(&mut self) -> Option<CType> {
        let start = self.at;
        let cast = self
            .parenthesized_type()
            .filter(|(_, known)| *known || self.begins_operand());
        if cast.is_none() {
            self.at = start;
        }
        cast.map(|(ty, _)| ty)
    }

    /// Eats `(type)`; the flag tells a type from a name that may be one.
    fn parenthesized_type(&mut self) -> Option<(CType, bool)> {
        self.expect("(")?;
        let ty = self.type_name()?;
        self.expect(")")?;
        Some(ty)
    }

    /// After `(name)` comes an operand if that was a cast; a sign or a star would be an operator between two operands.
    fn begins_operand(&self) -> bool {
        match self.peek() {
            Some(Token::Punct(punct)) => matches!(*punct, "(" | "~" | "!"),
            Some(_) => true,
            None => false,
        }
    }

    fn type_name(&mut self) -> Option<(CType, bool)> {
        let mut words = Vec::new();
        let mut tagged = None;
        while let Some(name) = self.name() {
            match name.as_str() {
                "struct" | "union" => {
                    self.name()?;
                    tagged = Some(CType::Unknown);
                }
                "enum" => {
                    self.name()?;
                    tagged = Some(CType::Int(IntType::UINT));
                }
                "__user" | "__kernel" | "__iomem" | "__percpu" => {}
                _ => words.push(name),
            }
        }
        let mut pointers = 0;
        while self.eat("*") || self.name_is("const") {
            pointers += usize::from(matches!(self.tokens.get(self.at - 1), Some(Token::Punct("*"))));
        }
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !matches!(*word, "const" | "volatile"))
            .collect();
        let integer = IntType::named(&words, self.abi);
        let known = tagged.is_some() || integer.is_some() || words == ["void"];
        if !known && words.len() != 1 {
            return None;
        }
        let ty = match (pointers, tagged, integer) {
            (1, None, integer) => CType::Pointer(integer),
            (1.., ..) => CType::Pointer(Some(IntType::pointer(self.abi)).filter(|_| pointers > 1)),
            (0, Some(tagged), _) => tagged,
            (0, None, Some(_)) if matches!(words[..], ["bool" | "_Bool"]) => CType::Bool,
            (0, None, Some(integer)) => CType::Int(integer),
            (0, None, None) => CType::Unknown,
        };
        Some((ty, known || pointers > 0))
    }

    fn name_is(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(name)) if name == wanted);
        self.at += usize::from(found);
        found
    }

    fn postfix(&mut self) -> Option<Expr> {
        let mut left = self.primary()?;
        for _ in 0..MAX_DEPTH {
            // `REC` may stand in parentheses.
            if left == Expr::Name("REC".to_owned()) && self.eat("->") {
                left = Expr::Field(self.name()?);
                continue;
            }
            if !self.eat("[") {
                return Some(left);
            }
            let index = self.deeper(Self::expression)?;
            self.expect("]")?;
            left = Expr::Index(Box::new(left), Box::new(index));
        }
        None
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.peek()?.clone();
        self.at += 1;
        match token {
            Token::Int(value, ty) => Some(Expr::Int(value, ty)),
            Token::Text(mut text) => {
                // Adjacent literals are one.
                while let Some(Token::Text(more)) = self.peek() {
                    text.extend_from_slice(more);
                    self.at += 1;
                }
                Some(Expr::Text(text))
            }
            Token::Punct("(") if self.eat("{") => self.deeper(Self::block),
            Token::Punct("(") => {
                let inner = self.deeper(Self::expression)?;
                self.expect(")")?;
                Some(inner)
            }
            Token::Punct("{") => Some(Expr::Braces(self.list("}")?)),
            Token::Name(name) if name == "sizeof" => self.size_of(),
            Token::Name(name) if self.eat("(") => Some(Expr::Call(name, self.list(")")?)),
            Token::Name(name) => Some(Expr::Name(name)),
            Token::Punct(_) => None,
        }
    }

    fn list(&mut self, end: &str) -> Option<Vec<Expr>> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.deeper(Self::assignment)?);
            if !self.eat(",") {
                self.expect(end)?;
                break;
            }
        }
        Some(items)
    }

    /// `sizeof(type)` is a number at once; of an expression it becomes a call.
    fn size_of(&mut self) -> Option<Expr> {
        let start = self.at;
        let bytes = match self.parenthesized_type() {
            Some((CType::Int(ty), true)) => Some(ty.bytes),
            Some((CType::Bool, _)) => Some(1),
            Some((CType::Pointer(_), _)) => Some(self.abi.long_bytes),
            _ => None,
        };
        if let Some(bytes) = bytes {
            return Some(Expr::Int(u64::from(bytes), IntType::pointer(self.abi)));
        }
        self.at = start;
        Some(Expr::Call("sizeof".to_owned(), vec![self.deeper(Self::unary)?]))
    }

    /// What the kernel's min() and max() become.
    fn block(&mut self) -> Option<Expr> {
        let mut locals = Vec::new();
        loop {
            let start = self.at;
            if let Some(local) = self.declaration() {
                locals.push(local);
                continue;
            }
            self.at = start;
            let value = self.expression()?;
            self.eat(";");
            if self.eat("}") {
                self.expect(")")?;
                return Some(Expr::Block(locals, Box::new(value)));
            }
        }
    }

    fn declaration(&mut self) -> Option<(String, CType, Expr)> {
        // The last word before `=` is the variable.
        let start = self.at;
        let equals = self
            .tokens
            .get(start..)?
            .iter()
            .position(|token| *token == Token::Punct("="))?
            + start;
        let Some(Token::Name(name)) = self.tokens.get(equals.checked_sub(1)?) else {
            return None;
        };
        let words = self.tokens.get(start..equals - 1)?;
        let mut inner = Parser {
            tokens: words,
            at: 0,
            depth: self.depth,
            abi: self.abi,
        };
        let ty = match words {
            [] => return None,
            [Token::Name(word), ..] if word.starts_with("typeof") || word.starts_with("__auto") => CType::Unknown,
            _ => inner.type_name().filter(|_| inner.at == words.len())?.0,
        };
        self.at = equals + 1;
        let value = self.deeper(Self::assignment)?;
        self.expect(";")?;
        Some((name.clone(), ty, value))
    }
}
