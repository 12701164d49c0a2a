//! When to try again: waits that double, up to a deadline.

use std::time::Duration;

use engine_base::Instant;

use crate::limits::{RETRY_TIMEOUT, RETRY_WAIT_MAX, RETRY_WAIT_MIN};

/// The waits of one operation.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    wait: Duration,
}

impl Retry {
    /// Starts at `now`, with the default timeout.
    pub(crate) fn new(now: Instant) -> Self {
        Self::within(now, RETRY_TIMEOUT)
    }

    /// Starts at `now`, gives up after `timeout`.
    pub(crate) fn within(now: Instant, timeout: Duration) -> Self {
        Self {
            deadline: now + timeout,
            wait: RETRY_WAIT_MIN,
        }
    }

    /// When it is given up.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long to wait before the next try; `None` when there should be none.
    pub(crate) fn next_wait(&mut self, now: Instant) -> Option<Duration> {
        let wait = self.wait;
        self.wait = (self.wait * 2).min(RETRY_WAIT_MAX);
        (now + wait < self.deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_at_the_deadline() {
        let start = Instant(0);
        let mut retry = Retry::within(start, Duration::from_secs(5));
        let mut now = start;
        let mut waits = Vec::new();
        while let Some(wait) = retry.next_wait(now) {
            now = now + wait;
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
    }
}
