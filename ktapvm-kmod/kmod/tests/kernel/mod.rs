//! A kernel for the tests: what C gives, one per thread, and a session on it.
//!
//! In: requests and events. Out: replies, records, what was attached. Invariant: every piece of memory given out must be given back, once, and an
//! input that is not kept is gone when its request is answered.
#![allow(dead_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ptr;

use ktap_kmod::border::{self, KpEvent, KphAttach, KtapSession};

/// A name that kph_attach says is not there.
pub const NO_SUCH: &str = "no_such_function";
/// A name that kph_attach says it cannot do.
pub const IMPOSSIBLE: &str = "impossible";
/// CPUs.
pub const CPUS: u32 = 2;

/// A probe that was attached.
#[derive(Clone, Debug)]
pub struct Attached {
    pub what: KphAttach,
    pub name: String,
    pub rust: *mut c_void,
}

/// An entry of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time_ns: u64,
    pub probe: u16,
    pub body: Vec<u8>,
}

/// What the kernel of this thread has and was told.
#[derive(Debug, Default)]
pub struct World {
    pub memory: BTreeMap<usize, Layout>,
    /// How many more pieces of memory there are.
    pub allocations: Option<usize>,
    pub kept: bool,
    pub time: u64,
    pub attached: Vec<Attached>,
    pub enabled: bool,
    pub detached: bool,
    pub entries: Vec<Entry>,
    pub ring_full: bool,
    pub rings: u32,
    pub scope: Option<(u32, u32, i32, Vec<u32>)>,
    /// What can be read, by address; user space begins at 0.
    pub user: BTreeMap<u64, Vec<u8>>,
    pub kernel: BTreeMap<u64, Vec<u8>>,
    pub retval: Option<u64>,
    /// No function is on the list for error injection.
    pub fixed_returns: bool,
    pub irqs_off: i32,
    pub pauses: u32,
    /// An event that fires in the middle of the next read of memory.
    pub nested: Option<(usize, KpEvent)>,
    pub killed: bool,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// Looks at this thread's kernel.
pub fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with(|world| look(&mut world.borrow_mut()))
}

/// A session on this thread's kernel.
pub struct Session {
    rust: *mut c_void,
    inputs: Vec<Vec<u64>>,
}

impl Session {
    pub fn open() -> Session {
        world(|world| {
            assert!(world.memory.is_empty(), "one session at a time");
            *world = World::default();
        });
        let rust = kph_alloc(border::kp_session_size());
        // SAFETY: the memory is as large as asked for, zeroed and aligned.
        unsafe { border::kp_session_init(rust.cast(), ptr::without_provenance_mut(0x1000)) };
        Session {
            rust,
            inputs: Vec::new(),
        }
    }

    /// Makes a request with so much room for its output.
    pub fn request_into(&mut self, kind: u32, bytes: &[u8], room: usize) -> Result<Vec<u8>, i64> {
        let mut input = vec![0u64; bytes.len().div_ceil(8)];
        let mut output = vec![0xaau8; room];
        world(|world| world.kept = false);
        // SAFETY: both pieces of memory are there; the input stays if it is asked for.
        let len = unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), input.as_mut_ptr().cast(), bytes.len());
            border::kp_request(
                self.rust.cast(),
                kind,
                input.as_mut_ptr().cast(),
                bytes.len(),
                output.as_mut_ptr(),
                room,
            )
        };
        if world(|world| world.kept) {
            self.inputs.push(input);
        }
        assert_eq!(world(|world| world.irqs_off), 0, "interrupts stayed off");
        match usize::try_from(len) {
            Ok(len) => {
                assert!(len <= room, "more output than room");
                output.truncate(len);
                Ok(output)
            }
            Err(_) => Err(len as i64),
        }
    }

    /// Makes a request with all the room there is.
    pub fn request(&mut self, kind: u32, bytes: &[u8]) -> Vec<u8> {
        self.request_into(kind, bytes, 1 << 16).expect("an answer")
    }

    /// Fires the i-th probe.
    pub fn fire(&self, i: usize, event: &KpEvent) -> c_int {
        let rust = world(|world| world.attached[i].rust);
        // SAFETY: the probe is one of the session's, which is alive.
        let over = unsafe { border::kp_event(rust, event) };
        assert_eq!(world(|world| world.irqs_off), 0, "interrupts stayed off");
        over
    }

    /// Lets the i-th probe, a tick, come due.
    pub fn tick(&self, i: usize) -> c_int {
        let rust = world(|world| world.attached[i].rust);
        // SAFETY: as above.
        unsafe { border::kp_tick(rust) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: no handler runs.
        unsafe { border::kp_session_free(self.rust.cast()) };
        kph_free(self.rust);
        if !std::thread::panicking() {
            assert_eq!(world(|world| world.memory.len()), 0, "memory was not given back");
        }
    }
}

