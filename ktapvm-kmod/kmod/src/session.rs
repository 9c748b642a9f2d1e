//! A session: one open file, from its first request to its end.
//!
//! In: requests, one at a time. Out: their answers. Invariant: New -> Loaded -> MainRan -> Enabled -> Stopping -> Stopped, and a request in a wrong state changes
//! nothing; handlers run only between the last two, and what they use does not change any more.

use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{AtomicU64, Ordering};

use ktap_bytecode::record::MAIN_PROBE;
use ktap_device::load::{MAX_EXCLUDED, Scope};
use ktap_device::request::{INTERFACE, Reply, VersionReply};
use ktap_device::stats::Ran;
use ktap_vm::Vm;

use crate::block::Block;
use crate::border::{self, KtapSession};
use crate::buffer::Buffers;
use crate::host::Occasion;
use crate::load;
use crate::over::{self, Over};
use crate::probe::Probe;
use crate::request::{Input, Output, Refused};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is loaded.
    New,
    /// A program is.
    Loaded,
    /// Its main has run; probes may be attached.
    MainRan,
    /// Probes fire.
    Enabled,
    /// None fires any more; some are still in place.
    Stopping,
    /// All probes are gone.
    Stopped,
}

/// A loaded program and what its handlers share.
pub(crate) struct Program {
    pub(crate) vm: Vm<'static>,
    /// Why it is over.
    pub(crate) over: Over,
    /// C's session.
    pub(crate) c: *mut KtapSession,
    /// The frame of main, ticks and ends; those before it are the CPUs'.
    pub(crate) process_frame: usize,
    /// True if it may write.
    pub(crate) allows_unsafe: bool,
    /// Probe sites.
    pub(crate) sites: u16,
    /// Buffers for records.
    pub(crate) buffers: Buffers,
    /// Records lost, by attachment.
    pub(crate) lost: &'static [AtomicU64],
    /// Events there was no frame or no room for a record for, so that their handlers did not run.
    pub(crate) skipped: AtomicU64,
    /// What `vm` and `lost` live in; freed after them.
    pub(crate) _memory: [Block; 2],
}

