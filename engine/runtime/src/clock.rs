//! The real clocks. Everything else asks a core, which asks these or its simulated world.

use std::time::{SystemTime, UNIX_EPOCH};

use engine_base::{Instant, Timestamp};

/// Nanoseconds since boot. Read through the vDSO: some 25 ns, so nothing caches it.
pub(crate) fn monotonic() -> Instant {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable; CLOCK_MONOTONIC exists on every Linux.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert!(result == 0);
    Instant(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Milliseconds since 1970; negative before.
pub(crate) fn wall() -> Timestamp {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX),
        Err(before) => {
            -Timestamp::try_from(before.duration().as_millis()).unwrap_or(Timestamp::MAX)
        }
    }
}

/// A seed from the kernel.
pub(crate) fn random_seed() -> u64 {
    let mut seed = 0_u64;
    // SAFETY: eight writable bytes.
    let count = unsafe { libc::getrandom((&raw mut seed).cast(), size_of::<u64>(), 0) };
    // Up to 256 bytes getrandom neither fails nor stops short once the pool is initialised.
    assert!(count == 8);
    seed
}
