//! Text of tokens, of the tree and of diagnostics, for `-d tokens`, `-d ast` and golden files.
//!
//! In: what lexer and parser made. Out: text. Invariant: the same input gives the same text; it shows structure, not layout.

use std::fmt::Write;

use crate::ast::*;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Source, Span};
use crate::token::{Token, TokenKind};

/// Returns one line for each token: its place, its kind, its value.
pub fn tokens(source: &Source, tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        let value = match &token.kind {
            TokenKind::Name(text) | TokenKind::KernelSymbol(text) | TokenKind::EventText(text) => format!(" {text}"),
            TokenKind::Number(value) => format!(" {value}"),
            TokenKind::Str(bytes) => format!(" {}", quoted(bytes)),
            _ => String::new(),
        };
        line(
            &mut out,
            format_args!("{} {}{value}", place(source, token.span), token.kind.text()),
        );
    }
    out
}

/// Returns each diagnostic as a line with its place, then its labels and help, indented.
pub fn diagnostics(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let severity = match diagnostic.code.severity() {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let at = place(source, diagnostic.primary.span);
        line(
            &mut out,
            format_args!("{at} {severity} {}: {}", diagnostic.code.text(), diagnostic.message),
        );
        if !diagnostic.primary.text.is_empty() {
            line(&mut out, format_args!("  {}", diagnostic.primary.text));
        }
        for other in &diagnostic.others {
            line(&mut out, format_args!("  {} {}", place(source, other.span), other.text));
        }
        for help in &diagnostic.help {
            line(&mut out, format_args!("  help: {help}"));
        }
    }
    out
}

/// Returns the tree: a line for each statement, expressions in prefix form.
pub fn ast(block: &Block) -> String {
    let mut dump = Dump {
        out: String::new(),
        level: 0,
    };
    dump.statements(block);
    dump.out
}

