//! Numbers of ops and builtins as patterns: a match over bytes needs no check that a byte is an op's.
//!
//! In: the op and builtin tables. Out: constants. Invariant: each is the number of what its name says.

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::op::Op;

macro_rules! numbers {
    ($($of:ident { $($constant:ident $name:ident)* })*) => {
        $($(pub(crate) const $constant: u8 = $of::$name as u8;)*)*
    };
}

numbers! {
    Op {
        MOVE Move LOAD_NIL LoadNil LOAD_K LoadK LOAD_I LoadI G_GET GGet G_ADD GAdd GINC GInc UP_GET UpGet
        T_GET TGet T_SET TSet T_ADD TAdd T_INC TInc T_AGG TAgg EV_FIELD EvField
        ADD Add SUB Sub ADD_K AddK SUB_K SubK EQ Eq EQ_K EqK LT_K LtK LE_K LeK GT_K GtK GE_K GeK
        JMP Jmp JMP_T JmpT JMP_F JmpF FOR_LOOP ForLoop CALL_BUILTIN CallBuiltin RETURN0 Return0
    }
    Builtin { PRINT Print PRINTF Printf ARGSTR Argstr PID Pid TID Tid CPU Cpu NSECS Nsecs EXECNAME Execname LOG2 Log2 }
}
