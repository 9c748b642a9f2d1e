//! The builtin table: number, name, arity, contexts and one line of documentation for every builtin.
//!
//! In: nothing. Out: [`Builtin`], from which the compiler resolves names, the verifier checks calls, the VM dispatches and
//! `ktap-host list builtins` prints. Invariant: numbers are append-only; a snapshot test guards them.

/// Where a builtin may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Anywhere: main, handlers, end.
    Any,
    /// Only while a probe's handler runs, for it reads the event.
    Event,
}

/// How a builtin may be written in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Only as a call, `name(...)`.
    Call,
    /// Bare or called, `pid` and `pid()`.
    Variable,
    /// By the compiler alone; no script can name it.
    Hidden,
}

/// Calls `$m!` with the whole builtin table; rows are
/// `number Variant "name" spelling context min..max "signature" "documentation"`. Names with the same meaning are listed in [`ALIASES`].
#[macro_export]
macro_rules! for_each_builtin {
    ($m:ident) => {
        $m! {
            0 Print "print" Call Any 0..254 "print(...)" "Prints its arguments, separated by tabs, and a newline.";
            1 Printf "printf" Call Any 1..254 "printf(fmt, ...)" "Prints by a C format: %d %i %u %o %x %X %c %s %p %%.";
            2 PrintHist "print_hist" Call Any 1..2 "print_hist(t[, n])" "Prints the n (20) largest entries of a table as a bar chart.";
            3 Histogram "histogram" Call Any 1..2 "histogram(t[, n])" "Prints a table as a bar chart.";
            4 Len "len" Call Any 1..1 "len(x)" "Returns the bytes of a string or the entries of a table.";
            5 Delete "delete" Call Any 1..2 "delete(t[, k])" "Empties a table, or removes one key.";
            6 Exit "exit" Call Any 0..1 "exit([status])" "Ends the session: this handler stops, trace_end still runs.";
            7 Count "count" Call Any 1..2 "count(t, k) or count(stat)" "Adds one to t[k]; with one argument reads an aggregation's count.";
            8 TableCount "table_count" Call Any 2..3 "table_count(t, k[, n])" "Adds n (1) to t[k] in one atomic update.";
            9 Sum "sum" Call Any 1..1 "sum(stat)" "Returns the sum of an aggregation.";
            10 Avg "avg" Call Any 1..1 "avg(stat)" "Returns the mean of an aggregation, towards zero.";
            11 Min "min" Call Any 1..1 "min(stat)" "Returns the least value of an aggregation.";
            12 Max "max" Call Any 1..1 "max(stat)" "Returns the largest value of an aggregation.";
            13 Pid "pid" Variable Any 0..0 "pid" "The process id (TGID) of the current task.";
            14 Tid "tid" Variable Any 0..0 "tid" "The thread id of the current task.";
            15 Uid "uid" Variable Any 0..0 "uid" "The user id of the current task.";
            16 Cpu "cpu" Variable Any 0..0 "cpu" "The number of the current CPU.";
            17 Execname "execname" Variable Any 0..0 "execname" "The command name of the current task, at most 15 bytes.";
            18 Argstr "argstr" Variable Event 0..0 "argstr" "The text of the current event, as the kernel would print it.";
            19 Probename "probename" Variable Event 0..0 "probename" "The name of the current event.";
            20 EventField "event_field" Hidden Event 1..1 "e.field(n)" "The n-th own field of the current event, from 1.";
            21 EventSetRetval "event_set_retval" Hidden Event 1..1 "e.set_retval(n)" "Overrides the return value of the probed function.";
            22 GettimeofdayNs "gettimeofday_ns" Call Any 0..0 "gettimeofday_ns()" "Wall clock, nanoseconds since 1970.";
            23 GettimeofdayUs "gettimeofday_us" Call Any 0..0 "gettimeofday_us()" "Wall clock, microseconds since 1970.";
            24 GettimeofdayMs "gettimeofday_ms" Call Any 0..0 "gettimeofday_ms()" "Wall clock, milliseconds since 1970.";
            25 GettimeofdayS "gettimeofday_s" Call Any 0..0 "gettimeofday_s()" "Wall clock, seconds since 1970.";
            26 Nsecs "nsecs" Variable Any 0..0 "nsecs" "The time of the current event on the trace clock, nanoseconds.";
            27 PrintTraceClock "print_trace_clock" Call Any 0..0 "print_trace_clock()" "Prints the trace clock as seconds.microseconds and a newline.";
            28 NumCpus "num_cpus" Call Any 0..0 "num_cpus()" "The number of CPUs online.";
            29 Arch "arch" Call Any 0..0 "arch()" "The machine name of the board's kernel.";
            30 KernelV "kernel_v" Call Any 0..0 "kernel_v()" "The release of the board's kernel.";
            31 KernelString "kernel_string" Call Any 1..1 "kernel_string(addr)" "The string at a kernel address, at most 255 bytes.";
            32 UserString "user_string" Call Any 1..1 "user_string(addr)" "The string at a user address, at most 255 bytes.";
            33 Stringof "stringof" Call Any 1..1 "stringof(x)" "Its argument as a string value that outlives the event.";
            34 Ipof "ipof" Call Any 1..1 "ipof(addr)" "Marks a number as a kernel address, printed as its symbol.";
            35 Stack "stack" Call Event 0..2 "stack([depth[, skip]])" "The kernel stack at the probe site.";
            36 Ustack "ustack" Call Event 0..2 "ustack([depth[, skip]])" "The user stack of the current task.";
            37 InInterrupt "in_interrupt" Call Any 0..0 "in_interrupt()" "Non-zero in interrupt context.";
            38 InIowait "in_iowait" Call Any 0..0 "in_iowait()" "1 while the current task waits for I/O.";
            39 CurrTaskinfo "curr_taskinfo" Call Any 1..2 "curr_taskinfo(offset[, bytes])" "Reads 4 or 8 bytes of the current task_struct.";
            40 AnsiClearScreen "ansi.clear_screen" Call Any 0..0 "ansi.clear_screen()" "Clears the terminal.";
            41 AnsiSetColor "ansi.set_color" Call Any 1..1 "ansi.set_color(fg)" "Sets the foreground colour.";
            42 AnsiSetColor2 "ansi.set_color2" Call Any 2..2 "ansi.set_color2(fg, bg)" "Sets foreground and background colours.";
            43 AnsiSetColor3 "ansi.set_color3" Call Any 3..3 "ansi.set_color3(fg, bg, attr)" "Sets colours and an attribute.";
            44 AnsiResetColor "ansi.reset_color" Call Any 0..0 "ansi.reset_color()" "Back to the default colours.";
            45 AnsiNewLine "ansi.new_line" Call Any 0..0 "ansi.new_line()" "Prints a newline.";
            46 TableNew "table.new" Call Any 0..2 "table.new([narr, nrec])" "A table with room reserved.";
            47 FormatIpAddr "net.format_ip_addr" Call Any 1..1 "net.format_ip_addr(n)" "An IPv4 address in network order as a.b.c.d.";
            48 NetSockSaddr "net.ip_sock_saddr" Call Any 1..1 "net.ip_sock_saddr(sk)" "The source IPv4 address of a socket.";
            49 NetSockDaddr "net.ip_sock_daddr" Call Any 1..1 "net.ip_sock_daddr(sk)" "The destination IPv4 address of a socket.";
            50 Stddev "stddev" Call Any 1..1 "stddev(stat)" "The standard deviation of an aggregation, towards zero.";
            51 EventText "event_tostring" Hidden Event 0..1 "e.tostring()" "The text of the current event, as the kernel would print it.";
            52 Log2 "log2" Call Any 1..1 "log2(n)" "The largest power of two in a number, as its exponent; -1 for numbers below 1.";
        }
    };
}

