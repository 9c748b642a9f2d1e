//! Requests: their bytes in, replies out.
//!
//! In: what a user program sent, already copied into the kernel. Out: [`Input`], [`Output`], [`answer`]. Invariant: every place a request names is
//! checked against its length before it is looked at, and every request gets a reply.

use core::ffi::c_long;

use ktap_bytecode::code::{Capture, Const, Field, Format, Function};
use ktap_bytecode::op::Word;
use ktap_device::attach::{self, Attach, Attached};
use ktap_device::load::{Load, Loaded, Scope};
use ktap_device::request::{Code, Kind, Reply, Section, VersionReply};
use ktap_device::stats::{AttachedStats, Ran, Stats};

use crate::session::Session;

/// A type that any bytes are a value of, with no padding.
///
/// # Safety
/// Just that.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ty),* $(,)?) => { $(
        // SAFETY: repr(C) or transparent over numbers, without padding, which the contract's size checks see to.
        unsafe impl Plain for $name {}
    )* };
}

plain!(u8, u16, u32, Function, Word, Const, Capture, Field, Format);
plain!(
    Load,
    Loaded,
    Scope,
    Attach,
    Attached,
    VersionReply,
    Reply,
    Ran,
    Stats,
    AttachedStats
);
plain!(attach::Source, attach::Test, attach::Fetch, attach::Deref);

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    code: Code,
    errno: i32,
    detail: i64,
}

const EINVAL: i32 = 22;
const ENOMEM: i32 = 12;

impl Refused {
    const fn new(code: Code, errno: i32, detail: i64) -> Refused {
        Refused { code, errno, detail }
    }

    /// It makes no sense in this state.
    pub(crate) const fn out_of_order() -> Refused {
        Refused::new(Code::OutOfOrder, 0, 0)
    }

    /// Byte `offset` of the request, or what begins there, is wrong.
    pub(crate) const fn malformed(offset: usize) -> Refused {
        Refused::new(Code::Malformed, 0, offset as i64)
    }

    /// So many bytes are not to be had.
    pub(crate) const fn no_memory(bytes: u64) -> Refused {
        Refused::new(Code::NoMemory, ENOMEM, bytes as i64)
    }

    /// The program breaks a rule.
    pub(crate) const fn rule(rule: u8, pc: u32) -> Refused {
        Refused::new(Code::Rule, 0, rule as i64 | (pc as i64) << 32)
    }

    /// There is no such thing; `detail` says the how manieth.
    pub(crate) const fn not_found(errno: i32, detail: i64) -> Refused {
        Refused::new(Code::NotFound, errno, detail)
    }

    /// This kernel cannot do it.
    pub(crate) const fn unsupported(errno: i32, lacking: u32) -> Refused {
        Refused::new(Code::Unsupported, errno, lacking as i64)
    }

    /// The kernel said no.
    pub(crate) const fn system(errno: i32) -> Refused {
        Refused::new(Code::System, errno, 0)
    }

    /// Says it as the device does.
    pub(crate) const fn reply(&self) -> Reply {
        Reply {
            code: self.code as u32,
            errno: self.errno,
            detail: self.detail,
        }
    }
}

/// The bytes of a request.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

/// Takes a request's bytes.
///
/// # Safety
/// There are `len` of them, nobody writes to them while the lifetime lasts.
pub(crate) unsafe fn input<'a>(start: *const u8, len: usize) -> Input<'a> {
    let bytes = if start.is_null() || len == 0 {
        &[][..]
    } else {
        // SAFETY: by the caller's word.
        unsafe { core::slice::from_raw_parts(start, len) }
    };
    Input { bytes }
}

