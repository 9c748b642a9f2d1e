//! A function while its code is being made: words, registers, jumps, cells.
//!
//! In: instructions. Out: code with patched jumps. Invariant: registers are a stack: variables below, temporaries above.

use std::collections::HashMap;

use ktap_bytecode::code::Capture;
use ktap_bytecode::limits::{MAX_CAPTURES, MAX_REGS};
use ktap_bytecode::op::{Op, Shape, Wide, Word};

use super::Lowering;
use crate::resolve::VarId;
use crate::source::Span;

/// A jump whose target is not known yet: the index of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump(usize);

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target(usize);

/// A loop being lowered.
#[derive(Default)]
pub(super) struct Loop {
    pub(super) breaks: Vec<Jump>,
    pub(super) continues: Vec<Jump>,
}

/// When a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// While main runs, or whenever it is called.
    Main,
    /// On events: it is attached, or written inside of such a function.
    Event,
    /// At the end, likewise.
    End,
}

/// A function being lowered.
pub(super) struct FunctionState {
    pub(super) name: String,
    pub(super) number: u16,
    pub(super) span: Span,
    pub(super) params: u8,
    pub(super) vararg: bool,
    pub(super) when: When,
    pub(super) code: Vec<Word>,
    pub(super) spans: Vec<Span>,
    pub(super) captures: Vec<(VarId, Capture)>,
    pub(super) loops: Vec<Loop>,
    registers: HashMap<VarId, u8>,
    top: usize,
    most: usize,
    /// The last place some jump goes to.
    label: usize,
}

impl FunctionState {
    /// Returns the registers its frame needs.
    pub(super) fn registers_used(&self) -> u8 {
        self.most.min(MAX_REGS) as u8
    }

    /// Returns true if control cannot reach the next word.
    pub(super) fn ended(&self) -> bool {
        let last = self.code.last().and_then(|word| word.op());
        self.label != self.code.len() && matches!(last, Some(Op::Return | Op::Return0 | Op::TailCall | Op::Jmp))
    }

    /// Gives unconditional jumps their final targets, so that no jump leads to another.
    fn thread_jumps(&mut self) {
        let target = |code: &[Word], at: usize| (at as i64 + 1 + i64::from(code[at].sd())) as usize;
        for at in 0..self.code.len() {
            let Some(op @ (Op::Jmp | Op::JmpT | Op::JmpF)) = self.code[at].op() else {
                continue;
            };
            let mut to = target(&self.code, at);
            // A chain longer than this is a loop of jumps, `while (true) {}`.
            for _ in 0..8 {
                match self.code.get(to).and_then(|word| word.op()) {
                    Some(Op::Jmp) => to = target(&self.code, to),
                    _ => break,
                }
            }
            if op == Op::Jmp && self.code.get(to).and_then(|word| word.op()) == Some(Op::Return0) {
                self.code[at] = self.code[to];
            } else if let Ok(offset) = i16::try_from(to as i64 - at as i64 - 1) {
                self.code[at] = Word::ad(op, self.code[at].a(), offset as u16);
            }
        }
    }
}

