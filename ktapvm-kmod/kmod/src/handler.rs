//! What happens at an event: the filter, then the handler.
//!
//! In: a probe and its event, or a tick. Out: whether the program is over. Invariant: after the end of a program no handler begins.

use core::ffi::c_int;

use ktap_bytecode::trap::Fault;
use ktap_vm::{Gist, Outcome};

use crate::border::KpEvent;
use crate::filter;
use crate::host::Occasion;
use crate::over;
use crate::probe::{Probe, Way};
use crate::session::Program;

/// Handles an event.
#[inline(always)]
pub(crate) fn event(probe: &Probe, event: &KpEvent) -> c_int {
    let program = probe.program();
    if program.over.is() {
        return 1;
    }
    match probe.way {
        Way::Plain => handle(program, probe, event),
        Way::Sifted => sifted(program, probe, event),
        Way::Filtered => filtered(program, probe, event),
        Way::Idle => 0,
    }
}

/// What has no filter, or has passed one that is quick.
#[inline(always)]
fn handle(program: &Program, probe: &Probe, event: &KpEvent) -> c_int {
    match probe.gist {
        Some(Gist::Count(count)) if program.vm.run_count(count) => return 0,
        Some(Gist::PrintEvent) => return print_event(program, probe, event),
        _ => {}
    }
    match occasion(program, probe, event) {
        Some(occasion) => run(program, probe, event, &occasion),
        None => 0,
    }
}

/// What a handler runs on; nothing for an event of a CPU that has no frames, which is counted.
#[inline(always)]
fn occasion<'a>(program: &'a Program, probe: &'a Probe, event: &'a KpEvent) -> Option<Occasion<'a>> {
    if event.frame() >= program.process_frame {
        program.count_skipped();
        return None;
    }
    Some(Occasion::event(program, probe, event))
}

/// The same behind a quick filter. Apart, as the next: most probes have none, and are not to pay for its registers and room on the stack.
#[inline(never)]
fn sifted(program: &Program, probe: &Probe, event: &KpEvent) -> c_int {
    if probe.quick.passes(event) {
        passed(program, probe, event)
    } else {
        0
    }
}

#[inline(never)]
fn passed(program: &Program, probe: &Probe, event: &KpEvent) -> c_int {
    handle(program, probe, event)
}

/// The same behind any filter.
#[inline(never)]
fn filtered(program: &Program, probe: &Probe, event: &KpEvent) -> c_int {
    let Some(occasion) = occasion(program, probe, event) else {
        return 0;
    };
    let passes = filter::passes(probe.tests, probe.recipe.fetches.text, &occasion);
    // What a filter says of a record that could not be made is worth nothing.
    if occasion.is_crowded() {
        program.count_skipped();
        return 0;
    }
    if !passes {
        return 0;
    }
    run(program, probe, event, &occasion)
}

/// What has only to be printed, if the record is one that is made here.
#[inline(never)]
fn print_event(program: &Program, probe: &Probe, event: &KpEvent) -> c_int {
    let Some(occasion) = occasion(program, probe, event) else {
        return 0;
    };
    if let Some(taken) = occasion.emit_event() {
        if taken.is_err() {
            program.vm.count_lost();
        }
        return 0;
    }
    run(program, probe, event, &occasion)
}

#[inline(always)]
fn run(program: &Program, probe: &Probe, event: &KpEvent, occasion: &Occasion<'_>) -> c_int {
    // A handler is not to take what could not be read for what was not there.
    if probe.needs_buffer && !occasion.holds_paper() {
        program.count_skipped();
        return 0;
    }
    match program.vm.run_attached(occasion, event.frame(), probe.attached) {
        Ok(Outcome::Done) => 0,
        ended => end(program, ended),
    }
}

/// Handles a tick, in process context.
pub(crate) fn tick(probe: &Probe) -> c_int {
    let program = probe.program();
    if program.over.is() {
        return 1;
    }
    let occasion = Occasion::process(program, Some(probe), probe.attached);
    match program
        .vm
        .run_attached(&occasion, program.process_frame, probe.attached)
    {
        Ok(Outcome::Done) => 0,
        ended => end(program, ended),
    }
}

#[cold]
#[inline(never)]
fn end(program: &Program, ended: Result<Outcome, Fault>) -> c_int {
    program.over.keep(over::end(ended));
    1
}
