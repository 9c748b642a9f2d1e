//! Ctrl-C and its kin, counted.
//!
//! In: SIGINT, SIGTERM, SIGHUP. Out: how often the user asked to stop. Invariant: the first asks for an orderly end, the second for
//! silence, the third for leaving at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests to stop.
#[derive(Clone, Debug, Default)]
pub struct StopRequests {
    count: Arc<AtomicUsize>,
}

impl StopRequests {
    /// Starts to listen.
    ///
    /// # Errors
    /// The signals cannot be taken.
    pub fn listen() -> std::io::Result<StopRequests> {
        let requests = StopRequests::default();
        let mut signals = signal_hook::iterator::Signals::new([
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ])?;
        let count = Arc::clone(&requests.count);
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        Ok(requests)
    }

    /// Returns the requests so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