impl Lowering<'_> {
    /// Opens a function and gives it its number.
    pub(super) fn open_function(&mut self, name: String, span: Span) -> u16 {
        let number = self.done.len().min(u16::MAX as usize) as u16;
        self.done.push(None);
        self.open.push(FunctionState {
            name,
            number,
            span,
            params: 0,
            vararg: false,
            when: self.open.last().map_or(When::Main, |f| f.when),
            code: Vec::new(),
            spans: Vec::new(),
            captures: Vec::new(),
            loops: Vec::new(),
            registers: HashMap::new(),
            top: 0,
            most: 0,
            label: 0,
        });
        number
    }

    /// Ends the innermost function: it returns nothing unless it has returned.
    pub(super) fn close_function(&mut self) {
        let end = Span {
            start: self.f().span.end.saturating_sub(1),
            ..self.f().span
        };
        if !self.f().ended() {
            self.emit(Word::abc(Op::Return0, 0, 0, 0), end);
        }
        if let Some(mut state) = self.open.pop() {
            state.thread_jumps();
            if state.captures.len() > MAX_CAPTURES {
                self.too_large(state.span, "a function uses too many variables of its surroundings");
            }
            let number = state.number as usize;
            self.done[number] = Some(state);
        }
    }

    /// The innermost open function.
    pub(super) fn f(&mut self) -> &mut FunctionState {
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    pub(super) fn emit(&mut self, word: Word, span: Span) {
        let f = self.f();
        f.code.push(word);
        f.spans.push(span);
    }

    pub(super) fn abc(&mut self, op: Op, a: u8, b: u8, c: u8, span: Span) {
        self.emit(Word::abc(op, a, b, c), span);
    }

    /// Emits an op with a wide operand; an operand that does not fit is reported.
    pub(super) fn ad(&mut self, op: Op, a: u8, d: u32, span: Span) {
        let d = u16::try_from(d).unwrap_or_else(|_| {
            self.too_large(span, "too many constants, fields or functions");
            0
        });
        self.emit(Word::ad(op, a, d), span);
    }

    /// Takes a register off the stack of temporaries.
    pub(super) fn alloc(&mut self, span: Span) -> u8 {
        self.alloc_many(1, span)
    }

    /// Takes consecutive registers; returns the first.
    pub(super) fn alloc_many(&mut self, count: usize, span: Span) -> u8 {
        let f = self.f();
        let first = f.top;
        f.top += count;
        f.most = f.most.max(f.top);
        if f.top > MAX_REGS {
            self.too_large(span, "a function needs more than 250 registers");
            return 0;
        }
        first as u8
    }

    /// The register the next temporary takes.
    pub(super) fn next_register(&mut self) -> u8 {
        self.f().top.min(MAX_REGS) as u8
    }

    pub(super) fn top(&mut self) -> usize {
        self.f().top
    }

    /// Frees the temporaries from `top` up.
    pub(super) fn release(&mut self, top: usize) {
        self.f().top = top;
    }

    /// Returns true if the register is the topmost temporary.
    pub(super) fn is_topmost(&mut self, register: u8) -> bool {
        self.f().top == register as usize + 1
    }

    /// Keeps a register for a variable, or for the cell it lives in.
    pub(super) fn bind(&mut self, variable: VarId, register: u8) {
        self.f().registers.insert(variable, register);
    }

    /// Returns the register of a variable that the innermost function declares.
    pub(super) fn register_of(&mut self, variable: VarId) -> Option<u8> {
        self.f().registers.get(&variable).copied()
    }

    /// Returns the upvalue of the innermost function that is this variable's cell.
    pub(super) fn upvalue(&mut self, variable: VarId) -> u8 {
        let level = self.open.len() - 1;
        self.upvalue_at(level, variable)
    }

    fn upvalue_at(&mut self, level: usize, variable: VarId) -> u8 {
        if let Some(index) = self.open[level].captures.iter().position(|(v, _)| *v == variable) {
            return index.min(MAX_CAPTURES) as u8;
        }
        let Some(outer) = level.checked_sub(1) else { return 0 };
        let capture = match self.open[outer].registers.get(&variable) {
            Some(register) => Capture {
                from_upvalue: 0,
                index: *register,
            },
            None => Capture {
                from_upvalue: 1,
                index: self.upvalue_at(outer, variable),
            },
        };
        let captures = &mut self.open[level].captures;
        captures.push((variable, capture));
        (captures.len() - 1).min(MAX_CAPTURES) as u8
    }

    /// Emits a jump to a place still to come.
    pub(super) fn jump(&mut self, op: Op, register: u8, span: Span) -> Jump {
        self.emit(Word::ad(op, register, 0), span);
        Jump(self.f().code.len() - 1)
    }

    /// The place of the next word.
    pub(super) fn here(&mut self) -> Target {
        let f = self.f();
        f.label = f.code.len();
        Target(f.code.len())
    }

    /// Gives jumps their target.
    pub(super) fn patch(&mut self, jumps: &[Jump], target: Target) {
        for jump in jumps {
            let word = self.f().code[jump.0];
            debug_assert!(matches!(word.op().map(Op::shape), Some(Shape::Ad(_, Wide::Jump))));
            let distance = target.0 as i64 - jump.0 as i64 - 1;
            match (i16::try_from(distance), word.op()) {
                (Ok(distance), Some(op)) => self.f().code[jump.0] = Word::ad(op, word.a(), distance as u16),
                _ => {
                    let span = self.f().spans[jump.0];
                    self.too_large(span, "a block is too long to jump over");
                }
            }
        }
    }

    /// Lets jumps lead to the next word.
    pub(super) fn land(&mut self, jumps: &[Jump]) {
        if !jumps.is_empty() {
            let here = self.here();
            self.patch(jumps, here);
        }
    }

    /// Emits a jump back to a place.
    pub(super) fn jump_back(&mut self, op: Op, register: u8, target: Target, span: Span) {
        let jump = self.jump(op, register, span);
        self.patch(&[jump], target);
    }
}
