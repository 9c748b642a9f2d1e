//! The rules a program has to keep.
//!
//! In: nothing. Out: [`Rule`], its number and its text. Invariant: numbers are append-only.

macro_rules! define_rules {
    ($($n:literal $name:ident $text:literal;)*) => {
        /// A rule of the verifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "alloc", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u8)]
        pub enum Rule { $(#[doc = $text] $name = $n,)* }

        impl Rule {
            /// Every rule in number order.
            pub const ALL: &'static [Rule] = &[$(Rule::$name),*];

            /// Returns the rule with this number.
            pub const fn from_number(number: u8) -> Option<Rule> {
                match number { $($n => Some(Rule::$name),)* _ => None }
            }

            /// Returns what has to hold, as one sentence.
            pub const fn message(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }
        }
    };
}

define_rules! {
    0 NoMain "A program needs a first function, main.";
    1 TooManyFunctions "A program has at most 4096 functions: make it shorter.";
    2 TooMuchCode "A program has at most 65536 words of code: make it shorter.";
    3 TooManyConsts "A program has at most 65535 constants.";
    4 TooManyGlobals "A program has at most 4096 globals.";
    5 TooManyProbes "A program has at most 1024 probe sites.";
    6 ConstKind "A constant is a number, a string, a format or a builtin, its reserved part zero.";
    7 ConstString "A string constant lies in the byte pool and has at most 4096 bytes.";
    8 ConstFormat "A format constant names a format of the program.";
    9 ConstBuiltin "A builtin constant names a builtin this version knows.";
    10 FormatClasses "A format's argument classes lie in the byte pool, each d, s or p.";
    11 FieldKind "A field reference is by name, by number or to a member, its reserved part zero.";
    12 FieldName "A field reference's name is a string constant; only arguments may do without.";
    13 FieldMember "A field reference to a member names one this version knows.";
    14 CaptureKind "A capture is from a register or from an upvalue of the maker.";
    15 MainFrame "Main has no parameters and no captures.";
    16 FunctionPlace "Functions lie in the code, one after another, none empty, none over another.";
    17 FunctionFrame "A function has at most 250 registers, its parameters among them; its vararg flag is 0 or 1, its reserved part zero.";
    18 FunctionCaptures "A function's captures, at most 250, lie in the capture list.";
    19 FallsOffEnd "A function's last word is a return or a jump.";
    20 UnknownOp "Each word holds an op this version knows.";
    21 ReservedOperand "An operand an op does not use is zero.";
    22 Register "Each register used, counted ones included, lies in the function's frame.";
    23 ConstIndex "A constant used is in the program.";
    24 ConstFit "The constant fits the op: a number for arithmetic, a number or a string for order, no format as a key.";
    25 GlobalIndex "A global used is in the program.";
    26 FunctionIndex "A closure is of a function of the program other than main.";
    27 Capturable "A closure's captures are registers and upvalues of the function that makes it.";
    28 UpvalueIndex "An upvalue used is among the function's captures.";
    29 FieldIndex "A field reference used is in the program.";
    30 ProbeIndex "A probe site attached is in the program.";
    31 UnknownBuiltin "A builtin called is one this version knows.";
    32 Arity "A builtin is called with as many arguments as it takes.";
    33 Count "A count is at least what the op needs: 1 for loadnil, 2 for concat.";
    34 JumpTarget "A jump lands on a word of its own function.";
    35 TopUnset "'Up to top' follows at once on a call or vararg that sets the top, at or above the first value counted.";
    36 TopJump "No jump lands on an op that counts up to top.";
    37 VarargOutside "Varargs are read only by a function that takes them.";
}