impl Program {
    /// Counts a record that found no room.
    pub(crate) fn count_lost(&self, attached: u16) {
        if let Some(lost) = self.lost.get(attached as usize) {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an event whose handler cannot run.
    #[cold]
    pub(crate) fn count_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Rust's part of an open file.
#[repr(C, align(64))]
pub struct Session {
    pub(crate) c: *mut KtapSession,
    state: Cell<State>,
    program: UnsafeCell<Option<Program>>,
    /// The last of the probes attached.
    last: Cell<*const Probe>,
    probes: Cell<u32>,
    memory: Cell<u64>,
}

impl Session {
    /// Begins a session.
    pub(crate) fn new(c: *mut KtapSession) -> Session {
        Session {
            c,
            state: Cell::new(State::New),
            program: UnsafeCell::new(None),
            last: Cell::new(core::ptr::null()),
            probes: Cell::new(0),
            memory: Cell::new(0),
        }
    }

    /// Gives everything back. No probe is left and no handler runs.
    pub(crate) fn free(&self) {
        self.state.set(State::Stopped);
        let mut probe = self.last.replace(core::ptr::null());
        while !probe.is_null() {
            // SAFETY: it is one of ours, not freed yet; nobody uses it any more.
            let before = unsafe { (*probe).before.get() };
            // SAFETY: a probe is the start of its block, and nobody uses it any more.
            unsafe { Block::free(probe.cast_mut().cast()) };
            probe = before;
        }
        // SAFETY: no handler runs and no other request, so nobody holds a reference to the program.
        let program = unsafe { (*self.program.get()).take() };
        if let Some(program) = program {
            program.buffers.free();
        }
    }

    /// Passes in one of these states.
    pub(crate) fn only_in(&self, states: &[State]) -> Result<(), Refused> {
        if states.contains(&self.state.get()) {
            Ok(())
        } else {
            Err(Refused::out_of_order())
        }
    }

    /// Takes a program in; `memory` is what it takes with its rings.
    pub(crate) fn begin(&self, program: Program, memory: u64) {
        // SAFETY: in the state New there is no program, so that nobody holds a reference to one.
        unsafe { *self.program.get() = Some(program) };
        self.add_memory(memory);
        self.state.set(State::Loaded);
    }

    /// Returns the program.
    pub(crate) fn program(&self) -> Result<&Program, Refused> {
        // SAFETY: it is written once, in the state New, when nobody holds a reference.
        unsafe { (*self.program.get()).as_ref() }.ok_or(Refused::out_of_order())
    }

    /// Returns how many attachments main made.
    pub(crate) fn attached(&self) -> usize {
        self.program().map_or(0, |program| program.vm.attached_count() as usize)
    }

    /// Returns how many probes are in place.
    pub(crate) fn probes(&self) -> u32 {
        self.probes.get()
    }

    /// Adds a probe that is in place.
    pub(crate) fn add_probe(&self, probe: *const Probe, bytes: u64) {
        // SAFETY: the probe is alive until the session ends.
        unsafe { (*probe).before.set(self.last.get()) };
        self.last.set(probe);
        self.probes.set(self.probes.get().wrapping_add(1));
        self.add_memory(bytes);
    }

    /// Calls `look` with each probe.
    pub(crate) fn each_probe(&self, mut look: impl FnMut(&Probe)) {
        let mut probe = self.last.get();
        // SAFETY: probes live until the session ends.
        while let Some(here) = unsafe { probe.as_ref() } {
            look(here);
            probe = here.before.get();
        }
    }

    /// Counts memory the session took.
    pub(crate) fn add_memory(&self, bytes: u64) {
        self.memory.set(self.memory.get().saturating_add(bytes));
    }

    /// Returns the bytes the session took.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.get()
    }

    /// `Version`.
    pub(crate) fn version(&self, input: Input<'_>) -> Result<VersionReply, Refused> {
        nothing(input)?;
        // SAFETY: both may be called anywhere.
        let (cpus, kinds) = unsafe { (border::kph_cpus_possible(), border::kph_kinds()) };
        Ok(VersionReply {
            reply: Reply::default(),
            interface: INTERFACE,
            cpus,
            kinds,
            reserved: 0,
        })
    }

    /// `Load`.
    pub(crate) fn load(&self, input: Input<'_>, output: &mut Output<'_>) {
        let loaded = load::load(self, input);
        output.put(&loaded);
    }

    /// `Scope`.
    pub(crate) fn scope(&self, input: Input<'_>) -> Result<Reply, Refused> {
        self.only_in(&[State::Loaded, State::MainRan])?;
        // Some probes are put where the scope is.
        if self.probes() > 0 {
            return Err(Refused::out_of_order());
        }
        let scope: Scope = input.whole()?;
        let count = scope.excluded_count;
        if count as usize > MAX_EXCLUDED {
            return Err(Refused::malformed(core::mem::offset_of!(Scope, excluded_count)));
        }
        if scope.follow > 1 || scope.cpu < -1 || scope.reserved != 0 {
            return Err(Refused::malformed(core::mem::offset_of!(Scope, follow)));
        }
        // SAFETY: process context; the list has so many entries and is copied by C.
        let failed = unsafe {
            border::kph_scope(
                self.c,
                scope.only,
                scope.follow,
                scope.cpu,
                scope.excluded.as_ptr(),
                count,
            )
        };
        if failed != 0 {
            return Err(Refused::system(failed.wrapping_neg()));
        }
        Ok(Reply::default())
    }

    /// `RunMain`.
    pub(crate) fn run_main(&self, input: Input<'_>, output: &mut Output<'_>) {
        let ran = self.only_in(&[State::Loaded]).and_then(|()| {
            nothing(input)?;
            self.program()
        });
        let program = match ran {
            Ok(program) => program,
            Err(refused) => {
                output.put(&Ran {
                    reply: refused.reply(),
                    ..Ran::default()
                });
                return;
            }
        };
        self.state.set(State::MainRan);
        let occasion = Occasion::process(program, None, MAIN_PROBE);
        let end = over::end(program.vm.run_main(&occasion, program.process_frame));
        if end != Default::default() {
            program.over.keep(end);
        }
        let count = program.vm.attached_count();
        output.put(&Ran {
            reply: Reply::default(),
            end,
            attached: count as u32,
            reserved: 0,
        });
        for attached in 0..count {
            output.put(&program.vm.attached_probe(attached).unwrap_or_default());
        }
    }

    /// `Enable`.
    pub(crate) fn enable(&self, input: Input<'_>) -> Result<Reply, Refused> {
        self.only_in(&[State::MainRan])?;
        nothing(input)?;
        self.state.set(State::Enabled);
        // SAFETY: process context.
        unsafe { border::kph_enable(self.c) };
        Ok(Reply::default())
    }

    /// `Stop`.
    pub(crate) fn stop(&self, input: Input<'_>) -> Result<Reply, Refused> {
        self.only_in(&[State::Loaded, State::MainRan, State::Enabled, State::Stopping])?;
        nothing(input)?;
        self.state.set(State::Stopping);
        // SAFETY: process context.
        let left = unsafe { border::kph_detach(self.c, 0) };
        if left == 0 {
            self.state.set(State::Stopped);
            self.program()?.vm.end_phase();
        }
        Ok(Reply {
            detail: i64::from(left),
            ..Reply::default()
        })
    }

    /// `RunEnd`.
    pub(crate) fn run_end(&self, input: Input<'_>) -> Result<Ran, Refused> {
        self.only_in(&[State::Stopped])?;
        let attached: u32 = input.whole()?;
        let program = self.program()?;
        let Some(attached) = u16::try_from(attached)
            .ok()
            .filter(|a| *a < program.vm.attached_count())
        else {
            return Err(Refused::malformed(0));
        };
        let occasion = Occasion::process(program, None, attached);
        let end = over::end(program.vm.run_attached(&occasion, program.process_frame, attached));
        Ok(Ran {
            reply: Reply::default(),
            end,
            attached: 0,
            reserved: 0,
        })
    }
}

/// Passes if a request has no input.
pub(crate) fn nothing(input: Input<'_>) -> Result<(), Refused> {
    if input.len() == 0 {
        Ok(())
    } else {
        Err(Refused::malformed(0))
    }
}
