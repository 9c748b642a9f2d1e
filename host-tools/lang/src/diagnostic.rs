//! Diagnostics as data; the command line renders them.
//!
//! In: findings of lexer, parser, resolver, lowering. Out: [`Diagnostic`]. Invariant: every code has a row in [`Code`] and
//! a page of its own there.

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A lint: the script runs, but perhaps not as meant.
    Warning,
    /// The script cannot run.
    Error,
}

macro_rules! define_codes {
    ($($name:ident $code:literal $severity:ident $title:literal $page:literal;)*) => {
        /// What a diagnostic is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// Returns the code as printed, `K0103`.
            pub const fn text(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// Returns how bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// Returns what it is about, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// Returns its page: what it means and what to do.
            pub const fn page(self) -> &'static str {
                match self { $(Code::$name => $page,)* }
            }
        }
    };
}

define_codes! {
    UnexpectedSymbol "K0001" Error "unexpected symbol" "The parser met a token that cannot stand here. The message names it; `<eof>` is the end of the script. Often a parenthesis, a brace or an operand is missing just before the place shown.";
    UnfinishedString "K0002" Error "unfinished string" "A string was opened and its line ended before it was closed. Close it with the same quote, or use [[ ]] for text over several lines.";
    MalformedNumber "K0003" Error "malformed number" "Numbers are decimal, 0x hexadecimal or 0 octal integers, with `_` between digits and the suffixes ns us ms s K M G. ktap has no fractions.";
    InvalidEscape "K0004" Error "invalid escape sequence" "Strings know \\\\a \\\\b \\\\f \\\\n \\\\r \\\\t \\\\v \\\\xHH \\\\ddd \\\\z and a backslash before quotes, backslash and newline.";
    BadEventDef "K0005" Error "cannot parse eventdef" "An EVENTDEF is SYSTEM:EVENT, probe:FUNC, probe:/PATH:SYM, sdt:/PATH:MARK, ftrace:function, mem:ADDR or a perf event, several separated by commas, with an optional /filter/.";
    BadInterval "K0006" Error "cannot parse timer interval" "An interval is a number and a unit: tick-1s, profile-100us, tick-10ms. Units are s sec ms msec us usec ns nsec; profile also takes hz.";
    TooDeep "K0007" Error "too many syntax levels" "The script nests deeper than the compiler follows.";
    BadFetchArg "K0008" Error "cannot parse fetch-arg" "What a probe takes along is written as for the kernel's own probes, NAME=FETCH:TYPE. FETCH is %REG, $argN, $retval, $stack, $stackN, $comm, @ADDR, @SYM+OFF, @+FILEOFF, a \\NUMBER or \\\"text\", or memory at one of them: +OFF(FETCH), in user space +uOFF(FETCH). TYPE is u8 .. u64, s8 .. s64, x8 .. x64, char, symbol, string, ustring or a bit field b<width>@<shift>/<of>, and [N] makes an array of it.";
    UndefinedName "K0101" Error "undefined name" "The name is read but nothing declares or assigns it. Check the spelling; declare variables with `var`.";
    NotLowered "K0102" Error "not supported yet" "This part of the language is understood but this release cannot run it.";
    WrongArity "K0103" Error "wrong number of arguments" "The builtin takes another number of arguments; its signature is in `ktap-host list builtins`.";
    NotAssignable "K0104" Error "cannot assign to this" "Only variables, table entries and fields can be assigned.";
    BreakOutside "K0105" Error "break or continue outside a loop" "There is no loop around it to leave or to go on with.";
    DynamicEventDef "K0106" Error "eventdef must be known when the script is compiled" "Probes are resolved on the host. Build the text from constants and script arguments only.";
    TooLarge "K0107" Error "the script is too large" "A function, or the whole script, exceeds a bound of the bytecode.";
    ArgumentType "K0108" Error "wrong type of argument" "A constant argument has a type the builtin does not take.";
    BadFormat "K0109" Error "bad format string" "printf takes the conversions %c %d %i %o %u %x %X %s %p %%, each with flags `-+ #0`, a width and a precision of at most two digits.";
    AttachInHandler "K0110" Error "only mainthread can create function" "A probe can be attached only while the main part of the script runs, not from a handler.";
    VarargOutside "K0111" Error "cannot use '...' outside a vararg function" "Only a function declared with ... has varargs; main has the script's arguments in `arg`.";
    EventOutside "K0112" Error "invalid event context" "The builtin reads the current event, and there is none here.";
    Internal "K0113" Error "mistake of the compiler" "The compiler made a program that its own verifier refuses. This is never the script's fault: please report it with the script.";
    ChangesKernel "K0114" Error "the script changes the kernel" "set_retval makes the probed function return something else, which can bring a kernel down. Only a session with --unsafe may do it.";
    ImplicitGlobal "K0201" Warning "assignment makes a global" "The name was not declared. It becomes a global, as in ktap 0.1; write `var` to say so.";
    OctalNumber "K0202" Warning "octal number" "A number with a leading 0 is octal, as in C.";
    SaturatedNumber "K0203" Warning "number too large" "The number does not fit 64 bits and becomes -1, as in ktap.";
    ShadowedVariable "K0204" Warning "declaration hides a builtin variable" "Inside this scope the name means the script's own variable.";
    UnusedResult "K0205" Warning "the value is not used" "The expression stands where a statement is expected and has no effect: its value goes nowhere. Assign it, print it, or leave it out.";
}

/// A span with a text under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The text, possibly empty.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub code: Code,
    /// The sentence, beginning in lower case and in ktap's words where it had any.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that matter.
    pub others: Vec<Label>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Makes a diagnostic without labels or help.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        let primary = Label {
            span,
            text: String::new(),
        };
        Diagnostic {
            code,
            message: message.into(),
            primary,
            others: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a text under the primary span.
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// Adds a line of help.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }
}
