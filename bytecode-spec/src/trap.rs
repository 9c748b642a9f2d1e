//! Run-time faults: what can go wrong while a verified program runs.
//!
//! In: nothing. Out: [`Trap`], a code; [`Fault`], a code with its place. Invariant: numbers are append-only, and the text
//! stays on the host: on the wire a fault is (code, function, pc, detail).

macro_rules! define_traps {
    ($($n:literal $name:ident $text:literal;)*) => {
        /// Why a handler was stopped. `{}` in the message stands for the fault's detail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Trap { $(#[doc = $text] $name = $n,)* }

        impl Trap {
            /// Every trap in number order.
            pub const ALL: &'static [Trap] = &[$(Trap::$name),*];

            /// Returns the trap with this number.
            pub const fn from_number(number: u8) -> Option<Trap> {
                match number { $($n => Some(Trap::$name),)* _ => None }
            }

            /// Returns the message, with `{}` where the detail goes.
            pub const fn message(self) -> &'static str {
                match self { $(Trap::$name => $text,)* }
            }
        }
    };
}

define_traps! {
    0 DivideByZero "divide 0 arith operation";
    1 ModuloByZero "mod 0 arith operation";
    2 ArithType "cannot make arith operation on a non-number";
    3 CompareType "compare with non-number";
    4 ConcatType "cannot concat non-string";
    5 CallType "attempt to call nil function";
    6 IndexType "attempt to index a value that is not a table";
    7 NilKey "table index is nil";
    8 WrongArgument "wrong type of argument {}";
    9 MissingArgument "bad argument #{}: (no value)";
    10 LoopLimit "loop execute count exceed max limit({})";
    11 OutOfFuel "executed instructions exceed max limit({})";
    12 StackOverflow "stack overflow";
    13 OutOfMemory "out of memory: the session's budget of {} bytes is used up";
    14 ScratchFull "too many temporary strings in one handler: {} bytes";
    15 StringTooLong "too long string: more than {} bytes";
    16 NoEvent "invalid event context";
    17 NoSuchField "the event has no such field";
    18 AddType "use '+=' operator on non-number value";
    19 AddOperand "use '+=' on non-number";
    20 HistValue "print_hist only can print number";
    21 AttachInHandler "only mainthread can create function";
    22 AttachInEnd "kdebug.trace_by_id only can be called in RUNNING state";
    23 TimerInEnd "timer.tick only can be called in RUNNING state";
    24 TooManyAttached "more than {} probes attached";
    25 ForStep "'for' step is zero or a bound is not a number";
    26 BadHandler "a probe's handler must be a function";
    27 Unsupported "this engine cannot do that";
    28 LenType "cannot get length of this type";
    29 AggregateType "use '<<<' on non-number";
    30 Unsafe "this needs --unsafe";
    31 LockTimeout "a table is busy in a context that cannot wait";
    32 NotInjectable "the kernel lets nobody set what this function returns: it is not on the list for error injection; `%return` may still set it";
}

/// A trap and where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub trap: Trap,
    /// The function that ran.
    pub function: u16,
    /// The word in the program's code (not in the function) that trapped.
    pub pc: u32,
    /// A number for the message: an argument's position, a limit.
    pub detail: i64,
}