impl<'a> Input<'a> {
    /// The same bytes for as long as the session lives.
    ///
    /// # Safety
    /// They do: the caller has C keep them, or lets nothing of them outlive the request.
    pub(crate) unsafe fn kept(self) -> Input<'static> {
        // SAFETY: by the caller's word the bytes stay.
        let bytes = unsafe { core::slice::from_raw_parts(self.bytes.as_ptr(), self.bytes.len()) };
        Input { bytes }
    }

    /// Returns its length.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads what stands at its start, if the whole request has that size.
    pub(crate) fn whole<T: Plain>(&self) -> Result<T, Refused> {
        if self.bytes.len() != size_of::<T>() {
            return Err(Refused::malformed(0));
        }
        self.head()
    }

    /// Reads what stands at its start.
    pub(crate) fn head<T: Plain>(&self) -> Result<T, Refused> {
        if self.bytes.len() < size_of::<T>() {
            return Err(Refused::malformed(0));
        }
        // SAFETY: there are enough bytes, and any bytes are a value of the type.
        Ok(unsafe { self.bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    /// Finds a list of at most `most` items; `named` is where in the request the section stands.
    pub(crate) fn list<T: Plain>(&self, section: Section, most: usize, named: usize) -> Result<&'a [T], Refused> {
        let (offset, count) = (section.offset as usize, section.count as usize);
        if count == 0 {
            return Ok(&[]);
        }
        if count > most {
            return Err(Refused::malformed(named));
        }
        let end = offset.saturating_add(count.saturating_mul(size_of::<T>()));
        let Some(bytes) = self.bytes.get(offset..end) else {
            return Err(Refused::malformed(named));
        };
        let start = bytes.as_ptr();
        if !(start as usize).is_multiple_of(align_of::<T>()) {
            return Err(Refused::malformed(named));
        }
        // SAFETY: the bytes are inside the request, aligned, enough for `count` items, and any bytes are a value of the type.
        Ok(unsafe { core::slice::from_raw_parts(start.cast(), count) })
    }
}

/// Room for a reply.
pub(crate) struct Output<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

/// Takes a reply's room.
///
/// # Safety
/// There are `len` bytes, nobody else's while the lifetime lasts.
pub(crate) unsafe fn output<'a>(start: *mut u8, len: usize) -> Output<'a> {
    let bytes = if start.is_null() || len == 0 {
        &mut [][..]
    } else {
        // SAFETY: by the caller's word.
        unsafe { core::slice::from_raw_parts_mut(start, len) }
    };
    Output { bytes, used: 0 }
}

impl Output<'_> {
    /// Adds a value; nothing if there is no room.
    pub(crate) fn put<T: Plain>(&mut self, value: &T) -> bool {
        let end = self.used.saturating_add(size_of::<T>());
        let Some(room) = self.bytes.get_mut(self.used..end) else {
            return false;
        };
        // SAFETY: the room has the value's size, and the type has no padding, so that all its bytes are set.
        unsafe { room.as_mut_ptr().cast::<T>().write_unaligned(*value) };
        self.used = end;
        true
    }

    /// Bytes put so far.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Changes the value that was put at `at`; nothing if there is none.
    pub(crate) fn change<T: Plain>(&mut self, at: usize, change: impl FnOnce(&mut T)) {
        let end = at.saturating_add(size_of::<T>());
        let Some(room) = self.bytes.get_mut(at..end.min(self.used)) else {
            return;
        };
        if room.len() != size_of::<T>() {
            return;
        }
        let place = room.as_mut_ptr().cast::<T>();
        // SAFETY: the room has the value's size, any bytes are a value of the type, and it has no padding.
        unsafe {
            let mut value = place.read_unaligned();
            change(&mut value);
            place.write_unaligned(value);
        }
    }
}

/// Answers a request: bytes of output, or -EINVAL for an unknown kind or too small an output.
pub(crate) fn answer(session: &Session, kind: u32, input: Input<'_>, mut output: Output<'_>) -> c_long {
    let Some(kind) = Kind::from_number(kind) else {
        return -(EINVAL as c_long);
    };
    let head = match kind {
        Kind::Version => size_of::<VersionReply>(),
        Kind::Load => size_of::<Loaded>(),
        Kind::RunMain | Kind::RunEnd => size_of::<Ran>(),
        Kind::Attach => size_of::<Attached>(),
        Kind::Stats => size_of::<Stats>(),
        Kind::Scope | Kind::Enable | Kind::Stop => size_of::<Reply>(),
    };
    let list = match kind {
        Kind::RunMain => ktap_bytecode::limits::MAX_ATTACHED.wrapping_mul(size_of::<u16>()),
        Kind::Stats => session.attached().wrapping_mul(size_of::<AttachedStats>()),
        _ => 0,
    };
    // Before anything is done: what was done has to be told.
    if output.bytes.len() < head.wrapping_add(list) {
        return -(EINVAL as c_long);
    }
    match kind {
        Kind::Version => put(&mut output, session.version(input), |reply, refused| VersionReply {
            reply,
            ..refused
        }),
        Kind::Load => session.load(input, &mut output),
        Kind::Scope => put(&mut output, session.scope(input), |reply, _| reply),
        Kind::RunMain => session.run_main(input, &mut output),
        Kind::Attach => put(&mut output, session.attach(input), |reply, refused| Attached {
            reply,
            ..refused
        }),
        Kind::Enable => put(&mut output, session.enable(input), |reply, _| reply),
        Kind::Stop => put(&mut output, session.stop(input), |reply, _| reply),
        Kind::RunEnd => put(&mut output, session.run_end(input), |reply, refused| Ran {
            reply,
            ..refused
        }),
        Kind::Stats => session.stats(input, &mut output),
    }
    output.used as c_long
}

/// Puts an answer, or the refusal in its place.
pub(crate) fn put<T: Plain + Default>(
    output: &mut Output<'_>,
    answer: Result<T, Refused>,
    refuse: impl FnOnce(Reply, T) -> T,
) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(refused) => refuse(refused.reply(), T::default()),
    };
    output.put(&answer);
}
