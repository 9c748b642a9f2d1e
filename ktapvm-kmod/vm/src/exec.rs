//! The interpreter's loop: one arm per op.
//!
//! In: a run that stands at a function's start. Out: its end. Invariant: every function entered burns fuel for all its words and every backward
//! jump for those it jumps over, so that no more words run than fuel was burnt; every backward jump counts as a loop.

use core::cmp::Ordering;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::trap::Trap;

use crate::arith::{binary, quick};
use crate::builtin;
use crate::closure;
use crate::host::Host;
use crate::number;
use crate::run::{Ran, Run, Stop};
use crate::value::{Tag, Value};

impl<H: Host> Run<'_, '_, H> {
    /// Runs to the end.
    ///
    /// The arms here are those of ops that handlers are made of; [`Run::rare`] has the others, so that the way to these is short.
    #[inline(never)]
    pub(crate) fn go(&mut self) -> Ran<()> {
        let code = self.vm.code.code;
        // Both are kept at hand; `self` has them while an op is at work that looks at them or moves them.
        let mut pc = self.pc;
        let mut window = self.window;
        /// The value of a step; a trap ends the run at the op that made it.
        macro_rules! ran {
            ($step:expr) => {
                match $step {
                    Ok(value) => value,
                    Err(stop) => break Err(stop),
                }
            };
        }
        macro_rules! jump {
            ($word:expr) => {{
                let by = $word.sd() as isize;
                if by < 0 {
                    ran!(self.count_loop(by.unsigned_abs()));
                }
                pc = pc.wrapping_add_signed(by);
            }};
        }
        let ended = loop {
            // The verifier proves that code does not run off its end; nothing happens beyond it.
            let Some(&word) = code.get(pc) else { break Ok(()) };
            pc = pc.wrapping_add(1);
            match word.0 as u8 {
                number::MOVE => window.set(word.a(), window.get(word.b())),
                number::LOAD_K => window.set(word.a(), self.vm.constant(word.d() as usize)),
                number::LOAD_I => window.set(word.a(), Value::int(word.sd() as i64)),
                number::G_GET => window.set(word.a(), ran!(self.global(word.d()))),
                number::G_ADD => ran!(self.add_global(word.d(), window.get(word.a()))),
                number::GINC => ran!(self.add_global(word.d(), Value::int(word.a() as i64))),
                number::UP_GET => {
                    let slot = ran!(self.upvalue_slot(word.b()));
                    window.set(word.a(), ran!(self.variable(slot)));
                }
                number::T_GET => window.set(
                    word.a(),
                    ran!(self.table_get(window.get(word.b()), window.get(word.c()))),
                ),
                number::T_SET => ran!(self.table_set(window.get(word.a()), window.get(word.b()), window.get(word.c()))),
                number::T_ADD => ran!(self.table_add(window.get(word.a()), window.get(word.b()), window.get(word.c()))),
                number::T_INC => {
                    ran!(self.table_add(window.get(word.a()), window.get(word.b()), Value::int(word.c() as i64)))
                }
                number::T_AGG => {
                    ran!(self.table_aggregate(window.get(word.a()), window.get(word.b()), window.get(word.c())))
                }
                number::EV_FIELD => match self.vm.plain_field(self.host, word.d()) {
                    Some(value) => window.set(word.a(), value),
                    None => window.set(word.a(), ran!(self.event_field(word.d()))),
                },
                number::ADD => window.set(
                    word.a(),
                    ran!(quick(
                        Op::Add,
                        window.get(word.b()),
                        window.get(word.c()),
                        i64::wrapping_add
                    )),
                ),
                number::SUB => window.set(
                    word.a(),
                    ran!(quick(
                        Op::Sub,
                        window.get(word.b()),
                        window.get(word.c()),
                        i64::wrapping_sub
                    )),
                ),
                number::ADD_K => window.set(
                    word.a(),
                    ran!(quick(
                        Op::Add,
                        window.get(word.b()),
                        self.vm.constant(word.c() as usize),
                        i64::wrapping_add
                    )),
                ),
                number::SUB_K => window.set(
                    word.a(),
                    ran!(quick(
                        Op::Sub,
                        window.get(word.b()),
                        self.vm.constant(word.c() as usize),
                        i64::wrapping_sub
                    )),
                ),
                number::EQ => window.set(
                    word.a(),
                    Value::boolean(self.equals(window.get(word.b()), window.get(word.c()))),
                ),
                number::EQ_K => {
                    let equal = self.equals(window.get(word.b()), self.vm.constant(word.c() as usize));
                    window.set(word.a(), Value::boolean(equal));
                }
                number::LT_K | number::LE_K | number::GT_K | number::GE_K => {
                    let order = ran!(self.order(window.get(word.b()), self.vm.constant(word.c() as usize)));
                    let holds = match word.0 as u8 {
                        number::LT_K => order == Ordering::Less,
                        number::LE_K => order != Ordering::Greater,
                        number::GT_K => order == Ordering::Greater,
                        _ => order != Ordering::Less,
                    };
                    window.set(word.a(), Value::boolean(holds));
                }
                number::JMP => jump!(word),
                number::JMP_T => {
                    if window.get(word.a()).truth() {
                        jump!(word);
                    }
                }
                number::JMP_F => {
                    if !window.get(word.a()).truth() {
                        jump!(word);
                    }
                }
                number::FOR_LOOP => {
                    if ran!(self.for_loop(word.a())) {
                        jump!(word);
                    }
                }
                number::CALL_BUILTIN => {
                    let value = match word.c() {
                        number::PID => Value::int(self.host.pid() as i64),
                        number::TID => Value::int(self.host.tid() as i64),
                        number::LOG2 if word.b() == 1 => {
                            let n = window.get(word.a().wrapping_add(1)).as_int();
                            Value::int(builtin::exponent(ran!(n.ok_or(builtin::wrong(0)))))
                        }
                        number::NSECS => Value::int(self.host.time_ns() as i64),
                        _ => ran!(self.call_builtin(word)),
                    };
                    window.set(word.a(), value);
                }
                number::RETURN0 if self.depth == 0 => break Ok(()),
                _ => {
                    self.pc = pc;
                    let ended = self.rare(word);
                    pc = self.pc;
                    window = self.window;
                    if ran!(ended) {
                        break Ok(());
                    }
                }
            }
        };
        self.pc = pc;
        ended
    }

