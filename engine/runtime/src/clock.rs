//! The real clocks. Everything else asks a core, which asks these or its simulated world.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::{Instant as RealInstant, SystemTime, UNIX_EPOCH};

use engine_base::{Instant, Timestamp};

static START: LazyLock<RealInstant> = LazyLock::new(RealInstant::now);

/// Nanoseconds since this process first asked (plus one, so that zero is never now). Read through
/// the vDSO: some 25 ns; a core reads it once for each poll of a task.
pub(crate) fn monotonic() -> Instant {
    let since = START.elapsed();
    Instant(since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos()) + 1)
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

/// A seed from the kernel: the standard library keys its hash maps with `getrandom`, and a keyed
/// hash of nothing is as good as the key.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(0)
}
