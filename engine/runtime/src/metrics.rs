//! What a core did, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one core writes and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// By the owning core only: a load and a store are cheaper than an atomic addition and as
    /// right with one writer.
    pub(crate) fn add(&self, count: u64) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(count), Ordering::Relaxed);
    }
}

/// Counters of one core, since its start. A simulated core counts polls, stalls and operations.
#[derive(Debug, Default)]
pub struct RuntimeMetrics {
    /// Tasks polled.
    pub polls: Counter,
    /// Turns of the reactor.
    pub turns: Counter,
    /// Calls of `io_uring_enter`.
    pub enters: Counter,
    /// Operations started.
    pub operations: Counter,
    /// Completions taken from the ring.
    pub completions: Counter,
    /// Times the core waited in the kernel.
    pub sleeps: Counter,
    /// Times the core spun instead.
    pub spins: Counter,
    /// Spins that ended with work.
    pub spins_useful: Counter,
    /// Nanoseconds spent in turns that did work (`cpu_busy`).
    pub busy_ns: Counter,
    /// Nanoseconds spent spinning (`cpu_polled`): CPU time that is not load.
    pub polled_ns: Counter,
    /// Wakes sent to peers.
    pub wakes_sent: Counter,
    /// Tasks that held the core longer than the threshold.
    pub stalls: Counter,
    /// The longest time one poll took, in nanoseconds.
    pub stall_longest_ns: Counter,
    /// Reads and writes that used registered memory.
    pub fixed_buffer_operations: Counter,
}

impl RuntimeMetrics {
    pub(crate) fn note_longest(&self, nanoseconds: u64) {
        if nanoseconds > self.stall_longest_ns.value() {
            self.stall_longest_ns
                .0
                .store(nanoseconds, Ordering::Relaxed);
        }
    }
}
