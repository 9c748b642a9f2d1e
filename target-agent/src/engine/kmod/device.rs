//! The open device: requests and records.
//!
//! In: requests, already packed. Out: replies, refusals, bytes of entries. Invariant: one open device is one session of the module; dropping it
//! ends that session.

use alloc::vec::Vec;

use ktap_device::attach::Lacking;
use ktap_device::request::{Code, Kind, PATH, Reply, Request};
use ktap_link::message::{Refusal, RefusalCode, Stage};
use syscalls::{Sysno, syscall};

use crate::refusal::{refuse, refuse_errno};
use crate::sys::file::{self, Fd};
use crate::sys::{Errno, Result};

/// A plain structure of the device's contract: its bytes are its meaning.
///
/// # Safety
/// `repr(C)`, no padding, any bytes are a value.
pub unsafe trait Plain: Copy + Default {}

macro_rules! plain {
    ($($name:path),* $(,)?) => { $(
        // SAFETY: the device's contract: repr(C) over numbers, without padding.
        unsafe impl Plain for $name {}
    )* };
}

plain!(u8, u16, u32);
plain!(
    ktap_device::attach::Attach,
    ktap_device::attach::Attached,
    ktap_device::attach::Source
);
plain!(
    ktap_device::attach::Test,
    ktap_device::attach::Fetch,
    ktap_device::attach::Deref
);
plain!(
    ktap_device::load::Load,
    ktap_device::load::Loaded,
    ktap_device::load::Scope
);
plain!(ktap_device::request::Reply, ktap_device::request::VersionReply);
plain!(
    ktap_device::stats::Ran,
    ktap_device::stats::Stats,
    ktap_device::stats::AttachedStats
);
plain!(ktap_device::entry::EntryHeader);

/// Returns the bytes of a value.
pub fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: the type is plain, so every byte of it is set.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// Reads a value from the start of bytes; the default if they are too few.
pub fn value_of<T: Plain>(bytes: &[u8]) -> T {
    match bytes.get(..size_of::<T>()) {
        // SAFETY: there are enough bytes, and any are a value.
        Some(bytes) => unsafe { bytes.as_ptr().cast::<T>().read_unaligned() },
        None => T::default(),
    }
}

/// What a session is made over: the kernel's device, or a test's.
pub trait Module {
    /// Makes a request; returns the bytes of output.
    ///
    /// # Errors
    /// The kernel's errno.
    fn request(&self, kind: Kind, input: &[u8], output: &mut [u8]) -> Result<usize>;

    /// Takes whole entries; 0 if there are none.
    ///
    /// # Errors
    /// The kernel's errno.
    fn read(&self, buf: &mut [u8]) -> Result<usize>;

    /// Returns the descriptor to wait for.
    fn raw(&self) -> i32;
}

/// An open device.
pub struct Device {
    fd: Fd,
}

impl Device {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn open() -> Result<Device> {
        let fd = Fd::open(PATH, file::O_RDWR | file::O_NONBLOCK)?;
        Ok(Device { fd })
    }
}

impl Module for Device {
    fn request(&self, kind: Kind, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let request = Request {
            input: input.as_ptr() as u64,
            output: output.as_mut_ptr() as u64,
            input_len: input.len() as u32,
            output_len: output.len() as u32,
        };
        // SAFETY: the kernel reads the request and the input, and writes the exclusive output, each within its length.
        let got = unsafe {
            syscall!(
                Sysno::ioctl,
                self.fd.raw(),
                kind.ioctl() as usize,
                &request as *const Request
            )
        }?;
        Ok(got)
    }

    fn read(&self, buf: &mut [u8]) -> Result<usize> {
        match self.fd.read(buf) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            other => other,
        }
    }

    fn raw(&self) -> i32 {
        self.fd.raw()
    }
}

/// How a request that was not done is told.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What was being done.
    pub stage: Stage,
    /// The probe site, for attaching.
    pub site: u16,
    /// The place, or the request's name.
    pub name: &'a str,
}

