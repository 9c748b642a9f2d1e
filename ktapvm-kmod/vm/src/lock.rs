//! Locks: a word that counts, odd while held; readers may go without it and look whether it moved.
//!
//! In: a word of the region, a host. Out: [`Guard`], or [`Busy`] in a context that cannot wait. Invariant: interrupts are off
//! while a lock is held, and the order is table or globals first, heap last, never two tables.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use crate::host::Host;
use crate::region::Region;

/// The lock is held by another, and NMI context cannot wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// A held lock; given back when dropped.
pub(crate) struct Guard<'a, H: Host> {
    word: &'a AtomicU64,
    host: &'a H,
    irq: u64,
    /// What the word is while this guard holds it.
    held: u64,
}

impl<H: Host> Drop for Guard<'_, H> {
    #[inline(always)]
    fn drop(&mut self) {
        self.word.store(self.held.wrapping_add(1), Ordering::Release);
        self.host.lock_exit(self.irq);
    }
}

/// Takes the lock at word `at`.
#[inline(always)]
pub(crate) fn lock<'a, H: Host>(region: &Region<'a>, at: usize, host: &'a H) -> Result<Guard<'a, H>, Busy> {
    lock_word(region.atomic(at).ok_or(Busy)?, host)
}

/// Takes the lock that is this word.
#[inline(always)]
pub(crate) fn lock_word<'a, H: Host>(word: &'a AtomicU64, host: &'a H) -> Result<Guard<'a, H>, Busy> {
    let irq = host.lock_enter();
    let seen = word.load(Ordering::Relaxed);
    if seen & 1 == 0
        && let Some(guard) = try_take(word, host, irq, seen)
    {
        return Ok(guard);
    }
    contended(word, host, irq)
}

/// Takes the lock if its word is still `seen`, which is even.
#[inline(always)]
fn try_take<'a, H: Host>(word: &'a AtomicU64, host: &'a H, irq: u64, seen: u64) -> Option<Guard<'a, H>> {
    let held = seen.wrapping_add(1);
    word.compare_exchange(seen, held, Ordering::Acquire, Ordering::Relaxed)
        .ok()?;
    // Readers without the lock must see it odd before they can see anything written under it.
    fence(Ordering::Release);
    Some(Guard { word, host, irq, held })
}

/// Waits for the lock; in NMI context, where its holder may be the one that was interrupted, gives up.
#[cold]
#[inline(never)]
fn contended<'a, H: Host>(word: &'a AtomicU64, host: &'a H, irq: u64) -> Result<Guard<'a, H>, Busy> {
    let patient = !host.in_nmi();
    loop {
        let seen = word.load(Ordering::Relaxed);
        if seen & 1 == 0 {
            if let Some(guard) = try_take(word, host, irq, seen) {
                return Ok(guard);
            }
        } else if !patient {
            host.lock_exit(irq);
            return Err(Busy);
        }
        core::hint::spin_loop();
    }
}

/// Runs `read` over data of the lock at `at`: without the lock if nobody writes meanwhile, else under it.
///
/// `read` may see data in change the first times: it must end and stay inside the region whatever it sees.
#[inline]
pub(crate) fn read<'a, H: Host, T>(
    region: &Region<'a>,
    at: usize,
    host: &'a H,
    read: impl Fn() -> T,
) -> Result<T, Busy> {
    read_word(region.atomic(at).ok_or(Busy)?, host, read)
}

/// Runs `read` over data of the lock that is this word; nothing if somebody writes meanwhile.
#[inline(always)]
pub(crate) fn try_read<T>(word: &AtomicU64, read: impl FnOnce() -> T) -> Option<T> {
    let before = word.load(Ordering::Acquire);
    if before & 1 == 1 {
        return None;
    }
    let result = read();
    fence(Ordering::Acquire);
    (word.load(Ordering::Relaxed) == before).then_some(result)
}

/// As [`read`], for the lock that is this word.
#[inline(always)]
pub(crate) fn read_word<H: Host, T>(word: &AtomicU64, host: &H, read: impl Fn() -> T) -> Result<T, Busy> {
    for _ in 0..3 {
        let before = word.load(Ordering::Acquire);
        if before & 1 == 1 {
            continue;
        }
        let result = read();
        fence(Ordering::Acquire);
        if word.load(Ordering::Relaxed) == before {
            return Ok(result);
        }
    }
    let _guard = lock_word(word, host)?;
    Ok(read())
}
