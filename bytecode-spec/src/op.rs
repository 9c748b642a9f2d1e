//! The op table: number, name, operands and meaning of every instruction.
//!
//! In: nothing. Out: [`Op`], [`Word`] and the per-op [`Shape`] that decoder, verifier, disassembler and documentation
//! derive from. Invariant: numbers are append-only; a snapshot test guards them.
//!
//! An instruction is one 32-bit word, `op:8 a:8 b:8 c:8` from the low byte up. `d` is `b` and `c` read as one
//! little-endian 16-bit number, signed where the shape says so. Jump offsets count words from the word after the jump.

/// What one operand of an op means; the verifier checks each kind by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Not used; must be zero.
    None,
    /// A register that is read.
    Read,
    /// A register that is written.
    Write,
    /// A register that is read and written.
    Update,
    /// A number of registers starting at operand `a` or `b`, as the op says; 255 means "up to top" where allowed.
    Count,
    /// An 8-bit immediate.
    Imm,
    /// A constant, 8-bit index.
    Const8,
    /// A field reference, 8-bit index.
    Field8,
    /// A builtin number.
    Builtin,
    /// An upvalue (cell) of the running closure.
    Upvalue,
}

/// What the 16-bit operand `d` means, for ops of the AD form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wide {
    /// A constant index.
    Const,
    /// A signed number.
    Int,
    /// A global slot.
    Global,
    /// A function index.
    Function,
    /// A probe index.
    Probe,
    /// A field reference index.
    Field,
    /// A signed jump offset in words, from the next word.
    Jump,
}

/// The operand layout of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Three 8-bit operands.
    Abc(Operand, Operand, Operand),
    /// One 8-bit and one 16-bit operand.
    Ad(Operand, Wide),
}

