//! Open loop: requests are due by the clock, whatever the broker does.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// A sleeping thread wakes late by about this much; the rest is waited for awake.
const SPIN: Duration = Duration::from_micros(120);

/// The moments at which one connection's requests are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    interval: Duration,
    next: u32,
}

impl Schedule {
    /// `rate` requests a second over `count` connections, of which this is `index`: their moments
    /// lie evenly between each other.
    pub(crate) fn new(start: Instant, rate: f64, index: usize, count: usize) -> Self {
        let interval = Duration::from_secs_f64(count as f64 / rate);
        let shift = interval.mul_f64(index as f64 / count as f64);
        Self {
            start: start + shift,
            interval,
            next: 0,
        }
    }

    /// Waits for the next moment and returns it. When it has passed already, it returns at once:
    /// the delay counts as latency.
    pub(crate) fn wait(&mut self) -> Instant {
        let due = self.start + self.interval * self.next;
        self.next += 1;
        let left = due.saturating_duration_since(Instant::now());
        if left > SPIN {
            sleep(left - SPIN);
        }
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_requests_keep_their_moments() {
        let start = Instant::now() - Duration::from_secs(1);
        let mut second = Schedule::new(start, 200.0, 1, 2);
        assert_eq!(second.wait(), start + Duration::from_millis(5));
        assert_eq!(second.wait(), start + Duration::from_millis(15));
    }
}
