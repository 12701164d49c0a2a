//! Reports tasks that hold their core: everything else on it waits meanwhile.

use std::cell::Cell;
use std::time::Duration;

use engine_base::Instant;

use crate::metrics::RuntimeMetrics;
use crate::task::TaskName;

/// One line per second and core, with the count of those it stands for.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct StallDetector {
    threshold: Duration,
    reported_at: Cell<Option<Instant>>,
    unreported_count: Cell<u64>,
}

impl StallDetector {
    pub(crate) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            reported_at: Cell::new(None),
            unreported_count: Cell::new(0),
        }
    }

    /// Looks at one poll of a task.
    pub(crate) fn on_polled(
        &self,
        name: TaskName,
        began: Instant,
        now: Instant,
        metrics: &RuntimeMetrics,
    ) {
        let held = now.since(began);
        if held < self.threshold {
            return;
        }
        metrics.stalls.add(1);
        metrics.note_longest(u64::try_from(held.as_nanos()).unwrap_or(u64::MAX));
        let is_due = self
            .reported_at
            .get()
            .is_none_or(|at| now.since(at) >= REPORT_INTERVAL);
        if !is_due {
            self.unreported_count.set(self.unreported_count.get() + 1);
            return;
        }
        self.reported_at.set(Some(now));
        let others = self.unreported_count.take();
        tracing::warn!(
            task = %name,
            held_ms = held.as_millis() as u64,
            others_since_last_report = others,
            "a task held its core; requests on this core waited meanwhile"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_what_is_long() {
        let (detector, metrics) = (
            StallDetector::new(Duration::from_millis(10)),
            RuntimeMetrics::default(),
        );
        let name = TaskName::Given("commit");
        detector.on_polled(name, Instant(0), Instant(9_999_999), &metrics);
        assert_eq!(metrics.stalls.value(), 0);
        detector.on_polled(name, Instant(0), Instant(10_000_000), &metrics);
        detector.on_polled(name, Instant(0), Instant(30_000_000), &metrics);
        assert_eq!(metrics.stalls.value(), 2);
        assert_eq!(metrics.stall_longest_ns.value(), 30_000_000);
        assert_eq!(detector.unreported_count.get(), 1);
    }
}
