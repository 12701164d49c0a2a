//! When the next snapshot is due, by Kafka's rules: when enough of the log has been applied since
//! the last one, or when enough time has passed and anything was applied at all.

use std::time::Duration;

use engine_base::Instant;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotSchedule {
    /// `metadata.log.max.record.bytes.between.snapshots`.
    bytes_max: u64,
    /// `metadata.log.max.snapshot.interval.ms`; `None` for no snapshots by time.
    interval: Option<Duration>,
    /// Bytes of batches applied since the last snapshot was begun.
    bytes: u64,
    /// When the last snapshot was begun, or the process.
    begun: Instant,
}

/// Why a snapshot is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotReason {
    /// So many bytes were applied.
    Bytes(u64),
    /// So much time has passed.
    Time(Duration),
}

impl SnapshotSchedule {
    /// Nothing applied yet since the snapshot that a start found.
    #[must_use]
    pub fn new(bytes_max: u64, interval: Option<Duration>, now: Instant) -> Self {
        Self {
            bytes_max,
            interval,
            bytes: 0,
            begun: now,
        }
    }

    /// Batches of the log were applied.
    pub fn on_applied(&mut self, size_bytes: u64) {
        self.bytes = self.bytes.saturating_add(size_bytes);
    }

    /// Whether a snapshot is due.
    #[must_use]
    pub fn reason(&self, now: Instant) -> Option<SnapshotReason> {
        let waited = now.since(self.begun);
        if self.bytes >= self.bytes_max {
            return Some(SnapshotReason::Bytes(self.bytes));
        }
        let is_late = self.interval.is_some_and(|interval| waited >= interval);
        (is_late && self.bytes > 0).then_some(SnapshotReason::Time(waited))
    }

    /// When one will be due if nothing more is applied; `None` when that is never.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        if self.bytes >= self.bytes_max {
            return Some(self.begun);
        }
        let interval = self.interval.filter(|_| self.bytes > 0)?;
        Some(self.begun + interval)
    }

    /// A snapshot is begun. It counts also when it fails: the next try comes when the next one
    /// would, and not at once.
    pub fn on_begun(&mut self, now: Instant) {
        self.bytes = 0;
        self.begun = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn bytes_or_time_make_one_due() {
        let start = Instant(7);
        let mut schedule = SnapshotSchedule::new(100, Some(HOUR), start);
        let later = start + HOUR;
        assert_eq!((schedule.reason(later), schedule.due_at()), (None, None));
        schedule.on_applied(1);
        assert_eq!(schedule.reason(Instant(later.0 - 1)), None);
        assert_eq!(schedule.due_at(), Some(later));
        assert_eq!(schedule.reason(later), Some(SnapshotReason::Time(HOUR)));
        schedule.on_applied(99);
        assert_eq!(schedule.reason(start), Some(SnapshotReason::Bytes(100)));
        assert_eq!(schedule.due_at(), Some(start));
        schedule.on_begun(later);
        assert_eq!((schedule.reason(later), schedule.due_at()), (None, None));
        schedule.on_applied(1);
        assert_eq!(schedule.reason(later), None);
        assert_eq!(schedule.due_at(), Some(later + HOUR));
    }

    #[test]
    fn without_an_interval_only_bytes_count() {
        let mut schedule = SnapshotSchedule::new(100, None, Instant(0));
        schedule.on_applied(99);
        assert_eq!(schedule.reason(Instant(u64::MAX)), None);
        assert_eq!(schedule.due_at(), None);
        schedule.on_applied(u64::MAX);
        assert!(schedule.reason(Instant(0)).is_some());
    }
}