    /// Executes an op that has no arm in [`Run::go`]; true if the run has ended with it.
    #[inline(never)]
    fn rare(&mut self, word: Word) -> Ran<bool> {
        let Some(op) = word.op() else {
            return Err(Trap::Unsupported.into());
        };
        match op {
            Op::LoadNil => {
                let first = self.base.wrapping_add(word.a() as usize);
                for i in 0..word.b() as usize {
                    self.set_slot(first.wrapping_add(i), Value::NIL);
                }
            }
            Op::LoadBool => self.set(word.a(), Value::boolean(word.b() != 0)),
            Op::GSet => self.set_variable(self.global_slot(word.d()), self.r(word.a()))?,
            Op::CellNew => self.set(word.a(), self.new_cell(self.r(word.b()))?),
            Op::CellGet => {
                let value = self.variable(self.cell_slot(self.r(word.b()))?)?;
                self.set(word.a(), value);
            }
            Op::CellSet => self.set_variable(self.cell_slot(self.r(word.a()))?, self.r(word.b()))?,
            Op::CellAdd => self.add_variable(self.cell_slot(self.r(word.a()))?, self.r(word.b()))?,
            Op::UpSet => self.set_variable(self.upvalue_slot(word.b())?, self.r(word.a()))?,
            Op::UpAdd => self.add_variable(self.upvalue_slot(word.b())?, self.r(word.a()))?,
            Op::UpInc => self.add_variable(self.upvalue_slot(word.b())?, Value::int(word.a() as i64))?,
            Op::UpCell => self.set(word.a(), self.upvalue(word.b())),
            Op::Closure => self.closure(word)?,
            Op::NewTable => self.set(word.a(), self.new_table(word.b() as usize, word.c() as usize)?),
            Op::NewCounts => self.set(word.a(), self.new_counts(word.b() as usize, word.c() as usize)?),
            Op::TGetK => {
                let value = self.table_get(self.r(word.b()), self.vm.constant(word.c() as usize))?;
                self.set(word.a(), value);
            }
            Op::TSetK => self.table_set(self.r(word.a()), self.vm.constant(word.b() as usize), self.r(word.c()))?,
            Op::TAddK => self.table_add(self.r(word.a()), self.vm.constant(word.b() as usize), self.r(word.c()))?,
            Op::TIncK => {
                let key = self.vm.constant(word.b() as usize);
                self.table_add(self.r(word.a()), key, Value::int(word.c() as i64))?;
            }
            Op::TList => self.table_list(word)?,
            Op::Member => {
                let value = self.member(self.r(word.b()), word.c() as u16)?;
                self.set(word.a(), value);
            }
            Op::Mul => self.set(
                word.a(),
                quick(Op::Mul, self.r(word.b()), self.r(word.c()), i64::wrapping_mul)?,
            ),
            Op::MulK => self.set(
                word.a(),
                quick(
                    Op::Mul,
                    self.r(word.b()),
                    self.vm.constant(word.c() as usize),
                    i64::wrapping_mul,
                )?,
            ),
            Op::Div | Op::Mod | Op::BAnd | Op::BOr | Op::BXor | Op::Shl | Op::Shr => {
                self.set(word.a(), binary(op, self.r(word.b()), self.r(word.c()))?);
            }
            Op::DivK | Op::ModK => {
                self.set(
                    word.a(),
                    binary(op, self.r(word.b()), self.vm.constant(word.c() as usize))?,
                );
            }
            Op::Neg => self.set(word.a(), binary(Op::Sub, Value::int(0), self.r(word.b()))?),
            Op::BNot => self.set(word.a(), binary(Op::BXor, self.r(word.b()), Value::int(-1))?),
            Op::Not => self.set(word.a(), Value::boolean(!self.r(word.b()).truth())),
            Op::Concat => {
                let value = self.concat(self.base.wrapping_add(word.b() as usize), word.c() as usize)?;
                self.set(word.a(), value);
            }
            Op::Ne => self.set(
                word.a(),
                Value::boolean(!self.equals(self.r(word.b()), self.r(word.c()))),
            ),
            Op::Lt => {
                let order = self.order(self.r(word.b()), self.r(word.c()))?;
                self.set(word.a(), Value::boolean(order == Ordering::Less));
            }
            Op::Le => {
                let order = self.order(self.r(word.b()), self.r(word.c()))?;
                self.set(word.a(), Value::boolean(order != Ordering::Greater));
            }
            Op::ForPrep => self.for_prepare(word)?,
            Op::Next => self.next(word)?,
            Op::Call => self.call(word)?,
            Op::TailCall => return self.tail_call(word),
            Op::Return => {
                let first = self.base.wrapping_add(word.a() as usize);
                return self.ret(first, self.counted(word.b(), first));
            }
            Op::Return0 => return self.ret(self.base, 0),
            Op::Vararg => self.vararg(word.a(), word.b())?,
            Op::Attach => self.attach(word)?,
            // The ops of `go`.
            _ => {}
        }
        Ok(false)
    }

