//! Processes: our own ids and limits, children, memory of others.
//!
//! In: ids and buffers. Out: ids and bytes. Invariant: between fork and exec a child only calls what is here.

use syscalls::{Sysno, syscall};

use super::Result;
use super::file::Fd;

/// Returns our process id.
pub fn pid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { syscall!(Sysno::getpid) }.unwrap_or(0) as u32
}

/// Returns our effective user id.
pub fn effective_uid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { syscall!(Sysno::geteuid) }.unwrap_or(u32::MAX as usize) as u32
}

/// Ends the process.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: ends all threads of this process.
        let _ = unsafe { syscall!(Sysno::exit_group, status) };
    }
}

/// Raises the limit of open files to `wanted`, or as far as allowed.
pub fn raise_open_files(wanted: u64) {
    const RLIMIT_NOFILE: usize = 7;
    let mut now = [0u64; 2];
    // SAFETY: the kernel writes one rlimit64 of two words.
    let got = unsafe { syscall!(Sysno::prlimit64, 0, RLIMIT_NOFILE, 0, now.as_mut_ptr()) };
    if got.is_err() || now[0] >= wanted {
        return;
    }
    let set = |soft: u64, hard: u64| {
        let limit = [soft, hard];
        // SAFETY: the kernel reads one rlimit64.
        unsafe { syscall!(Sysno::prlimit64, 0, RLIMIT_NOFILE, limit.as_ptr(), 0) }.is_ok()
    };
    if !set(wanted, wanted.max(now[1])) {
        set(wanted.min(now[1]), now[1]);
    }
}

/// Makes a child; returns 0 in the child, the child's id in the parent.
///
/// # Errors
/// The kernel's errno.
///
/// # Safety
/// The child may only set itself up and then execute another program or exit.
pub unsafe fn fork() -> Result<u32> {
    const SIGCHLD: usize = 17;
    // SAFETY: clone without shared memory is fork; the argument order differs by architecture only in words that are 0.
    unsafe { syscall!(Sysno::clone, SIGCHLD, 0, 0, 0, 0) }.map(|pid| pid as u32)
}

/// Asks the kernel to send `signal` to this process when its parent ends.
pub fn end_with_parent(signal: u32) {
    const PR_SET_PDEATHSIG: usize = 1;
    // SAFETY: takes a number.
    let _ = unsafe { syscall!(Sysno::prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0) };
}

/// Makes `to` mean what `from` means.
///
/// # Errors
/// The kernel's errno.
pub fn duplicate(from: &Fd, to: i32) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { syscall!(Sysno::dup3, from.raw(), to, 0) }?;
    Ok(())
}

/// Makes a pipe, close-on-exec: (read end, write end).
///
/// # Errors
/// The kernel's errno.
pub fn pipe() -> Result<(Fd, Fd)> {
    const O_CLOEXEC: usize = 0o2000000;
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { syscall!(Sysno::pipe2, ends.as_mut_ptr(), O_CLOEXEC) }?;
    Ok((Fd::own(ends[0]), Fd::own(ends[1])))
}

/// Becomes another program; returns only if that fails.
///
/// # Safety
/// `argv` and `envp` are NULL-terminated lists of NUL-terminated strings, `path` is NUL-terminated.
pub unsafe fn execute(path: *const u8, argv: *const *const u8, envp: *const *const u8) -> syscalls::Errno {
    // SAFETY: by the caller's word.
    match unsafe { syscall!(Sysno::execve, path, argv, envp) } {
        Ok(_) => syscalls::Errno::ENOSYS,
        Err(errno) => errno,
    }
}

/// Returns a child's exit status if it has ended: its code, or 128 + the signal.
pub fn reap(pid: u32) -> Option<i32> {
    const WNOHANG: usize = 1;
    let mut status = 0i32;
    // SAFETY: the kernel writes one int.
    let got = unsafe { syscall!(Sysno::wait4, pid, &mut status as *mut i32, WNOHANG, 0) };
    match got {
        Ok(0) => None,
        Ok(_) if status & 0x7f == 0 => Some((status >> 8) & 0xff),
        Ok(_) => Some(128 + (status & 0x7f)),
        // No such child: somebody else waited for it.
        Err(_) => Some(127),
    }
}

/// Sends a signal.
///
/// # Errors
/// The kernel's errno.
pub fn kill(pid: u32, signal: u32) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { syscall!(Sysno::kill, pid, signal) }?;
    Ok(())
}

/// Copies memory of another process; returns the bytes that could be read.
pub fn read_memory(pid: u32, address: u64, buf: &mut [u8]) -> usize {
    let local = [buf.as_mut_ptr() as usize, buf.len()];
    let remote = [address as usize, buf.len()];
    // SAFETY: the kernel writes at most `len` bytes into the exclusive buffer; it checks the remote address itself.
    unsafe { syscall!(Sysno::process_vm_readv, pid, local.as_ptr(), 1, remote.as_ptr(), 1, 0) }.unwrap_or(0)
}
