//! The interpreter's loop: one arm per op.
//!
//! In: a run that stands at a function's start. Out: its end. Invariant: every op burns fuel, every backward jump a loop.

use core::cmp::Ordering;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::{Op, Word};
use ktap_bytecode::trap::Trap;

use crate::arith::{binary, quick};
use crate::closure;
use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::value::{Tag, Value};

impl<H: Host> Run<'_, '_, H> {
    /// Runs to the end.
    pub(crate) fn go(&mut self) -> Ran<()> {
        let code = self.vm.code.code;
        loop {
            // The verifier proves that code does not run off its end; nothing happens beyond it.
            let Some(&word) = code.get(self.pc) else { return Ok(()) };
            self.pc = self.pc.wrapping_add(1);
            match self.fuel.checked_sub(1) {
                Some(left) => self.fuel = left,
                None => return Err(self.out_of_fuel()),
            }
            let Some(op) = word.op() else {
                return Err(Trap::Unsupported.into());
            };
            match op {
                Op::Nop => {}
                Op::Move => self.set(word.a(), self.r(word.b())),
                Op::LoadK => self.set(word.a(), self.vm.constant(word.d() as usize)),
                Op::LoadI => self.set(word.a(), Value::int(word.sd() as i64)),
                Op::LoadNil => {
                    let first = self.base.wrapping_add(word.a() as usize);
                    for i in 0..word.b() as usize {
                        self.set_slot(first.wrapping_add(i), Value::NIL);
                    }
                }
                Op::LoadBool => self.set(word.a(), Value::boolean(word.b() != 0)),
                Op::GGet => {
                    let value = self.variable(self.global_slot(word.d()))?;
                    self.set(word.a(), value);
                }
                Op::GSet => self.set_variable(self.global_slot(word.d()), self.r(word.a()))?,
                Op::GAdd => self.add_variable(self.global_slot(word.d()), self.r(word.a()))?,
                Op::CellNew => self.set(word.a(), self.new_cell(self.r(word.b()))?),
                Op::CellGet => {
                    let value = self.variable(self.cell_slot(self.r(word.b()))?)?;
                    self.set(word.a(), value);
                }
                Op::CellSet => self.set_variable(self.cell_slot(self.r(word.a()))?, self.r(word.b()))?,
                Op::CellAdd => self.add_variable(self.cell_slot(self.r(word.a()))?, self.r(word.b()))?,
                Op::UpGet => {
                    let value = self.variable(self.upvalue_slot(word.b())?)?;
                    self.set(word.a(), value);
                }
                Op::UpSet => self.set_variable(self.upvalue_slot(word.b())?, self.r(word.a()))?,
                Op::UpAdd => self.add_variable(self.upvalue_slot(word.b())?, self.r(word.a()))?,
                Op::UpCell => self.set(word.a(), self.upvalue(word.b())),
                Op::Closure => self.closure(word)?,
                Op::NewTable | Op::NewCounts => {
                    self.set(word.a(), self.new_table(word.b() as usize, word.c() as usize)?)
                }
                Op::TGet => {
                    let value = self.table_get(self.r(word.b()), self.r(word.c()))?;
                    self.set(word.a(), value);
                }
                Op::TGetK => {
                    let value = self.table_get(self.r(word.b()), self.vm.constant(word.c() as usize))?;
                    self.set(word.a(), value);
                }
                Op::TSet => self.table_set(self.r(word.a()), self.r(word.b()), self.r(word.c()))?,
                Op::TSetK => self.table_set(self.r(word.a()), self.vm.constant(word.b() as usize), self.r(word.c()))?,
                Op::TAdd => self.table_add(self.r(word.a()), self.r(word.b()), self.r(word.c()))?,
                Op::TAddK => self.table_add(self.r(word.a()), self.vm.constant(word.b() as usize), self.r(word.c()))?,
                Op::TInc => self.table_add(self.r(word.a()), self.r(word.b()), Value::int(word.c() as i64))?,
                Op::TIncK => {
                    let key = self.vm.constant(word.b() as usize);
                    self.table_add(self.r(word.a()), key, Value::int(word.c() as i64))?;
                }
                Op::GInc => self.add_variable(self.global_slot(word.d()), Value::int(word.a() as i64))?,
                Op::UpInc => self.add_variable(self.upvalue_slot(word.b())?, Value::int(word.a() as i64))?,
                Op::TAgg => self.table_aggregate(self.r(word.a()), self.r(word.b()), self.r(word.c()))?,
                Op::TList => self.table_list(word)?,
                Op::Member => {
                    let value = self.member(self.r(word.b()), word.c() as u16)?;
                    self.set(word.a(), value);
                }
                Op::EvField => {
                    let value = self.event_field(word.d())?;
                    self.set(word.a(), value);
                }
                Op::Add => self.set(
                    word.a(),
                    quick(Op::Add, self.r(word.b()), self.r(word.c()), i64::wrapping_add)?,
                ),
                Op::Sub => self.set(
                    word.a(),
                    quick(Op::Sub, self.r(word.b()), self.r(word.c()), i64::wrapping_sub)?,
                ),
                Op::Mul => self.set(
                    word.a(),
                    quick(Op::Mul, self.r(word.b()), self.r(word.c()), i64::wrapping_mul)?,
                ),
                Op::Div | Op::Mod | Op::BAnd | Op::BOr | Op::BXor | Op::Shl | Op::Shr => {
                    self.set(word.a(), binary(op, self.r(word.b()), self.r(word.c()))?);
                }
                Op::AddK => self.set(
                    word.a(),
                    quick(
                        Op::Add,
                        self.r(word.b()),
                        self.vm.constant(word.c() as usize),
                        i64::wrapping_add,
                    )?,
                ),
                Op::SubK => self.set(
                    word.a(),
                    quick(
                        Op::Sub,
                        self.r(word.b()),
                        self.vm.constant(word.c() as usize),
                        i64::wrapping_sub,
                    )?,
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
                Op::Eq => self.set(
                    word.a(),
                    Value::boolean(self.equals(self.r(word.b()), self.r(word.c()))),
                ),
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
                Op::EqK => {
                    let equal = self.equals(self.r(word.b()), self.vm.constant(word.c() as usize));
                    self.set(word.a(), Value::boolean(equal));
                }
                Op::LtK | Op::LeK | Op::GtK | Op::GeK => {
                    let order = self.order(self.r(word.b()), self.vm.constant(word.c() as usize))?;
                    let holds = match op {
                        Op::LtK => order == Ordering::Less,
                        Op::LeK => order != Ordering::Greater,
                        Op::GtK => order == Ordering::Greater,
                        _ => order != Ordering::Less,
                    };
                    self.set(word.a(), Value::boolean(holds));
                }
                Op::Jmp => self.jump(word)?,
                Op::JmpT => {
                    if self.r(word.a()).truth() {
                        self.jump(word)?;
                    }
                }
                Op::JmpF => {
                    if !self.r(word.a()).truth() {
                        self.jump(word)?;
                    }
                }
                Op::ForPrep => self.for_prepare(word)?,
                Op::ForLoop => self.for_loop(word)?,
                Op::Next => self.next(word)?,
                Op::Call => self.call(word)?,
                Op::TailCall => {
                    if self.tail_call(word)? {
                        return Ok(());
                    }
                }
                Op::CallBuiltin => {
                    let first = self.base.wrapping_add(word.a() as usize).wrapping_add(1);
                    let given = self.counted(word.b(), first);
                    let builtin = Builtin::from_number(word.c()).ok_or(Trap::CallType)?;
                    let value = self.builtin(builtin, first, given)?;
                    self.top_used();
                    self.set(word.a(), value);
                }
                Op::Return => {
                    let first = self.base.wrapping_add(word.a() as usize);
                    if self.ret(first, self.counted(word.b(), first))? {
                        return Ok(());
                    }
                }
                Op::Return0 => {
                    if self.ret(self.base, 0)? {
                        return Ok(());
                    }
                }
                Op::Vararg => self.vararg(word.a(), word.b())?,
                Op::Attach => self.attach(word)?,
            }
        }
    }

    #[inline(always)]
    fn jump(&mut self, word: Word) -> Ran<()> {
        let by = word.sd() as isize;
        if by < 0 {
            self.count_loop()?;
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

    #[inline(always)]
    fn for_loop(&mut self, word: Word) -> Ran<()> {
        let a = word.a();
        let (index, to, step) = (self.r(a), self.r(a.wrapping_add(1)), self.r(a.wrapping_add(2)));
        let (Some(index), Some(to), Some(step)) = (index.as_int(), to.as_int(), step.as_int()) else {
            return Err(Trap::ForStep.into());
        };
        // A step beyond the numbers there are is a step beyond the limit.
        let Some(index) = index.checked_add(step) else {
            return Ok(());
        };
        if if step > 0 { index <= to } else { index >= to } {
            self.set(a, Value::int(index));
            self.set(a.wrapping_add(3), Value::int(index));
            return self.jump(word);
        }
        Ok(())
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
        if self.handler {
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