    /// `CallBuiltin` in general.
    fn call_builtin(&mut self, word: Word) -> Ran<Value> {
        let first = self.base.wrapping_add(word.a() as usize).wrapping_add(1);
        let given = self.counted(word.b(), first);
        let builtin = Builtin::from_number(word.c()).ok_or(Trap::CallType)?;
        let value = self.builtin(builtin, first, given)?;
        self.top_used();
        Ok(value)
    }

    fn jump(&mut self, word: Word) -> Ran<()> {
        let by = word.sd() as isize;
        if by < 0 {
            self.count_loop(by.unsigned_abs())?;
        }
        self.pc = self.pc.wrapping_add_signed(by);
        Ok(())
    }

    fn for_prepare(&mut self, word: Word) -> Ran<()> {
        let a = word.a();
        let (from, to, step) = (self.r(a), self.r(a.wrapping_add(1)), self.r(a.wrapping_add(2)));
        let (Some(from), Some(to), Some(step)) = (from.as_int(), to.as_int(), step.as_int()) else {
            return Err(Trap::ForStep.into());
        };
        if step == 0 {
            return Err(Trap::ForStep.into());
        }
        if (step > 0 && from <= to) || (step < 0 && from >= to) {
            self.set(a.wrapping_add(3), Value::int(from));
            return Ok(());
        }
        self.jump(word)
    }