/// An event with nothing in it.
pub fn event() -> KpEvent {
    KpEvent {
        probe: ptr::null_mut(),
        regs: ptr::null(),
        record: ptr::null(),
        words: [0; 8],
        ip: 0,
        caller: 0,
        record_len: 0,
        words_len: 0,
        level: 0,
        user_regs: 0,
        cpu: 0,
        pid: 41,
        tid: 42,
        reserved: 0,
    }
}

/// Registers of this kernel's processor: r0, r1, .. of 8 bytes, the stack pointer last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers {
    pub r: [u64; 8],
    pub sp: u64,
}

/// As border.h's `enum ktap_memory`: 0 the kernel's, 1 the task's, 2 either.
fn read_in(memory: u32, address: u64, len: usize) -> Option<Vec<u8>> {
    match memory {
        2 => read_at(false, address, len).or_else(|| read_at(true, address, len)),
        memory => read_at(memory == 1, address, len),
    }
}

fn read_at(user: bool, address: u64, len: usize) -> Option<Vec<u8>> {
    world(|world| {
        let memory = if user { &world.user } else { &world.kernel };
        let (start, bytes) = memory.range(..=address).next_back()?;
        let from = usize::try_from(address - start).ok()?;
        bytes.get(from..from.checked_add(len)?).map(<[u8]>::to_vec)
    })
}

// What follows is what border.h says; the pointers come from Rust, with the room that is said beside them.

#[unsafe(no_mangle)]
extern "C" fn kph_alloc(bytes: usize) -> *mut c_void {
    let denied = world(|world| match &mut world.allocations {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    });
    if denied || bytes > 1 << 32 {
        return ptr::null_mut();
    }
    let layout = Layout::from_size_align(bytes, 64).expect("a layout");
    // SAFETY: nobody asks for nothing.
    let start = unsafe { alloc_zeroed(layout) };
    world(|world| world.memory.insert(start.expose_provenance(), layout));
    start.cast()
}

#[unsafe(no_mangle)]
extern "C" fn kph_free(memory: *mut c_void) {
    let layout = world(|world| world.memory.remove(&memory.expose_provenance()));
    // SAFETY: it was given out and not given back yet.
    unsafe { dealloc(memory.cast(), layout.expect("memory that was given out")) };
}

#[unsafe(no_mangle)]
extern "C" fn kph_keep_input(_: *mut KtapSession) {
    world(|world| world.kept = true);
}

#[unsafe(no_mangle)]
extern "C" fn kph_time_ns() -> u64 {
    world(|world| {
        world.time += 1;
        world.time
    })
}

#[unsafe(no_mangle)]
extern "C" fn kph_wall_ns() -> u64 {
    1_700_000_000_123_456_789
}

#[unsafe(no_mangle)]
extern "C" fn kph_pid() -> u32 {
    7
}

#[unsafe(no_mangle)]
extern "C" fn kph_tid() -> u32 {
    42
}

#[unsafe(no_mangle)]
extern "C" fn kph_uid() -> u32 {
    1000
}

