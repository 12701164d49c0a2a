//! Which snapshots go, and with them the log before the next one. Kafka's rules: the oldest goes
//! while log and snapshots are together larger than asked for, or while it is older; the newest
//! stays in any case.

use engine_base::Timestamp;

use crate::snapshot::SnapshotId;

/// A finished snapshot in the metadata log's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Which offsets it stands for.
    pub id: SnapshotId,
    /// Of the file.
    pub size_bytes: u64,
    /// Append time of the last record it contains, by its header.
    pub last_contained_log_timestamp: Timestamp,
}

/// What the configuration asks for. Negative: no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRetention {
    /// `metadata.max.retention.bytes`, of log and snapshots together.
    pub bytes: i64,
    /// `metadata.max.retention.ms`.
    pub ms: i64,
}

/// Why a snapshot goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotRetentionReason {
    /// Log and snapshots have so many bytes.
    Size(u64),
    /// It is so many ms old.
    Time(i64),
}

impl SnapshotRetention {
    /// Whether the first of these snapshots, oldest first, goes. The log then begins at the second
    /// one, and the question is asked anew.
    #[must_use]
    pub fn oldest_goes(
        &self,
        snapshots: &[SnapshotFile],
        log_size_bytes: u64,
        now: Timestamp,
    ) -> Option<SnapshotRetentionReason> {
        let [oldest, _, ..] = snapshots else {
            return None;
        };
        let sizes = snapshots.iter().map(|snapshot| snapshot.size_bytes);
        let size_bytes = sizes.fold(log_size_bytes, u64::saturating_add);
        if u64::try_from(self.bytes).is_ok_and(|limit| size_bytes > limit) {
            return Some(SnapshotRetentionReason::Size(size_bytes));
        }
        let age_ms = now.saturating_sub(oldest.last_contained_log_timestamp);
        let is_old = self.ms >= 0 && age_ms > self.ms;
        is_old.then_some(SnapshotRetentionReason::Time(age_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(end_offset: i64, timestamp: Timestamp) -> SnapshotFile {
        SnapshotFile {
            id: SnapshotId {
                end_offset,
                epoch: 1,
            },
            size_bytes: 100,
            last_contained_log_timestamp: timestamp,
        }
    }

    #[test]
    fn the_oldest_goes_by_size_or_age_and_the_newest_never() {
        let files = [file(0, 10), file(5, 20), file(9, 30)];
        let rules = |bytes, ms| SnapshotRetention { bytes, ms };
        let size = SnapshotRetentionReason::Size;
        let time = SnapshotRetentionReason::Time;
        let cases = [
            (rules(-1, -1), 1 << 40, 1 << 40, None),
            (rules(350, -1), 50, 99, None),
            (rules(350, -1), 51, 99, Some(size(351))),
            (rules(0, 0), 0, 10, Some(size(300))),
            (rules(-1, 50), 0, 60, None),
            (rules(-1, 50), 0, 61, Some(time(51))),
            (rules(-1, 0), 0, 5, None), // from the future
        ];
        for (rules, log_size_bytes, now, expected) in cases {
            let goes = |files| rules.oldest_goes(files, log_size_bytes, now);
            assert_eq!(goes(&files), expected, "{rules:?} {log_size_bytes} {now}");
            assert_eq!((goes(&files[..1]), goes(&[])), (None, None));
        }
    }
}
