//! The sparse time index of one segment: the largest timestamp so far, and the offset that has
//! it.
//!
//! ```text
//! <base>.timeindex, big endian, 12 bytes an entry, timestamps grow, offsets never fall:
//!   timestamp i64 | offset - base offset u32
//! ```
//! Every record before an entry's offset has at most its timestamp. Pure code.

use engine_base::Timestamp;

/// Bytes of one entry.
pub(crate) const TIME_INDEX_ENTRY_SIZE_BYTES: usize = 12;

/// Entries of one segment, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeIndex {
    base_offset: i64,
    entries: Vec<(Timestamp, u32)>,
}

impl TimeIndex {
    /// An empty index of the segment with this base offset.
    #[must_use]
    pub fn new(base_offset: i64) -> Self {
        Self {
            base_offset,
            entries: Vec::new(),
        }
    }

    /// Reads a file; `None` when it is not an index of this segment.
    #[must_use]
    pub fn decode(base_offset: i64, bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(TIME_INDEX_ENTRY_SIZE_BYTES) {
            return None;
        }
        let entries: Vec<(Timestamp, u32)> = bytes
            .as_chunks::<TIME_INDEX_ENTRY_SIZE_BYTES>()
            .0
            .iter()
            .map(|[a, b, c, d, e, f, g, h, i, j, k, l]| {
                (
                    i64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                    u32::from_be_bytes([*i, *j, *k, *l]),
                )
            })
            .collect();
        let grows = entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        grows.then_some(Self {
            base_offset,
            entries,
        })
    }

    /// Adds the largest timestamp so far and its offset, when it is above the last entry's.
    pub fn maybe_push(&mut self, timestamp: Timestamp, offset: i64) {
        if timestamp < 0 || self.entries.last().is_some_and(|last| last.0 >= timestamp) {
            return;
        }
        let relative =
            u32::try_from(offset - self.base_offset).expect("a segment rolls before that");
        if self.entries.last().is_none_or(|last| last.1 <= relative) {
            self.entries.push((timestamp, relative));
        }
    }

    /// An offset at or before the first record whose timestamp is at least `timestamp`.
    #[must_use]
    pub fn offset_for(&self, timestamp: Timestamp) -> i64 {
        let after = self
            .entries
            .partition_point(|&(found, _)| found < timestamp);
        self.base_offset
            + after
                .checked_sub(1)
                .map_or(0, |index| i64::from(self.entries[index].1))
    }

    /// The last entry: timestamp and offset.
    #[must_use]
    pub fn last(&self) -> Option<(Timestamp, i64)> {
        self.entries
            .last()
            .map(|&(timestamp, relative)| (timestamp, self.base_offset + i64::from(relative)))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops the entries of `offset` and behind it.
    pub fn truncate_at(&mut self, offset: i64) {
        let base = self.base_offset;
        self.entries
            .retain(|&(_, relative)| base + i64::from(relative) < offset);
    }

    /// The file's bytes of the entries from `index` on.
    #[must_use]
    pub fn encode_from(&self, index: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (timestamp, relative) in self.entries.get(index..).unwrap_or_default() {
            bytes.extend_from_slice(&timestamp.to_be_bytes());
            bytes.extend_from_slice(&relative.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_where_to_begin() {
        let mut index = TimeIndex::new(100);
        index.maybe_push(1000, 105);
        index.maybe_push(900, 107);
        index.maybe_push(2000, 110);
        assert_eq!(index.len(), 2);
        let found: Vec<_> = [1, 1000, 1001, 2000, 2001]
            .map(|t| index.offset_for(t))
            .into();
        assert_eq!(found, [100, 100, 105, 105, 110]);
        let bytes = index.encode_from(0);
        assert_eq!(TimeIndex::decode(100, &bytes), Some(index.clone()));
        index.truncate_at(110);
        assert_eq!(index.last(), Some((1000, 105)));
        assert_eq!(TimeIndex::decode(100, &bytes[..13]), None);
    }

    proptest! {
        /// The model is the list of records' timestamps; entries are offered as a segment does:
        /// the largest so far and where it stands.
        #[test]
        fn never_points_behind_the_first_record_that_is_late_enough(
            records in proptest::collection::vec((-1..60i64, any::<bool>()), 1..60),
            asked in 0..70i64, cut in 0..70i64,
        ) {
            let mut index = TimeIndex::new(1000);
            let mut newest = (-1, 1000);
            for (offset, &(timestamp, is_indexed)) in (1000..).zip(&records) {
                if timestamp > newest.0 {
                    newest = (timestamp, offset);
                }
                if is_indexed {
                    index.maybe_push(newest.0, newest.1);
                }
            }
            prop_assert_eq!(TimeIndex::decode(1000, &index.encode_from(0)), Some(index.clone()));
            let first = (1000..).zip(&records).find(|(_, (timestamp, _))| *timestamp >= asked);
            if let Some((offset, _)) = first {
                prop_assert!(index.offset_for(asked) <= offset);
            }
            index.truncate_at(1000 + cut);
            prop_assert!(index.last().is_none_or(|(_, offset)| offset < 1000 + cut));
            prop_assert_eq!(TimeIndex::decode(1000, &index.encode_from(0)), Some(index));
        }
    }
}