fn place(source: &Source, span: Span) -> String {
    let (line, column) = source.line_column(span.start);
    format!("{line}:{column}+{}", span.end - span.start)
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

struct Dump {
    out: String,
    level: usize,
}

impl Dump {
    fn line(&mut self, text: impl AsRef<str>) {
        let indent = "  ".repeat(self.level);
        line(&mut self.out, format_args!("{indent}{}", text.as_ref()));
    }

    fn statements(&mut self, block: &Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    fn block(&mut self, head: impl AsRef<str>, block: &Block) {
        self.line(head);
        self.level += 1;
        self.statements(block);
        self.level -= 1;
    }

    fn statement(&mut self, statement: &Statement) {
        use StatementKind::*;
        match &statement.kind {
            If { arms, otherwise } => {
                for (at, (condition, body)) in arms.iter().enumerate() {
                    let word = if at == 0 { "if" } else { "elseif" };
                    let condition = self.expression(condition);
                    self.block(format!("{word} {condition}"), body);
                }
                if let Some(body) = otherwise {
                    self.block("else", body);
                }
            }
            While { condition, body } => {
                let condition = self.expression(condition);
                self.block(format!("while {condition}"), body);
            }
            Repeat { body, until } => {
                self.block("repeat", body);
                let until = self.expression(until);
                self.line(format!("until {until}"));
            }
            NumericFor {
                variable,
                first,
                last,
                step,
                body,
            } => {
                let mut head = format!(
                    "for {} {} {}",
                    variable.text,
                    self.expression(first),
                    self.expression(last)
                );
                if let Some(step) = step {
                    head = format!("{head} {}", self.expression(step));
                }
                self.block(head, body);
            }
            CFor {
                init,
                condition,
                step,
                body,
            } => {
                self.line("for-c");
                self.level += 1;
                self.part("init", init.as_deref());
                let condition = condition
                    .as_ref()
                    .map(|condition| self.expression(condition))
                    .unwrap_or_default();
                self.line(format!("condition {condition}"));
                self.part("step", step.as_deref());
                self.block("body", body);
                self.level -= 1;
            }
            PairsFor { names, iterator, body } => {
                let iterator = self.expression(iterator);
                self.block(format!("for-in {} {iterator}", list(names)), body);
            }
            Do(body) => self.block("do", body),
            Trace { event, body } => self.block(format!("trace <{}>", event.text), body),
            Timer {
                profile,
                interval,
                body,
            } => {
                let word = if *profile { "profile" } else { "tick" };
                self.block(format!("{word} <{}>", interval.text), body);
            }
            simple => {
                let text = self.simple(simple);
                self.line(text);
            }
        }
    }

    fn part(&mut self, word: &str, statement: Option<&Statement>) {
        self.line(word);
        self.level += 1;
        if let Some(statement) = statement {
            self.statement(statement);
        }
        self.level -= 1;
    }

    fn simple(&mut self, kind: &StatementKind) -> String {
        use StatementKind::*;
        match kind {
            Local { names, values } => format!("local {}{}", list(names), self.spaced(values)),
            LocalFunction { name, function } => format!("local-function {} {}", name.text, self.function(function)),
            Function { path, method, function } => {
                let path = path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".");
                let method = method
                    .as_ref()
                    .map(|name| format!(":{}", name.text))
                    .unwrap_or_default();
                format!("function {path}{method} {}", self.function(function))
            }
            Assign { targets, values } => format!("assign{} ={}", self.spaced(targets), self.spaced(values)),
            Compound { op, target, value } => {
                format!(
                    "{}= {} {}",
                    binary(*op),
                    self.expression(target),
                    self.expression(value)
                )
            }
            Aggregate { target, value } => format!("<<< {} {}", self.expression(target), self.expression(value)),
            Expression(expression) => format!("do {}", self.expression(expression)),
            Return(values) => format!("return{}", self.spaced(values)),
            Break => "break".into(),
            Continue => "continue".into(),
            Goto(name) => format!("goto {}", name.text),
            Label(name) => format!("label {}", name.text),
            TraceCall { event, handler } => {
                format!("trace-call {} {}", self.expression(event), self.expression(handler))
            }
            TraceEnd(handler) => format!("trace_end {}", self.expression(handler)),
            // The others have bodies and are written above.
            _ => "error".into(),
        }
    }

    fn spaced(&mut self, expressions: &[Expression]) -> String {
        expressions
            .iter()
            .map(|expression| format!(" {}", self.expression(expression)))
            .collect()
    }

    fn expression(&mut self, expression: &Expression) -> String {
        use ExpressionKind::*;
        match &expression.kind {
            Nil => "nil".into(),
            Bool(value) => value.to_string(),
            Number(value) => value.to_string(),
            Str(bytes) => quoted(bytes),
            Vararg => "...".into(),
            Name(name) => name.clone(),
            KernelSymbol(name) => format!("`{name}`"),
            Function(function) => self.function(function),
            Table(items) => format!(
                "{{{}}}",
                items.iter().map(|item| self.item(item)).collect::<Vec<_>>().join(", ")
            ),
            Index(object, key) => format!("(index {} {})", self.expression(object), self.expression(key)),
            Member(object, name) => format!("(. {} {})", self.expression(object), name.text),
            Call(callee, arguments) => format!("(call {}{})", self.expression(callee), self.spaced(arguments)),
            MethodCall(object, name, arguments) => {
                format!(
                    "(: {} {}{})",
                    self.expression(object),
                    name.text,
                    self.spaced(arguments)
                )
            }
            Unary(op, operand) => format!("({} {})", unary(*op), self.expression(operand)),
            Binary(op, left, right) => {
                format!("({} {} {})", binary(*op), self.expression(left), self.expression(right))
            }
            Paren(inner) => format!("(paren {})", self.expression(inner)),
            Error => "<error>".into(),
        }
    }

    fn item(&mut self, item: &TableItem) -> String {
        match item {
            TableItem::Positional(value) => self.expression(value),
            TableItem::Named(name, value) => format!("{} = {}", name.text, self.expression(value)),
            TableItem::Keyed(key, value) => format!("[{}] = {}", self.expression(key), self.expression(value)),
        }
    }

    /// Writes a function over several lines: the text so far goes on behind its closing parenthesis.
    fn function(&mut self, function: &FunctionBody) -> String {
        let mut parameters: Vec<&str> = function.parameters.iter().map(|name| name.text.as_str()).collect();
        if function.vararg {
            parameters.push("...");
        }
        let mut body = Dump {
            out: String::new(),
            level: self.level + 1,
        };
        body.statements(&function.body);
        let indent = "  ".repeat(self.level);
        format!("(function ({})\n{}{indent})", parameters.join(" "), body.out)
    }
}

fn list(names: &[Name]) -> String {
    names
        .iter()
        .map(|name| name.text.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

const fn unary(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
        UnaryOp::BitNot => "~",
    }
}

const fn binary(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::Concat => "..",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
    }
}