impl<'a> About<'a> {
    /// A request that is about the whole program.
    pub fn program(stage: Stage, name: &'a str) -> About<'a> {
        About { stage, site: 0, name }
    }
}

/// Makes a request that has a fixed output.
///
/// # Errors
/// A refusal of the module, in the contract's words.
pub fn call<T: Plain>(
    module: &dyn Module,
    kind: Kind,
    input: &[u8],
    about: About<'_>,
) -> core::result::Result<T, Refusal> {
    let mut output = T::default();
    // SAFETY: the type is plain: any bytes written there are a value.
    let bytes = unsafe { core::slice::from_raw_parts_mut(core::ptr::from_mut(&mut output).cast(), size_of::<T>()) };
    call_into(module, kind, input, bytes, about)?;
    Ok(output)
}

/// Makes a request with a list behind the output; returns all its bytes.
///
/// # Errors
/// As [`call`].
pub fn call_list(
    module: &dyn Module,
    kind: Kind,
    room: usize,
    about: About<'_>,
) -> core::result::Result<Vec<u8>, Refusal> {
    let mut output = alloc::vec![0u8; room];
    let got = call_into(module, kind, &[], &mut output, about)?;
    output.truncate(got);
    Ok(output)
}

fn call_into(
    module: &dyn Module,
    kind: Kind,
    input: &[u8],
    output: &mut [u8],
    about: About<'_>,
) -> core::result::Result<usize, Refusal> {
    let got = module
        .request(kind, input, output)
        .map_err(|errno| refuse_errno(about.stage, RefusalCode::System, errno, about.name))?;
    match refusal(&value_of::<Reply>(output), about) {
        None => Ok(got.min(output.len())),
        Some(refusal) => Err(refusal),
    }
}

/// Returns the refusal a reply is, if it is one.
pub fn refusal(reply: &Reply, about: About<'_>) -> Option<Refusal> {
    let About { stage, site, name } = about;
    let plain = |code, detail| refuse(stage, code, detail, name);
    let refusal = match Code::from_number(reply.code) {
        Some(Code::Done) => return None,
        Some(Code::OutOfOrder) => plain(RefusalCode::OutOfOrder, 0),
        Some(Code::Rule) => Refusal {
            errno: (reply.detail >> 32) as i32,
            ..plain(RefusalCode::Rule, reply.detail & 0xffff)
        },
        Some(Code::NoMemory) => plain(RefusalCode::NoMemory, reply.detail),
        Some(Code::System) if reply.errno == Errno::EILSEQ.into_raw() && stage == Stage::Attach => {
            let name = alloc::format!("{name}: no instruction begins there");
            refuse(stage, RefusalCode::Unsupported, site as i64, &name)
        }
        Some(Code::System) => {
            let refusal = refuse_errno(stage, RefusalCode::System, Errno::new(reply.errno), name);
            Refusal {
                detail: site as i64,
                ..refusal
            }
        }
        Some(Code::Unsupported) => {
            let name = alloc::format!("{name}: {}", lacking(reply.detail));
            refuse(stage, RefusalCode::Unsupported, site as i64, &name)
        }
        Some(Code::NotFound) => plain(RefusalCode::NoSuchTarget, site as i64),
        Some(Code::Unsafe) => plain(RefusalCode::Unsafe, site as i64),
        Some(Code::Malformed) | None => plain(RefusalCode::Malformed, reply.detail),
    };
    Some(Refusal {
        errno: if refusal.errno == 0 { reply.errno } else { refusal.errno },
        ..refusal
    })
}

fn lacking(detail: i64) -> &'static str {
    match detail {
        n if n == Lacking::NotBuilt as i64 => "built without it",
        n if n == Lacking::NoStep as i64 => "this processor's kernel cannot step over a watched access",
        n if n == Lacking::Forbidden as i64 => "may not be probed",
        n if n == Lacking::NotInjectable as i64 => "its return value may not be overridden",
        _ => "not supported",
    }
}
