//! Builtins: one function each, in rooms by subject.
//!
//! In: a run and the slots of the arguments. Out: one value. Invariant: an argument beyond those given reads as nil.

mod ansi;
mod clock;
mod event;
mod hist;
mod net;
mod print;
mod record;
mod string;
mod table;
mod task;

pub(crate) use hist::exponent;
pub(crate) use print::{print_event, print_quickly, printf_quickly};

use ktap_bytecode::builtin::Builtin;
use ktap_bytecode::trap::Trap;

use crate::host::Host;
use crate::run::{Ran, Run, Stop};
use crate::value::Value;

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(crate) struct Args {
    /// Slot of the first.
    pub(crate) first: usize,
    /// How many.
    pub(crate) count: usize,
}

impl Args {
    /// The argument at `index` from 0; nil beyond the last.
    pub(crate) fn get<H: Host>(&self, run: &Run<'_, '_, H>, index: usize) -> Value {
        if index < self.count {
            run.slot(self.first.wrapping_add(index))
        } else {
            Value::NIL
        }
    }

    /// The argument at `index` from 0 as a number.
    pub(crate) fn int<H: Host>(&self, run: &Run<'_, '_, H>, index: usize) -> Ran<i64> {
        self.get(run, index).as_int().ok_or(wrong(index))
    }

    /// The argument at `index` from 0 as a number, `default` if it is not given.
    pub(crate) fn int_or<H: Host>(&self, run: &Run<'_, '_, H>, index: usize, default: i64) -> Ran<i64> {
        if self.get(run, index).is_nil() {
            Ok(default)
        } else {
            self.int(run, index)
        }
    }
}

/// The trap for an argument of the wrong type, `index` from 0.
pub(crate) fn wrong(index: usize) -> Stop {
    Stop::Trap(Trap::WrongArgument, (index as i64).wrapping_add(1))
}

/// Calls a builtin.
pub(crate) fn call<H: Host>(run: &mut Run<'_, '_, H>, builtin: Builtin, args: Args) -> Ran<Value> {
    match builtin {
        Builtin::Print => print::print(run, args),
        Builtin::Printf => print::printf(run, args),
        Builtin::PrintTraceClock => print::print_trace_clock(run),
        Builtin::PrintHist => hist::print_hist(run, args),
        Builtin::Histogram => hist::histogram(run, args),
        Builtin::Len => table::len(run, args),
        Builtin::Delete => table::delete(run, args),
        Builtin::Count => table::count(run, args),
        Builtin::TableCount => table::table_count(run, args),
        Builtin::Sum => table::sum(run, args),
        Builtin::Avg => table::avg(run, args),
        Builtin::Min => table::min(run, args),
        Builtin::Max => table::max(run, args),
        Builtin::Stddev => table::stddev(run, args),
        Builtin::TableNew => table::new(run, args),
        Builtin::Exit => task::exit(run, args),
        Builtin::Pid => task::pid(run),
        Builtin::Tid => task::tid(run),
        Builtin::Uid => task::uid(run),
        Builtin::Cpu => task::cpu(run),
        Builtin::Execname => task::execname(run),
        Builtin::NumCpus => task::num_cpus(run),
        Builtin::Arch => task::arch(run),
        Builtin::KernelV => task::kernel_v(run),
        Builtin::InInterrupt => task::in_interrupt(run),
        Builtin::InIowait => task::in_iowait(run),
        Builtin::CurrTaskinfo => task::curr_taskinfo(run, args),
        Builtin::Argstr | Builtin::EventText => event::text(run),
        Builtin::Probename => event::name(run),
        Builtin::EventField => event::field(run, args),
        Builtin::EventSetRetval => event::set_retval(run, args),
        Builtin::Stack => event::stack(run, args),
        Builtin::Ustack => event::ustack(run, args),
        Builtin::GettimeofdayNs => clock::wall(run, 1),
        Builtin::GettimeofdayUs => clock::wall(run, 1_000),
        Builtin::GettimeofdayMs => clock::wall(run, 1_000_000),
        Builtin::GettimeofdayS => clock::wall(run, 1_000_000_000),
        Builtin::Nsecs => clock::nsecs(run),
        Builtin::KernelString => string::kernel_string(run, args),
        Builtin::UserString => string::user_string(run, args),
        Builtin::Stringof => string::stringof(run, args),
        Builtin::Ipof => string::ipof(run, args),
        Builtin::AnsiClearScreen => ansi::clear_screen(run),
        Builtin::AnsiSetColor => ansi::set_color(run, args),
        Builtin::AnsiSetColor2 => ansi::set_color2(run, args),
        Builtin::AnsiSetColor3 => ansi::set_color3(run, args),
        Builtin::AnsiResetColor => ansi::reset_color(run),
        Builtin::AnsiNewLine => ansi::new_line(run),
        Builtin::FormatIpAddr => net::format_ip_addr(run, args),
        Builtin::Log2 => hist::log2(run, args),
        Builtin::NetSockSaddr | Builtin::NetSockDaddr => net::sock_addr(run, args),
    }
}
