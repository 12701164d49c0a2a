//! Counts tasks that hold their core, and tells of those that clients feel: everything else on the
//! core waits meanwhile.

use std::cell::Cell;
use std::time::Duration;

use engine_base::Instant;

use crate::limits::{STALL_WARNING, STALL_WARNING_INTERVAL};
use crate::metrics::RuntimeMetrics;
use crate::task::TaskName;

pub(crate) struct StallDetector {
    threshold: Duration,
    warned_at: Cell<Option<Instant>>,
    left_out: Cell<LeftOut>,
}

/// What was worth a line and got none since the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    count: u64,
    longest: Duration,
}

impl StallDetector {
    pub(crate) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            warned_at: Cell::new(None),
            left_out: Cell::default(),
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
        if let Some(left_out) = self.warning_due(held, now) {
            warn(name, held, left_out);
        }
    }

    /// Whether to write a line now, and what to say of those that got none.
    fn warning_due(&self, held: Duration, now: Instant) -> Option<LeftOut> {
        if held < STALL_WARNING {
            return None;
        }
        let is_soon = |at: Instant| now.since(at) < STALL_WARNING_INTERVAL;
        if self.warned_at.get().is_some_and(is_soon) {
            let LeftOut { count, longest } = self.left_out.get();
            self.left_out.set(LeftOut {
                count: count + 1,
                longest: longest.max(held),
            });
            return None;
        }
        self.warned_at.set(Some(now));
        Some(self.left_out.take())
    }
}

fn warn(name: TaskName, held: Duration, left_out: LeftOut) {
    let others = match left_out.count {
        0 => String::new(),
        count => format!(
            "; so did {count} others since the last such line, for {} ms at most",
            left_out.longest.as_millis()
        ),
    };
    tracing::warn!(
        "'{name}' held its core for {} ms: requests there waited, or the machine was busy with \
         something else{others}",
        held.as_millis()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(milliseconds: u64) -> Instant {
        Instant(milliseconds * 1_000_000)
    }

    #[test]
    fn counts_only_what_is_long() {
        let (detector, metrics) = (
            StallDetector::new(Duration::from_millis(10)),
            RuntimeMetrics::default(),
        );
        let name = TaskName::Given("commit");
        detector.on_polled(name, Instant(0), Instant(9_999_999), &metrics);
        assert_eq!(metrics.stalls.value(), 0);
        detector.on_polled(name, at_ms(0), at_ms(10), &metrics);
        detector.on_polled(name, at_ms(0), at_ms(30), &metrics);
        assert_eq!(metrics.stalls.value(), 2);
        assert_eq!(metrics.stall_longest_ns.value(), 30_000_000);
        assert_eq!(detector.warned_at.get(), None, "nobody felt it");
    }

    #[test]
    fn one_line_in_a_while_tells_of_those_it_leaves_out() {
        let detector = StallDetector::new(Duration::from_millis(10));
        let due = |held_ms, now_ms| {
            let held = Duration::from_millis(held_ms);
            detector.warning_due(held, at_ms(now_ms))
        };
        assert_eq!(due(99, 0), None);
        assert_eq!(due(100, 0), Some(LeftOut::default()));
        assert_eq!(due(100, 5000), None);
        assert_eq!(due(300, 6000), None);
        assert_eq!(due(99, 7000), None);
        assert_eq!(due(200, 9999), None);
        let left_out = LeftOut {
            count: 3,
            longest: Duration::from_millis(300),
        };
        assert_eq!(due(150, 10_000), Some(left_out));
        assert_eq!(due(150, 20_000), Some(LeftOut::default()));
    }
}
