//! The two clocks, never convertible silently. Reading one is the runtime's business.

use std::ops::Add;
use std::time::Duration;

/// Wall clock, milliseconds since 1970 as records carry it; -1 where Kafka says "no timestamp".
/// Jumps with the operator's clock: only for record timestamps, retention and token expiry.
pub type Timestamp = i64;

/// Monotonic time in nanoseconds since an arbitrary start: for every timeout, lag and session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a deadline further than 584 years away is "never".
    fn add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}