/// Calls `$m!` with the whole op table; rows are `number Name "mnemonic" shape "meaning"`.
#[macro_export]
macro_rules! for_each_op {
    ($m:ident) => {
        $m! {
            0 Nop "nop" Abc(None, None, None) "does nothing";
            1 Move "move" Abc(Write, Read, None) "r[a] = r[b]";
            2 LoadK "loadk" Ad(Write, Const) "r[a] = k[d]";
            3 LoadI "loadi" Ad(Write, Int) "r[a] = d";
            4 LoadNil "loadnil" Abc(Write, Count, None) "r[a .. a+b] = nil; b >= 1";
            5 LoadBool "loadbool" Abc(Write, Imm, None) "r[a] = (b != 0)";
            6 GGet "gget" Ad(Write, Global) "r[a] = g[d]";
            7 GSet "gset" Ad(Read, Global) "g[d] = r[a]";
            8 GAdd "gadd" Ad(Read, Global) "g[d] += r[a], one atomic update; nil counts as 0";
            9 CellNew "cellnew" Abc(Write, Read, None) "r[a] = a new cell that holds r[b]";
            10 CellGet "cellget" Abc(Write, Read, None) "r[a] = value in the cell r[b]";
            11 CellSet "cellset" Abc(Read, Read, None) "value in the cell r[a] = r[b]";
            12 CellAdd "celladd" Abc(Read, Read, None) "value in the cell r[a] += r[b], one atomic update";
            13 UpGet "upget" Abc(Write, Upvalue, None) "r[a] = value in upvalue b";
            14 UpSet "upset" Abc(Read, Upvalue, None) "value in upvalue b = r[a]";
            15 UpAdd "upadd" Abc(Read, Upvalue, None) "value in upvalue b += r[a], one atomic update";
            16 Closure "closure" Ad(Write, Function) "r[a] = closure of function d over its captures";
            17 NewTable "newtable" Abc(Write, Imm, Imm) "r[a] = {} with room for b list and c keyed entries";
            18 TGet "tget" Abc(Write, Read, Read) "r[a] = r[b][r[c]]";
            19 TGetK "tgetk" Abc(Write, Read, Const8) "r[a] = r[b][k[c]]";
            20 TSet "tset" Abc(Read, Read, Read) "r[a][r[b]] = r[c]";
            21 TSetK "tsetk" Abc(Read, Const8, Read) "r[a][k[b]] = r[c]";
            22 TAdd "tadd" Abc(Read, Read, Read) "r[a][r[b]] += r[c], one atomic update; absent counts as 0";
            23 TAddK "taddk" Abc(Read, Const8, Read) "r[a][k[b]] += r[c], one atomic update; absent counts as 0";
            24 TAgg "tagg" Abc(Read, Read, Read) "r[a][r[b]] <<< r[c]: count, sum, min, max of the numbers given";
            25 TList "tlist" Abc(Read, Read, Count) "r[a][n+i] = r[b+1+i] for i in 0..c, n the number in r[b]; c = 255 up to top";
            26 Member "member" Abc(Write, Read, Field8) "r[a] = member c of r[b]: a table entry by name, or of the event";
            27 EvField "evfield" Ad(Write, Field) "r[a] = field d of the current event";
            28 Add "add" Abc(Write, Read, Read) "r[a] = r[b] + r[c], wrapping; nil operand gives nil";
            29 Sub "sub" Abc(Write, Read, Read) "r[a] = r[b] - r[c]";
            30 Mul "mul" Abc(Write, Read, Read) "r[a] = r[b] * r[c]";
            31 Div "div" Abc(Write, Read, Read) "r[a] = r[b] / r[c], towards zero; zero divisor traps";
            32 Mod "mod" Abc(Write, Read, Read) "r[a] = r[b] % r[c], sign of r[b]; zero divisor traps";
            33 AddK "addk" Abc(Write, Read, Const8) "r[a] = r[b] + k[c]";
            34 SubK "subk" Abc(Write, Read, Const8) "r[a] = r[b] - k[c]";
            35 MulK "mulk" Abc(Write, Read, Const8) "r[a] = r[b] * k[c]";
            36 DivK "divk" Abc(Write, Read, Const8) "r[a] = r[b] / k[c]";
            37 ModK "modk" Abc(Write, Read, Const8) "r[a] = r[b] % k[c]";
            38 BAnd "band" Abc(Write, Read, Read) "r[a] = r[b] & r[c]";
            39 BOr "bor" Abc(Write, Read, Read) "r[a] = r[b] | r[c]";
            40 BXor "bxor" Abc(Write, Read, Read) "r[a] = r[b] ^ r[c]";
            41 Shl "shl" Abc(Write, Read, Read) "r[a] = r[b] << (r[c] & 63)";
            42 Shr "shr" Abc(Write, Read, Read) "r[a] = r[b] >> (r[c] & 63), arithmetic";
            43 Neg "neg" Abc(Write, Read, None) "r[a] = -r[b], wrapping; nil gives nil";
            44 BNot "bnot" Abc(Write, Read, None) "r[a] = ~r[b]";
            45 Not "not" Abc(Write, Read, None) "r[a] = (r[b] is nil or false)";
            46 Concat "concat" Abc(Write, Read, Count) "r[a] = r[b] .. ... .. r[b+c-1]; c >= 2";
            47 Eq "eq" Abc(Write, Read, Read) "r[a] = (r[b] == r[c])";
            48 Ne "ne" Abc(Write, Read, Read) "r[a] = (r[b] != r[c])";
            49 Lt "lt" Abc(Write, Read, Read) "r[a] = (r[b] < r[c]): two numbers or two strings";
            50 Le "le" Abc(Write, Read, Read) "r[a] = (r[b] <= r[c]): two numbers or two strings";
            51 EqK "eqk" Abc(Write, Read, Const8) "r[a] = (r[b] == k[c])";
            52 LtK "ltk" Abc(Write, Read, Const8) "r[a] = (r[b] < k[c])";
            53 LeK "lek" Abc(Write, Read, Const8) "r[a] = (r[b] <= k[c])";
            54 GtK "gtk" Abc(Write, Read, Const8) "r[a] = (r[b] > k[c])";
            55 GeK "gek" Abc(Write, Read, Const8) "r[a] = (r[b] >= k[c])";
            56 Jmp "jmp" Ad(None, Jump) "jump by d";
            57 JmpT "jmpt" Ad(Read, Jump) "jump by d unless r[a] is nil or false";
            58 JmpF "jmpf" Ad(Read, Jump) "jump by d if r[a] is nil or false";
            59 ForPrep "forprep" Ad(Update, Jump) "numeric for over r[a] index, r[a+1] limit, r[a+2] step; jump past the loop if it runs never, else r[a+3] = r[a]";
            60 ForLoop "forloop" Ad(Update, Jump) "r[a] += r[a+2]; if still within r[a+1] then r[a+3] = r[a] and jump back by d";
            61 Next "next" Ad(Update, Jump) "pairs step over table r[a] with cursor r[a+1] (nil first): r[a+2], r[a+3] = key, value, or jump by d at the end";
            62 Call "call" Abc(Update, Count, Count) "call r[a] with b arguments r[a+1]..; c results in r[a]..; 255 = up to / set top";
            63 TailCall "tailcall" Abc(Update, Count, None) "return r[a](b arguments r[a+1]..), reusing the frame; b = 255 up to top";
            64 CallBuiltin "builtin" Abc(Update, Count, Builtin) "r[a] = builtin c (b arguments r[a+1]..); b = 255 up to top; what the arguments' registers hold then is not said";
            65 Return "return" Abc(Read, Count, None) "return b values r[a]..; b = 255 up to top";
            66 Return0 "return0" Abc(None, None, None) "return nothing";
            67 Vararg "vararg" Abc(Write, Count, None) "r[a .. a+b] = the varargs, nil-filled; b = 255 all of them, set top";
            68 Attach "attach" Ad(Read, Probe) "attach probe d with handler r[a]; only while main runs";
            69 UpCell "upcell" Abc(Write, Upvalue, None) "r[a] = the cell of upvalue b, to be captured again";
            70 NewCounts "newcounts" Abc(Write, Imm, Imm) "r[a] = {} with room for b list and c keyed entries, for handlers that do nothing but add to it: each frame adds to a part of its own";
            71 TInc "tinc" Abc(Read, Read, Imm) "r[a][r[b]] += c, one atomic update; absent counts as 0";
            72 TIncK "tinck" Abc(Read, Const8, Imm) "r[a][k[b]] += c, one atomic update; absent counts as 0";
            73 GInc "ginc" Ad(Imm, Global) "g[d] += a, one atomic update; nil counts as 0";
            74 UpInc "upinc" Abc(Imm, Upvalue, None) "value in upvalue b += a, one atomic update";
        }
    };
}

