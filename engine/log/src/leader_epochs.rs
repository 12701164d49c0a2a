//! Leader epochs of a log: where each began.
//!
//! Followers and consumers ask where an epoch ended to find the point from which their log and
//! the leader's differ (KIP-101, KIP-279). Both columns grow strictly. Rebuilt from the batches
//! at recovery; the file `leader-epoch-checkpoint` only spares the scan of old segments. Lives
//! with its log.

use crate::checkpoint_file::{CheckpointError, decode, encode};

/// An epoch and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's epoch.
    pub epoch: i32,
    /// Offset of the first record appended in it.
    pub start_offset: i64,
}

/// The epochs of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// None known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the text of `leader-epoch-checkpoint`. Entries that contradict later ones are
    /// dropped, as Kafka does when it loads the file.
    ///
    /// # Errors
    /// When the text does not have the form, or a number is negative.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let entries = decode(bytes, |words| {
            let [epoch, start_offset] = words[..] else {
                return None;
            };
            let entry = EpochEntry {
                epoch: epoch.parse().ok()?,
                start_offset: start_offset.parse().ok()?,
            };
            (entry.epoch >= 0 && entry.start_offset >= 0).then_some(entry)
        })?;
        Ok(Self::from_entries(
            entries
                .iter()
                .map(|entry| (entry.epoch, entry.start_offset)),
        ))
    }

    /// Epochs and their first offsets, oldest first. Entries that contradict later ones are
    /// dropped, and negative ones.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let mut epochs = Self::new();
        for (epoch, start_offset) in entries {
            if epoch >= 0 && start_offset >= 0 {
                epochs.assign(epoch, start_offset);
            }
        }
        epochs
    }

    /// The text of `leader-epoch-checkpoint`.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(
            self.entries
                .iter()
                .map(|entry| format!("{} {}", entry.epoch, entry.start_offset)),
        )
    }

    /// A record of `epoch` stands at `start_offset`. Returns whether that is news; entries that
    /// contradict it, with an epoch or an offset not below, are dropped: the newer word wins.
    ///
    /// # Panics
    /// When either is negative: batches without an epoch are not told.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        assert!(epoch >= 0);
        assert!(start_offset >= 0);
        let is_news = self
            .latest()
            .is_none_or(|latest| epoch != latest.epoch || start_offset < latest.start_offset);
        if !is_news {
            return false;
        }
        while self
            .latest()
            .is_some_and(|last| last.epoch >= epoch || last.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry {
            epoch,
            start_offset,
        });
        true
    }

    /// The latest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The latest epoch's number.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<i32> {
        self.latest().map(|entry| entry.epoch)
    }

    /// The earliest epoch that has records left.
    #[must_use]
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// All epochs, in order.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The largest epoch below `epoch`.
    #[must_use]
    pub fn previous(&self, epoch: i32) -> Option<EpochEntry> {
        let after = self.entries.partition_point(|entry| entry.epoch < epoch);
        after.checked_sub(1).map(|index| self.entries[index])
    }

    /// The smallest epoch above `epoch`.
    #[must_use]
    pub fn next(&self, epoch: i32) -> Option<EpochEntry> {
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        self.entries.get(after).copied()
    }

    /// The epoch of the record at `offset`; `None` below the first.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).map(|index| self.entries[index].epoch)
    }

    /// Where `epoch` ended, as a leader answers it: the epoch meant, and its end offset.
    /// - the latest epoch ends where the log ends;
    /// - one between two that are known: the lower one, up to where the higher began;
    /// - one below all: itself, up to where the first began;
    /// - one above all, or -1: not known.
    #[must_use]
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        if epoch < 0 {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return Some((epoch, log_end_offset));
        }
        let higher = self.next(epoch)?;
        // The largest epoch not above: `next` is the one after it, so it lies just below.
        let floor = self
            .previous(higher.epoch)
            .map_or(epoch, |entry| entry.epoch);
        Some((floor, higher.start_offset))
    }

    /// The log now ends at `end_offset`: epochs that began there or later are gone. Returns
    /// whether one was.
    pub fn truncate_end(&mut self, end_offset: i64) -> bool {
        let keep = self
            .entries
            .partition_point(|entry| entry.start_offset < end_offset);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// The log now starts at `start_offset`: epochs that ended before are gone, and the epoch of
    /// `start_offset` begins there. Returns whether something changed.
    pub fn truncate_start(&mut self, start_offset: i64) -> bool {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        let Some(first) = after.checked_sub(1) else {
            return false;
        };
        if first == 0 && self.entries[first].start_offset == start_offset {
            return false;
        }
        self.entries[first].start_offset = start_offset;
        self.entries.drain(..first);
        true
    }

    /// Forgets everything: the log was emptied and starts anew elsewhere.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new();
        for &(epoch, start_offset) in entries {
            epochs.assign(epoch, start_offset);
        }
        epochs
    }

    fn end(epoch: i32, end_offset: i64) -> Option<(i32, i64)> {
        Some((epoch, end_offset))
    }

    #[test]
    fn end_offsets_follow_kafkas_four_cases() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert_eq!(epochs.end_offset_for(7, 99), end(7, 99));
        assert_eq!(epochs.end_offset_for(4, 99), end(4, 30));
        assert_eq!(epochs.end_offset_for(6, 99), end(4, 30));
        assert_eq!(epochs.end_offset_for(1, 99), end(1, 10));
        assert_eq!(epochs.end_offset_for(8, 99), None);
        assert_eq!(epochs.end_offset_for(-1, 99), None);
        assert_eq!(LeaderEpochs::new().end_offset_for(0, 99), None);
    }

    #[test]
    fn the_newer_word_wins() {
        let mut all = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert!(!all.assign(7, 35));
        assert!(all.assign(5, 25));
        assert_eq!(all, epochs(&[(2, 10), (4, 20), (5, 25)]));
        assert!(all.assign(8, 20));
        assert_eq!(all, epochs(&[(2, 10), (8, 20)]));
    }

    #[test]
    fn truncation_at_both_ends() {
        let mut all = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert!(!all.truncate_end(31));
        assert!(all.truncate_end(30));
        assert_eq!(all, epochs(&[(2, 10), (4, 20)]));
        assert!(!all.truncate_start(10));
        assert!(!all.truncate_start(5));
        assert!(all.truncate_start(25));
        assert_eq!(all, epochs(&[(4, 25)]));
        assert_eq!(all.epoch_for_offset(24), None);
        assert_eq!(all.epoch_for_offset(1000), Some(4));
    }

    #[test]
    fn text_is_kafkas() {
        let text = "0\n4\n5 0\n6 63\n7 127\n8 191\n";
        let read = LeaderEpochs::decode(text.as_bytes()).unwrap();
        assert_eq!(read.entries().len(), 4);
        assert_eq!(read.encode(), text);
        assert!(LeaderEpochs::decode(b"0\n1\n-1 0\n").is_err());
        assert!(LeaderEpochs::decode(b"0\n1\n1 -5\n").is_err());
    }

    proptest! {
        /// The model holds the epoch of each record, one by one.
        #[test]
        fn agrees_with_a_log_of_records(
            steps in proptest::collection::vec((0..3i32, 1..6i64), 1..20), start in 0..40i64, cut in 0..40i64,
        ) {
            let mut records: Vec<i32> = Vec::new();
            let mut epochs = LeaderEpochs::new();
            let mut epoch = 0;
            for (rise, count) in steps {
                epoch += rise;
                epochs.assign(epoch, i64::try_from(records.len()).unwrap());
                records.extend((0..count).map(|_| epoch));
            }
            let log_end = i64::try_from(records.len()).unwrap().min(cut);
            records.truncate(usize::try_from(log_end).unwrap());
            epochs.truncate_end(log_end);
            let start = start.min(log_end);
            epochs.truncate_start(start);
            for (offset, epoch) in (0..log_end).zip(&records) {
                if offset >= start {
                    prop_assert_eq!(epochs.epoch_for_offset(offset), Some(*epoch));
                }
            }
            let live: Vec<(i64, i32)> =
                (0..log_end).zip(records.iter().copied()).filter(|(offset, _)| *offset >= start).collect();
            if live.is_empty() {
                return Ok(());
            }
            for asked in 0..=epoch + 1 {
                let first_above = live.iter().find(|(_, epoch)| *epoch > asked);
                let expected = match first_above {
                    Some((offset, _)) => {
                        let floor = live.iter().rev().find(|(_, epoch)| *epoch <= asked);
                        end(floor.map_or(asked, |(_, epoch)| *epoch), *offset)
                    }
                    None if live.last().is_some_and(|(_, epoch)| *epoch == asked) => end(asked, log_end),
                    None => None,
                };
                prop_assert_eq!(epochs.end_offset_for(asked, log_end), expected, "epoch {}", asked);
            }
            prop_assert_eq!(&LeaderEpochs::decode(epochs.encode().as_bytes()).unwrap(), &epochs);
        }
    }
}
