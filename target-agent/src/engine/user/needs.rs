//! What a program's code can ask for, so that nothing else is sampled.
//!
//! In: verified code. Out: [`Needs`]. Invariant: what may be asked for is found, even if it never is.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::code::{CodeRef, ConstKind};
use ktap_bytecode::op::{Op, Word};

use crate::sys::perf::Chains;

/// What a program can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Names of tasks.
    pub execname: bool,
    /// Users of processes.
    pub uid: bool,
    /// Stacks.
    pub chains: Chains,
}

/// Builtins that only something inside the kernel can give.
const KERNEL_ONLY: &[Builtin] = &[
    Builtin::KernelString,
    Builtin::CurrTaskinfo,
    Builtin::InInterrupt,
    Builtin::InIowait,
    Builtin::EventSetRetval,
    Builtin::NetSockSaddr,
    Builtin::NetSockDaddr,
];

/// Returns the first word that calls a builtin this engine lacks.
pub fn missing_builtin(code: &CodeRef<'_>) -> Option<u32> {
    let lacks = |number| Builtin::from_number(number).is_some_and(|builtin| KERNEL_ONLY.contains(&builtin));
    let calls = |word: &Word| word.op() == Some(Op::CallBuiltin) && lacks(word.c());
    code.code.iter().position(calls).map(|pc| pc as u32)
}

impl Needs {
    /// Looks through a program.
    pub fn of(code: &CodeRef<'_>) -> Needs {
        let called = code
            .code
            .iter()
            .filter(|word| word.op() == Some(Op::CallBuiltin))
            .map(|word| word.c());
        let held = code
            .consts
            .iter()
            .filter(|c| c.kind == ConstKind::Builtin as u32)
            .map(|c| c.value as u8);
        let mut needs = Needs::default();
        for builtin in called.chain(held).filter_map(Builtin::from_number) {
            match builtin {
                Builtin::Execname => needs.execname = true,
                Builtin::Uid => needs.uid = true,
                Builtin::Stack => needs.chains.kernel = true,
                Builtin::Ustack => needs.chains.user = true,
                _ => {}
            }
        }
        needs
    }
}
