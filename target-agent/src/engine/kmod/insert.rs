//! Inserting the module from memory.
//!
//! In: the module's file. Out: how it stands then, or a refusal in words. Invariant: no file is written on the board; a module in use is not touched.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ktap_link::message::{Module, ModuleState, Packed, Refusal, RefusalCode, Stage};
use syscalls::{Sysno, syscall};

use super::state::{self, NAME};
use crate::refusal::refuse;
use crate::sys::file::{self, Fd, c_path};
use crate::sys::{Errno, Result as SysResult};

/// Largest module, bytes.
const MAX_MODULE: usize = 8 << 20;

/// Inserts the module, in place of one with another interface.
///
/// # Errors
/// `NoModule` with the kernel's errno and the reason in words.
pub fn insert(packed: &Packed, no_module: bool) -> Result<Module, Refusal> {
    let found = state::find(no_module);
    if found.state == ModuleState::Ready {
        return Ok(found);
    }
    state::insertable(no_module).map_err(|why| refuse(Stage::Module, RefusalCode::NoModule, 0, &why))?;
    let malformed = |_| refuse(Stage::Module, RefusalCode::Malformed, packed.raw_len as i64, "");
    let image = packed.unpack(MAX_MODULE).map_err(malformed)?;
    if found.state == ModuleState::Foreign {
        delete().map_err(|errno| refused(errno, "the module loaded is in use by another session", ""))?;
    }
    let log = Log::from_here();
    init(&image).map_err(|errno| refused(errno, reason(errno), &log.map_or(String::new(), Log::said)))?;
    let now = state::find(no_module);
    match now.state {
        ModuleState::Ready => Ok(now),
        _ => Err(refuse(Stage::Module, RefusalCode::NoModule, 0, &now.reason)),
    }
}

fn refused(errno: Errno, why: &str, said: &str) -> Refusal {
    let why = match said {
        "" => why.to_string(),
        said => format!("{why}: {said}"),
    };
    Refusal {
        errno: errno.into_raw(),
        ..refuse(Stage::Module, RefusalCode::NoModule, 0, &why)
    }
}

/// What an errno of init_module means.
fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOEXEC => "it was built for another kernel",
        Errno::EPERM => "the kernel forbids it: lockdown, or loading modules is switched off",
        Errno::EKEYREJECTED | Errno::ENOKEY | Errno::EBADMSG => "the kernel wants a signature it knows",
        Errno::ENOENT => "the kernel lacks a symbol it needs",
        Errno::EEXIST => "a module of this name is there already",
        Errno::ENOMEM => "the kernel has no memory for it",
        _ => "init_module failed",
    }
}

fn init(image: &[u8]) -> SysResult<()> {
    let parameters = c_path(b"")?;
    // SAFETY: the kernel reads `len` bytes of the image and the NUL-terminated parameters.
    unsafe { syscall!(Sysno::init_module, image.as_ptr(), image.len(), parameters.as_ptr()) }?;
    Ok(())
}

fn delete() -> SysResult<()> {
    let name = c_path(NAME.as_bytes())?;
    // SAFETY: the name is NUL-terminated. Without waiting: a module in use stays.
    unsafe { syscall!(Sysno::delete_module, name.as_ptr(), file::O_NONBLOCK) }?;
    Ok(())
}

/// The kernel's log from some moment on.
struct Log {
    fd: Fd,
}

impl Log {
    fn from_here() -> Option<Log> {
        const SEEK_END: usize = 2;
        let fd = Fd::open("/dev/kmsg", file::O_RDONLY | file::O_NONBLOCK).ok()?;
        // SAFETY: takes numbers.
        unsafe { syscall!(Sysno::lseek, fd.raw(), 0, SEEK_END) }.ok()?;
        Some(Log { fd })
    }

    /// The last line since then that names the module.
    fn said(self) -> String {
        let mut buf: Vec<u8> = alloc::vec![0; 8192];
        let mut last = String::new();
        // A record a read: `level,number,time,flags;text`. It ends with EAGAIN.
        for _ in 0..256 {
            let Ok(got) = self.fd.read(&mut buf) else { break };
            let text = String::from_utf8_lossy(&buf[..got]);
            let line = text.split_once(';').map_or("", |(_, text)| text).lines().next();
            if let Some(line) = line.filter(|line| names_us(line)) {
                last = line.to_string();
            }
        }
        last
    }
}

fn names_us(line: &str) -> bool {
    line.as_bytes()
        .windows(NAME.len())
        .any(|piece| piece == NAME.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_inserted_is_refused_in_words() {
        let packed = Packed::pack(b"no module");
        let refusal = insert(&packed, true).expect_err("a refusal");
        assert_eq!((refusal.stage, refusal.code), (Stage::Module, RefusalCode::NoModule));
        assert!(refusal.name.contains("--no-module"));
    }

    #[test]
    fn reasons() {
        assert_eq!(
            refused(Errno::ENOEXEC, reason(Errno::ENOEXEC), "").name,
            "it was built for another kernel"
        );
        let refusal = refused(Errno::ENOENT, reason(Errno::ENOENT), "ktapvm: Unknown symbol x");
        assert_eq!(
            refusal.name,
            "the kernel lacks a symbol it needs: ktapvm: Unknown symbol x"
        );
        assert_eq!(refusal.errno, 2);
    }
}
