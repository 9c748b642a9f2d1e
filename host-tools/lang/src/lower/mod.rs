//! Lowering: from the tree and what its names mean to code.
//!
//! In: [`Block`], [`Resolved`]. Out: [`Program`]. Invariant: what is not lowered is reported; code that is emitted passes
//! the verifier.

mod assign;
mod attach;
mod builtin;
mod call;
mod closure;
mod condition;
mod event;
mod expression;
mod fold;
mod format;
mod function;
mod loops;
mod operator;
mod pool;
mod statement;
mod table;

use std::collections::HashMap;

use ktap_bytecode::code::Function;
use ktap_bytecode::image::Image;
use ktap_bytecode::limits::{MAX_CODE, MAX_CONSTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_PROBES};
use ktap_bytecode::probe::Probe;
use ktap_bytecode::version::{MAJOR, MINOR};

use crate::ast::Block;
use crate::compile::CompileOptions;
use crate::diagnostic::{Code, Diagnostic};
use crate::program::{DebugMap, Program};
use crate::resolve::{Resolved, VarId};
use crate::source::{Source, Span};
use fold::Value;
use function::FunctionState;
use pool::Pool;

/// The state of one lowering.
pub(crate) struct Lowering<'a> {
    source: &'a Source,
    options: &'a CompileOptions,
    resolved: &'a Resolved,
    diagnostics: Vec<Diagnostic>,
    pool: Pool,
    /// Functions by number; one that is still being lowered has no code yet.
    done: Vec<Option<FunctionState>>,
    /// The functions being lowered, main first.
    open: Vec<FunctionState>,
    probes: Vec<Probe>,
    probe_texts: Vec<(String, Span)>,
    /// Variables that hold one known value for ever.
    constants: HashMap<VarId, Value>,
}

/// Lowers a script. The program counts only if no diagnostic is an error.
pub(crate) fn lower(
    source: &Source,
    options: &CompileOptions,
    block: &Block,
    resolved: &Resolved,
) -> (Program, Vec<Diagnostic>) {
    let mut lowering = Lowering {
        source,
        options,
        resolved,
        diagnostics: Vec::new(),
        pool: Pool::default(),
        done: Vec::new(),
        open: Vec::new(),
        probes: Vec::new(),
        probe_texts: Vec::new(),
        constants: HashMap::new(),
    };
    lowering.main(block);
    lowering.finish()
}

impl Lowering<'_> {
    fn main(&mut self, block: &Block) {
        self.open_function("main".to_string(), block.span);
        self.make_arg_table(block.span);
        let (now, end) = block
            .statements
            .split_at(self.resolved.end_part.unwrap_or(block.statements.len()));
        self.statements(now);
        if let (Some(first), Some(last)) = (end.first(), end.last()) {
            self.attach_end_part(end, first.span.to(last.span));
        }
        self.close_function();
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(code, span, message));
    }

    fn not_lowered(&mut self, span: Span, what: &str) {
        self.error(Code::NotLowered, span, format!("{what} is not supported yet"));
    }

    /// Reports a bound of the bytecode, once for the whole script.
    fn too_large(&mut self, span: Span, what: &str) {
        if !self.diagnostics.iter().any(|d| d.code == Code::TooLarge) {
            self.error(Code::TooLarge, span, format!("the script is too large: {what}"));
        }
    }

    fn finish(mut self) -> (Program, Vec<Diagnostic>) {
        let mut functions = Vec::new();
        let mut code = Vec::new();
        let mut captures = Vec::new();
        let mut debug = DebugMap {
            probes: std::mem::take(&mut self.probe_texts),
            ..DebugMap::default()
        };
        for state in std::mem::take(&mut self.done).into_iter().flatten() {
            functions.push(Function {
                start: code.len() as u32,
                len: state.code.len() as u32,
                first_capture: captures.len().min(u16::MAX as usize) as u16,
                captures: state.captures.len() as u16,
                regs: state.registers_used(),
                params: state.params,
                vararg: u8::from(state.vararg),
                reserved: 0,
            });
            captures.extend(state.captures.iter().map(|(_, capture)| *capture));
            code.extend(state.code);
            debug.spans.extend(state.spans);
            debug.functions.push(state.name);
        }
        debug.globals = self.resolved.globals.clone();
        let whole = Span::new(0, self.source.text.len());
        let bounds = [
            (code.len(), MAX_CODE, "code"),
            (self.pool.consts.len(), MAX_CONSTS, "constants"),
            (functions.len(), MAX_FUNCTIONS, "functions"),
            (debug.globals.len(), MAX_GLOBALS, "globals"),
            (self.probes.len(), MAX_PROBES, "probes"),
            (captures.len(), u16::MAX as usize, "captured variables"),
        ];
        for (len, max, what) in bounds {
            if len > max {
                self.too_large(whole, &format!("more than {max} {what}"));
            }
        }
        debug.formats = self.pool.format_texts;
        let image = Image {
            major: MAJOR,
            minor: MINOR,
            build_id: Vec::new(),
            globals: debug.globals.len().min(u16::MAX as usize) as u16,
            functions,
            code,
            consts: self.pool.consts,
            bytes: self.pool.bytes,
            captures,
            fields: self.pool.fields,
            formats: self.pool.formats,
            probes: self.probes,
        };
        (
            Program {
                image,
                relocations: self.pool.relocations,
                debug,
            },
            self.diagnostics,
        )
    }
}
