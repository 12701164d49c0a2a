//! Says that a core sleeps, so that others wake it only then.

use crate::atomics::{AtomicBool, Ordering, fence};

/// Set while a core is, or is about to be, blocked in the kernel. Whoever clears it wakes it.
#[derive(Debug)]
pub(crate) struct SleepFlag(AtomicBool);

impl SleepFlag {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Says that the core is about to sleep. The core must look at every mailbox and at its posts
    /// once more between this and its sleep.
    ///
    /// Worked example. 1. The core finds its mailbox empty. 2. A peer pushes, and sees a core that
    /// is awake: no wake. 3. The core announces its sleep, looks again, finds the message. The
    /// fences order (3) announce before look, and push before (2) look at the flag: one of the two
    /// sides sees the other.
    pub(crate) fn announce_sleep(&self) {
        self.0.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn announce_awake(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// After something was handed over: whether the caller has to wake the core. Says `true` to
    /// one caller for each sleep.
    pub(crate) fn claim_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::SeqCst)
    }
}