    /// One step of a numeric loop; true if it goes on.
    #[inline(always)]
    fn for_loop(&mut self, a: u8) -> Ran<bool> {
        let (index, to, step) = (self.r(a), self.r(a.wrapping_add(1)), self.r(a.wrapping_add(2)));
        let (Some(index), Some(to), Some(step)) = (index.as_int(), to.as_int(), step.as_int()) else {
            return Err(Trap::ForStep.into());
        };
        // A step beyond the numbers there are is a step beyond the limit.
        let Some(index) = index.checked_add(step) else {
            return Ok(false);
        };
        let goes_on = if step > 0 { index <= to } else { index >= to };
        if goes_on {
            self.set(a, Value::int(index));
            self.set(a.wrapping_add(3), Value::int(index));
        }
        Ok(goes_on)
    }

    fn next(&mut self, word: Word) -> Ran<()> {
        let a = word.a();
        match self.table_next(self.r(a), self.r(a.wrapping_add(1)))? {
            Some((cursor, key, value)) => {
                self.set(a.wrapping_add(1), cursor);
                self.set(a.wrapping_add(2), key);
                self.set(a.wrapping_add(3), value);
                Ok(())
            }
            None => self.jump(word),
        }
    }

    fn table_list(&mut self, word: Word) -> Ran<()> {
        let number = self.r(word.b()).as_int().unwrap_or(1);
        let first = self.base.wrapping_add(word.b() as usize).wrapping_add(1);
        for i in 0..self.counted(word.c(), first) {
            let key = Value::int(number.wrapping_add(i as i64));
            self.table_set(self.r(word.a()), key, self.slot(first.wrapping_add(i)))?;
        }
        self.top_used();
        Ok(())
    }

    fn closure(&mut self, word: Word) -> Ran<()> {
        let function = self
            .vm
            .code
            .functions
            .get(word.d() as usize)
            .copied()
            .ok_or(Trap::CallType)?;
        let count = function.captures as usize;
        let handle = self.on_heap(|objects| {
            let handle = closure::create(objects, word.d() as u32, count)?;
            for i in 0..count {
                let Some(capture) = self
                    .vm
                    .code
                    .captures
                    .get((function.first_capture as usize).wrapping_add(i))
                else {
                    break;
                };
                let cell = if capture.from_upvalue != 0 {
                    self.upvalue(capture.index)
                } else {
                    self.r(capture.index)
                };
                if cell.is(Tag::Cell) {
                    closure::set_cell(objects, handle, i, cell);
                }
            }
            Ok(handle)
        })?;
        self.set(word.a(), Value::new(Tag::Closure, 0, handle as u64));
        Ok(())
    }

    fn attach(&mut self, word: Word) -> Ran<()> {
        if self.vm.ended() {
            return Err(Stop::Trap(Trap::AttachInEnd, word.d() as i64));
        }
        if self.is_handler() {
            return Err(Stop::Trap(Trap::AttachInHandler, word.d() as i64));
        }
        let handler = self.r(word.a());
        if !handler.is(Tag::Closure) {
            return Err(Trap::BadHandler.into());
        }
        let attached = self.on_heap(|objects| {
            let attached = self.vm.add_attachment(word.d(), handler.handle());
            if attached.is_some() {
                objects.retain(handler);
            }
            Ok(attached)
        })?;
        let Some(attached) = attached else {
            return Err(Stop::Trap(
                Trap::TooManyAttached,
                ktap_bytecode::limits::MAX_ATTACHED as i64,
            ));
        };
        self.host.attach(word.d(), attached).map_err(Stop::from)
    }
}