#[unsafe(no_mangle)]
extern "C" fn kph_cpu() -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn kph_cpus_possible() -> u32 {
    CPUS
}

#[unsafe(no_mangle)]
extern "C" fn kph_cpus_online() -> u32 {
    CPUS
}

#[unsafe(no_mangle)]
extern "C" fn kph_comm(out: *mut u8) -> u32 {
    let mut name = [0; 16];
    name[..4].copy_from_slice(b"bash");
    // SAFETY: there is room for 16 bytes.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr(), out, 16) };
    4
}

#[unsafe(no_mangle)]
extern "C" fn kph_machine(len: *mut usize) -> *const u8 {
    // SAFETY: the length has a place.
    unsafe { *len = 7 };
    b"riscv64".as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn kph_release(len: *mut usize) -> *const u8 {
    // SAFETY: the length has a place.
    unsafe { *len = 5 };
    b"6.1.0".as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn kph_in_nmi() -> u32 {
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_in_interrupt() -> i64 {
    0x100
}

#[unsafe(no_mangle)]
extern "C" fn kph_in_iowait() -> i64 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn kph_irq_save() -> u64 {
    world(|world| world.irqs_off += 1);
    5
}

#[unsafe(no_mangle)]
extern "C" fn kph_irq_restore(flags: u64) {
    assert_eq!(flags, 5);
    world(|world| world.irqs_off -= 1);
}

#[unsafe(no_mangle)]
extern "C" fn kph_pause() -> u32 {
    world(|world| {
        assert_eq!(world.irqs_off, 0, "interrupts are off");
        world.pauses += 1;
        !world.killed as u32
    })
}

#[unsafe(no_mangle)]
extern "C" fn kph_task_field(offset: u64, bytes: u32, out: *mut u64) -> c_int {
    if offset > 4096 || !(bytes == 4 || bytes == 8) {
        return -22;
    }
    // SAFETY: the word has a place.
    unsafe { *out = if bytes == 4 { 0xffff_fffe } else { offset * 10 } };
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_read(memory: u32, address: u64, out: *mut c_void, len: usize) -> c_int {
    let nested = world(|world| world.nested.take().map(|(i, event)| (world.attached[i].rust, event)));
    if let Some((rust, event)) = nested {
        // SAFETY: the probe is one of the session's, which is alive.
        unsafe { border::kp_event(rust, &event) };
    }
    match read_in(memory, address, len) {
        Some(bytes) => {
            // SAFETY: there is so much room.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), len) };
            0
        }
        None => -14,
    }
}

#[unsafe(no_mangle)]
extern "C" fn kph_read_str(memory: u32, address: u64, out: *mut u8, len: usize) -> usize {
    for i in 0..len {
        match read_in(memory, address + i as u64, 1) {
            // SAFETY: there is room for `len` bytes.
            Some(byte) if byte[0] != 0 => unsafe { *out.add(i) = byte[0] },
            _ => return i,
        }
    }
    len
}

#[unsafe(no_mangle)]
extern "C" fn kph_stack(event: *const KpEvent, user: u32, skip: u32, out: *mut u64, room: u32) -> u32 {
    let base = if event.is_null() { 0 } else { 0xffff_0000u64 } + user as u64 * 0x10;
    let all = (1..=3u64).map(|n| base + n).skip(skip as usize).take(room as usize);
    let mut count = 0;
    for address in all {
        // SAFETY: there is room for `room` of them.
        unsafe { *out.add(count as usize) = address };
        count += 1;
    }
    count
}

#[unsafe(no_mangle)]
extern "C" fn kph_register(name: *const u8, len: usize) -> i64 {
    // SAFETY: so many bytes are there.
    let name = unsafe { std::slice::from_raw_parts(name, len) };
    match name {
        b"sp" => 64,
        [b'r', digit @ b'0'..=b'7'] => i64::from(digit - b'0') * 8,
        _ => -1,
    }
}

fn registers(regs: *const c_void) -> Registers {
    // SAFETY: events of these tests have such registers or none.
    unsafe { *regs.cast::<Registers>() }
}

#[unsafe(no_mangle)]
extern "C" fn kph_regs_word(regs: *const c_void, offset: u32) -> u64 {
    let regs = registers(regs);
    if offset == 64 {
        regs.sp
    } else {
        regs.r[offset as usize / 8]
    }
}

#[unsafe(no_mangle)]
extern "C" fn kph_regs_argument(regs: *const c_void, n: u32) -> u64 {
    registers(regs).r.get(n.wrapping_sub(1) as usize).copied().unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "C" fn kph_regs_retval(regs: *const c_void) -> u64 {
    registers(regs).r[0]
}

#[unsafe(no_mangle)]
extern "C" fn kph_regs_stack(regs: *const c_void) -> u64 {
    registers(regs).sp
}

#[unsafe(no_mangle)]
extern "C" fn kph_regs_text(_: *const c_void, out: *mut u8, room: usize) -> usize {
    let text = b"{r0: 0x1}";
    let len = text.len().min(room);
    // SAFETY: there is so much room.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), out, len) };
    len
}

#[unsafe(no_mangle)]
extern "C" fn kph_set_retval(_: *const KpEvent, value: u64) -> c_int {
    world(|world| {
        if world.fixed_returns {
            return -1;
        }
        world.retval = Some(value);
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn kph_ring_write(_: *mut KtapSession, time_ns: u64, probe: u16, body: *const u8, len: u32) -> c_int {
    if world(|world| world.ring_full) {
        return -28;
    }
    // SAFETY: so many bytes are there.
    let body = unsafe { std::slice::from_raw_parts(body, len as usize) }.to_vec();
    world(|world| world.entries.push(Entry { time_ns, probe, body }));
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_ring_open(_: *mut KtapSession, bytes_per_cpu: u32) -> c_int {
    if bytes_per_cpu > 64 << 20 {
        return -12;
    }
    world(|world| world.rings = bytes_per_cpu);
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_ring_waiting(_: *mut KtapSession) -> u64 {
    world(|world| world.entries.len() as u64)
}

#[unsafe(no_mangle)]
extern "C" fn kph_scope(
    _: *mut KtapSession,
    only: u32,
    follow: u32,
    cpu: i32,
    excluded: *const u32,
    excluded_count: u32,
) -> c_int {
    // SAFETY: so many are there.
    let excluded = unsafe { std::slice::from_raw_parts(excluded, excluded_count as usize) }.to_vec();
    world(|world| world.scope = Some((only, follow, cpu, excluded)));
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_attach(
    _: *mut KtapSession,
    what: *const KphAttach,
    rust: *mut c_void,
    matched: *mut u32,
    lacking: *mut u32,
) -> c_int {
    // SAFETY: the description is there, its name NUL-terminated, and the numbers have a place.
    unsafe {
        let what = *what;
        let name = std::ffi::CStr::from_ptr(what.name.cast())
            .to_string_lossy()
            .into_owned();
        if name == NO_SUCH {
            return -2;
        }
        if name == IMPOSSIBLE {
            *lacking = 2;
            return -95;
        }
        *matched = 1;
        world(|world| world.attached.push(Attached { what, name, rust }));
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_enable(_: *mut KtapSession) {
    world(|world| world.enabled = true);
}

#[unsafe(no_mangle)]
extern "C" fn kph_detach(_: *mut KtapSession, _: u32) -> u32 {
    world(|world| world.detached = true);
    0
}

#[unsafe(no_mangle)]
extern "C" fn kph_missed(_: *mut KtapSession, i: u32) -> u64 {
    100 + u64::from(i)
}

#[unsafe(no_mangle)]
extern "C" fn kph_events(_: *mut KtapSession) -> u64 {
    9
}

#[unsafe(no_mangle)]
extern "C" fn kph_kinds() -> u64 {
    0x3fff
}
