//! `Load`: from a request's bytes to a program that can run.
//!
//! In: [`Load`] and its sections. Out: [`Program`]. Invariant: the verifier sees the very bytes that will run, in memory of the kernel's that
//! nobody writes to any more; what is refused leaves nothing behind.

use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use ktap_bytecode::code::CodeRef;
use ktap_bytecode::limits::{
    Limits, MAX_ATTACHED, MAX_CODE, MAX_CONSTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_LIST, MAX_PROBES,
};
use ktap_bytecode::verify::verify;
use ktap_device::load::{Load, Loaded, UNSAFE};
use ktap_device::request::MAX_INPUT;
use ktap_vm::{LoadError, Vm};

use crate::block::Block;
use crate::border::{self, LEVELS};
use crate::buffer::Buffers;
use crate::over::Over;
use crate::request::{Input, Refused};
use crate::session::{Program, Session, State};

/// Bytes of a CPU's ring unless asked otherwise.
const RING: u32 = 1 << 20;
/// Least bytes of a ring: a record and then some.
const LEAST_RING: u32 = 4 << 10;
/// Most bytes of a ring.
const MOST_RING: u32 = 256 << 20;
/// Most bytes of a session's region.
const MOST_REGION: u64 = 1 << 30;
/// Most backward jumps of one run, whatever is asked for.
const MOST_LOOPS: u32 = 10_000_000;
/// Most ops of one handler run, likewise: about a tenth of a second with interrupts as they were at the event.
const MOST_FUEL: u32 = 10_000_000;

/// Answers `Load`.
pub(crate) fn load(session: &Session, input: Input<'_>) -> Loaded {
    match try_load(session, input) {
        Ok(memory) => Loaded {
            memory,
            ..Loaded::default()
        },
        Err((refused, index)) => Loaded {
            reply: refused.reply(),
            index,
            ..Loaded::default()
        },
    }
}

fn try_load(session: &Session, input: Input<'_>) -> Result<u64, (Refused, u32)> {
    let plain = |refused| (refused, 0);
    session.only_in(&[State::New]).map_err(plain)?;
    let load: Load = input.head().map_err(plain)?;
    let (code, limits) = check(&load, input).map_err(plain)?;
    let verified = verify(code).map_err(|error| (Refused::rule(error.rule as u8, error.pc), error.index))?;
    // SAFETY: may be called anywhere.
    let cpus = unsafe { border::kph_cpus_possible() };
    let process_frame = cpus.saturating_mul(LEVELS) as usize;
    let frames = process_frame.saturating_add(1);
    let words = Vm::region_size(&limits, &code, frames);
    let bytes = (words as u64).saturating_mul(8);
    if bytes > MOST_REGION {
        return Err(plain(Refused::no_memory(bytes)));
    }
    let region = Block::take(bytes as usize).map_err(plain)?;
    // SAFETY: the block has so many words, zeroed, aligned, and is not used otherwise. The program, which lives in it, goes before it.
    let region_words: &'static mut [u64] = unsafe { core::slice::from_raw_parts_mut(region.start().cast(), words) };
    let vm = Vm::new(verified, region_words, limits, frames).map_err(|error| {
        plain(Refused::no_memory(match error {
            LoadError::RegionTooSmall(words) => (words as u64).saturating_mul(8),
            LoadError::RegionTooLarge | LoadError::OutOfMemory => bytes,
        }))
    })?;
    let counts = Block::take(MAX_ATTACHED.wrapping_mul(size_of::<AtomicU64>())).map_err(plain)?;
    // SAFETY: as the region: so many words, zeroed.
    let lost: &'static [AtomicU64] = unsafe { core::slice::from_raw_parts(counts.start().cast(), MAX_ATTACHED) };
    let ring = if load.ring_bytes == 0 { RING } else { load.ring_bytes };
    // SAFETY: process context.
    let failed = unsafe { border::kph_ring_open(session.c, ring) };
    let rings = (ring as u64).saturating_mul(cpus as u64);
    if failed != 0 {
        return Err(plain(Refused::no_memory(rings)));
    }
    // SAFETY: process context, in a request.
    unsafe { border::kph_keep_input(session.c) };
    let memory = bytes
        .saturating_add(counts.bytes() as u64)
        .saturating_add(rings)
        .saturating_add(input.len() as u64);
    let program = Program {
        vm,
        over: Over::default(),
        c: session.c,
        process_frame,
        allows_unsafe: load.flags & UNSAFE != 0,
        sites: load.probes,
        buffers: Buffers::default(),
        lost,
        skipped: AtomicU64::new(0),
        _memory: [region, counts],
    };
    session.begin(program, memory);
    Ok(memory)
}

/// Reads the sections and bounds the limits.
fn check(load: &Load, input: Input<'_>) -> Result<(CodeRef<'static>, Limits), Refused> {
    require(load.len as usize == input.len(), offset_of!(Load, len))?;
    require(load.flags & !UNSAFE == 0, offset_of!(Load, flags))?;
    require(load.reserved == 0, offset_of!(Load, reserved))?;
    require(load.globals as usize <= MAX_GLOBALS, offset_of!(Load, globals))?;
    require(load.probes as usize <= MAX_PROBES, offset_of!(Load, probes))?;
    let ring = load.ring_bytes;
    let sized = ring.is_power_of_two() && (LEAST_RING..=MOST_RING).contains(&ring);
    require(ring == 0 || sized, offset_of!(Load, ring_bytes))?;
    // SAFETY: the bytes stay until the session ends: `kph_keep_input` is called before the program is kept, and without it nothing is.
    let input: Input<'static> = unsafe { input.kept() };
    let code = CodeRef {
        functions: input.list(load.functions, MAX_FUNCTIONS, offset_of!(Load, functions))?,
        code: input.list(load.code, MAX_CODE, offset_of!(Load, code))?,
        consts: input.list(load.consts, MAX_CONSTS, offset_of!(Load, consts))?,
        bytes: input.list(load.bytes, MAX_INPUT as usize, offset_of!(Load, bytes))?,
        captures: input.list(load.captures, MAX_LIST, offset_of!(Load, captures))?,
        fields: input.list(load.fields, MAX_LIST, offset_of!(Load, fields))?,
        formats: input.list(load.formats, MAX_LIST, offset_of!(Load, formats))?,
        globals: load.globals,
        probes: load.probes,
    };
    let [memory, loops, fuel, stack_slots, call_depth, scratch] = load.limits;
    let limits = Limits {
        memory,
        loops: loops.min(MOST_LOOPS),
        fuel: fuel.min(MOST_FUEL),
        stack_slots: stack_slots.clamp(256, 1 << 16),
        call_depth: call_depth.clamp(8, 1 << 12),
        scratch: scratch.clamp(8 << 10, 4 << 20),
    };
    Ok((code, limits))
}

/// Passes if `holds`, else says what is wrong.
pub(crate) fn require(holds: bool, offset: usize) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(Refused::malformed(offset)) }
}
