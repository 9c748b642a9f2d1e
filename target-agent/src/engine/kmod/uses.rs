//! What a probe's handler asks of its event, so that a probe which needs no record is attached without one.
//!
//! In: code. Out: [`Uses`] of each probe site. Invariant: what may be asked for is found, even if it never is.

use alloc::vec::Vec;

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{CodeRef, ConstKind, Field, FieldKind, Function};
use ktap_bytecode::event::EventMember;
use ktap_bytecode::op::{Op, Word};

/// What may be asked of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Its text, or fields by numbers known only at run time: the record itself.
    pub record: bool,
    /// The program's field references.
    pub fields: Vec<bool>,
    calls: bool,
}

impl Uses {
    /// Nothing.
    pub const fn nothing() -> Uses {
        Uses {
            record: false,
            fields: Vec::new(),
            calls: false,
        }
    }

    fn add(&mut self, other: &Uses) {
        self.record |= other.record;
        self.calls |= other.calls;
        self.fields
            .iter_mut()
            .zip(&other.fields)
            .for_each(|(to, from)| *to |= from);
    }
}

/// Finds the uses of every probe site.
pub fn by_site(code: &CodeRef<'_>) -> Vec<Uses> {
    let each: Vec<Uses> = code
        .functions
        .iter()
        .map(|function| of_function(code, function))
        .collect();
    // Which function each site runs, where that can be seen: a closure is made and attached at once.
    let mut handler: Vec<Option<usize>> = alloc::vec![None; code.probes as usize];
    let mut seen = alloc::vec![0u8; code.probes as usize];
    let mut only_attached = alloc::vec![true; code.functions.len()];
    for pair in code.code.windows(2) {
        if let Some((function, site)) = made_and_attached(pair[0], pair[1])
            && let (Some(slot), Some(seen)) = (handler.get_mut(site), seen.get_mut(site))
        {
            *slot = Some(function);
            *seen = seen.saturating_add(1);
        }
    }
    for (at, word) in code.code.iter().enumerate() {
        let next = code.code.get(at + 1).copied().unwrap_or(Word(0));
        if word.op() == Some(Op::Closure) && made_and_attached(*word, next).is_none() {
            only_attached
                .get_mut(word.d() as usize)
                .into_iter()
                .for_each(|f| *f = false);
        }
        if word.op() == Some(Op::Attach) {
            let before = at.checked_sub(1).and_then(|at| code.code.get(at)).copied();
            if before.is_none_or(|before| made_and_attached(before, *word).is_none()) {
                // Some closure that is held elsewhere.
                seen.get_mut(word.d() as usize).into_iter().for_each(|n| *n = u8::MAX);
            }
        }
    }
    let empty = Uses {
        fields: alloc::vec![false; code.fields.len()],
        ..Uses::default()
    };
    let mut loose = empty.clone();
    for (uses, only_attached) in each.iter().zip(&only_attached).skip(1) {
        if !only_attached {
            loose.add(uses);
        }
    }
    // Builtins as values may be called from anywhere.
    let held = code.consts.iter().filter(|c| c.kind == ConstKind::Builtin as u32);
    loose.record |= held
        .filter_map(|c| Builtin::from_number(c.value as u8))
        .any(takes_record);
    let sites = handler.iter().zip(&seen);
    sites
        .map(|(handler, seen)| {
            let mut uses = empty.clone();
            match handler.and_then(|function| each.get(function)) {
                Some(own) if *seen == 1 => uses.add(own),
                _ => {
                    each.iter().for_each(|other| uses.add(other));
                    uses.calls = true;
                }
            }
            if uses.calls {
                uses.add(&loose);
            }
            uses
        })
        .collect()
}

fn made_and_attached(made: Word, attached: Word) -> Option<(usize, usize)> {
    let both = made.op() == Some(Op::Closure) && attached.op() == Some(Op::Attach) && made.a() == attached.a();
    both.then(|| (made.d() as usize, attached.d() as usize))
}

fn of_function(code: &CodeRef<'_>, function: &Function) -> Uses {
    let mut uses = Uses {
        fields: alloc::vec![false; code.fields.len()],
        ..Uses::default()
    };
    let start = function.start as usize;
    let body = code.code.get(start..start.saturating_add(function.len as usize));
    for word in body.unwrap_or_default() {
        let (a, b, c) = (word.a(), word.b(), word.c());
        let mut reads = |field: usize| uses.fields.get_mut(field).into_iter().for_each(|used| *used = true);
        // The event object comes in the first register.
        let event = |register: u8| function.params > 0 && register == 0;
        match word.op() {
            Some(Op::EvField) => reads(word.d() as usize),
            Some(Op::Member) => {
                reads(c as usize);
                uses.record |= code.fields.get(c as usize).is_some_and(is_method);
            }
            Some(Op::CallBuiltin) => uses.record |= Builtin::from_number(c).is_some_and(takes_record),
            Some(Op::Call | Op::TailCall) => uses.calls = true,
            // It goes elsewhere, where it may be printed or asked.
            Some(Op::Move | Op::CellNew) => uses.record |= event(b),
            Some(Op::Concat) => uses.record |= function.params > 0,
            Some(Op::Return | Op::GSet | Op::UpSet | Op::CellSet) => uses.record |= event(a) || event(b),
            Some(Op::TSet | Op::TSetK | Op::TAgg) => uses.record |= event(b) || event(c),
            _ => {}
        }
    }
    uses
}

/// True for a member that is a method over the record, in a function whose argument nobody knows to be the event.
fn is_method(field: &Field) -> bool {
    let methods = [EventMember::ToString as u16, EventMember::Field as u16];
    field.kind == FieldKind::Member as u8 && methods.contains(&field.number)
}

fn takes_record(builtin: Builtin) -> bool {
    matches!(builtin, Builtin::Argstr | Builtin::EventText | Builtin::EventField)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktap_lang::compile::{CompileOptions, compile};
    use ktap_lang::source::Source;

    /// Per site: the record, then the numbers of the fields.
    fn uses(script: &str) -> Vec<(bool, usize)> {
        let (program, _) = compile(&Source::new("t.kp", script), &CompileOptions::default());
        let image = program.expect("a program").image;
        let found = by_site(&image.code_ref());
        found
            .iter()
            .map(|uses| (uses.record, uses.fields.iter().filter(|used| **used).count()))
            .collect()
    }

    #[test]
    fn per_site() {
        let script =
            "var n = 0 trace sched:sched_switch { n += 1 } trace a:b { print(arg1) } trace a:c { print(argstr) }";
        assert_eq!(uses(script), [(false, 0), (false, 1), (true, 0)]);
    }

    #[test]
    fn through_functions_and_the_event_object() {
        let script = "function f() { print(argstr) } trace a:b { f() } trace a:c { print(cpu) }";
        assert_eq!(uses(script), [(true, 0), (false, 0)]);
        let script =
            "kdebug.probe('tp:a:b', function (e) { print(e) }) kdebug.probe('tp:a:c', function (e) { print(e.name) })";
        assert_eq!(uses(script), [(true, 0), (false, 0)]);
        let script = "var f = function (e) { print(e.tostring()) } kdebug.probe('tp:a:b', f)";
        assert!(uses(script)[0].0);
    }
}