macro_rules! define_ops {
    ($($n:literal $name:ident $mnemonic:literal $form:ident($($operand:ident),*) $doc:literal;)*) => {
        /// An instruction's operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op { $(#[doc = $doc] $name = $n,)* }

        impl Op {
            /// Every op in number order.
            pub const ALL: &'static [Op] = &[$(Op::$name),*];

            /// Returns the op with this number.
            pub const fn from_number(number: u8) -> Option<Op> {
                match number { $($n => Some(Op::$name),)* _ => None }
            }

            /// Returns the name the disassembler prints.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Op::$name => $mnemonic,)* }
            }

            /// Returns the one-line meaning.
            pub const fn meaning(self) -> &'static str {
                match self { $(Op::$name => $doc,)* }
            }

            /// Returns the operand layout.
            pub const fn shape(self) -> Shape {
                match self { $(Op::$name => shape!($form($($operand),*)),)* }
            }
        }
    };
}

macro_rules! shape {
    (Abc($a:ident, $b:ident, $c:ident)) => {
        Shape::Abc(Operand::$a, Operand::$b, Operand::$c)
    };
    (Ad($a:ident, $d:ident)) => {
        Shape::Ad(Operand::$a, Wide::$d)
    };
}

for_each_op!(define_ops);

/// One instruction as it travels and runs: `op:8 a:8 b:8 c:8` from the low byte up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Word(pub u32);

impl Word {
    /// The "up to top" value of a count operand.
    pub const MULTI: u8 = 255;

    /// Builds an instruction of three 8-bit operands.
    pub const fn abc(op: Op, a: u8, b: u8, c: u8) -> Word {
        Word(op as u32 | (a as u32) << 8 | (b as u32) << 16 | (c as u32) << 24)
    }

    /// Builds an instruction of one 8-bit and one 16-bit operand.
    pub const fn ad(op: Op, a: u8, d: u16) -> Word {
        Word(op as u32 | (a as u32) << 8 | (d as u32) << 16)
    }

    /// Returns the op, or nothing for an unknown number.
    pub const fn op(self) -> Option<Op> {
        Op::from_number(self.0 as u8)
    }

    /// Returns operand `a`.
    pub const fn a(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Returns operand `b`.
    pub const fn b(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Returns operand `c`.
    pub const fn c(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Returns operand `d`, unsigned.
    pub const fn d(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Returns operand `d` as a signed number.
    pub const fn sd(self) -> i16 {
        (self.0 >> 16) as i16
    }
}