/// Other names of builtins, from older releases of the language.
pub const ALIASES: &[(&str, Builtin)] = &[
    ("inplace_inc", Builtin::TableCount),
    ("argevent", Builtin::Argstr),
    ("argname", Builtin::Probename),
    ("print_backtrace", Builtin::Stack),
    ("backtrace", Builtin::Stack),
    ("kdebug.dumpstack", Builtin::Stack),
    ("ptable", Builtin::TableNew),
];

macro_rules! define_builtins {
    ($($n:literal $name:ident $text:literal $spelling:ident $context:ident $min:literal..$max:literal $sig:literal $doc:literal;)*) => {
        /// A function the VM itself provides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Builtin { $(#[doc = $doc] $name = $n,)* }

        impl Builtin {
            /// Every builtin in number order.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),*];

            /// Returns the builtin with this number.
            pub const fn from_number(number: u8) -> Option<Builtin> {
                match number { $($n => Some(Builtin::$name),)* _ => None }
            }

            /// Returns the name scripts use, dotted for members of a library.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$name => $text,)* }
            }

            /// Returns the least and the largest number of arguments.
            pub const fn arity(self) -> (u8, u8) {
                match self { $(Builtin::$name => ($min, $max),)* }
            }

            /// Returns how it may be written.
            pub const fn spelling(self) -> Spelling {
                match self { $(Builtin::$name => Spelling::$spelling,)* }
            }

            /// Returns where it may be called.
            pub const fn context(self) -> Context {
                match self { $(Builtin::$name => Context::$context,)* }
            }

            /// Returns the signature as written in the reference.
            pub const fn signature(self) -> &'static str {
                match self { $(Builtin::$name => $sig,)* }
            }

            /// Returns the one-line documentation.
            pub const fn doc(self) -> &'static str {
                match self { $(Builtin::$name => $doc,)* }
            }
        }
    };
}

for_each_builtin!(define_builtins);

impl Builtin {
    /// Returns the builtin a script means by this (dotted) name, aliases included; hidden ones have no name.
    pub fn from_name(name: &str) -> Option<Builtin> {
        let by_name = Builtin::ALL
            .iter()
            .copied()
            .find(|b| b.name() == name && b.spelling() != Spelling::Hidden);
        by_name.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, b)| *b))
    }
}
