//! The sparse offset index of one segment: where to begin looking for an offset.
//!
//! ```text
//! <base>.index, big endian, 8 bytes an entry, both columns grow:
//!   offset - base offset u32 | position of the batch that holds it u32
//! ```
//! An entry names the *last* offset of a batch and the batch's position, one for every
//! `index.interval.bytes` of the segment. Pure code; the segment owns one, files are read and
//! written by the log.

/// Bytes of one entry.
pub(crate) const OFFSET_INDEX_ENTRY_SIZE_BYTES: usize = 8;

/// Entries of one segment, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetIndex {
    base_offset: i64,
    entries: Vec<(u32, u32)>,
}

impl OffsetIndex {
    /// An empty index of the segment with this base offset.
    #[must_use]
    pub fn new(base_offset: i64) -> Self {
        Self {
            base_offset,
            entries: Vec::new(),
        }
    }

    /// Reads a file; `None` when it is not an index of this segment: a partial entry, or columns
    /// that do not grow. The caller then rebuilds it.
    #[must_use]
    pub fn decode(base_offset: i64, bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(OFFSET_INDEX_ENTRY_SIZE_BYTES) {
            return None;
        }
        let entries: Vec<(u32, u32)> = bytes
            .as_chunks::<OFFSET_INDEX_ENTRY_SIZE_BYTES>()
            .0
            .iter()
            .map(|[a, b, c, d, e, f, g, h]| {
                (
                    u32::from_be_bytes([*a, *b, *c, *d]),
                    u32::from_be_bytes([*e, *f, *g, *h]),
                )
            })
            .collect();
        let grows = entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        grows.then_some(Self {
            base_offset,
            entries,
        })
    }

    /// Adds the last offset of the batch at `position`.
    ///
    /// # Panics
    /// When it is not above the last entry, or not of this segment.
    pub fn push(&mut self, last_offset: i64, position: u64) {
        let entry = (
            u32::try_from(last_offset - self.base_offset).expect("a segment rolls before that"),
            u32::try_from(position).expect("a segment rolls before that"),
        );
        assert!(
            self.entries
                .last()
                .is_none_or(|last| last.0 < entry.0 && last.1 < entry.1)
        );
        self.entries.push(entry);
    }

    /// A position at or before the batch that holds `offset`; zero when no entry is below it.
    #[must_use]
    pub fn position_for(&self, offset: i64) -> u64 {
        let after = self
            .entries
            .partition_point(|&(relative, _)| self.base_offset + i64::from(relative) <= offset);
        after
            .checked_sub(1)
            .map_or(0, |index| u64::from(self.entries[index].1))
    }

    /// The largest position below `position_limit` whose batch ends below `offset_limit`: every
    /// batch before it does as well.
    #[must_use]
    pub fn last_position_before(&self, position_limit: u64, offset_limit: i64) -> Option<u64> {
        let is_before = |&(relative, position): &(u32, u32)| {
            u64::from(position) < position_limit
                && self.base_offset + i64::from(relative) < offset_limit
        };
        let after = self.entries.partition_point(is_before);
        after
            .checked_sub(1)
            .map(|index| u64::from(self.entries[index].1))
    }

    /// The offset of the first entry at or behind a position: no record before that position is at
    /// or above it. Of the very first entry, only when the position is before it: Kafka's binary
    /// search never looks whether that one is the very position, and its answers are ours.
    #[must_use]
    pub fn offset_at_or_behind(&self, position: u64) -> Option<i64> {
        let before = self
            .entries
            .partition_point(|&(_, at)| u64::from(at) < position);
        let is_first = before == 0 && u64::from(self.entries.first()?.1) == position;
        let &(relative, _) = self.entries.get(before + usize::from(is_first))?;
        Some(self.base_offset + i64::from(relative))
    }

    /// The position of the first entry.
    #[must_use]
    pub fn first_position(&self) -> Option<u64> {
        let first = self.entries.first();
        first.map(|&(_, position)| u64::from(position))
    }

    /// The position of the last entry.
    #[must_use]
    pub fn last_position(&self) -> Option<u64> {
        self.entries
            .last()
            .map(|&(_, position)| u64::from(position))
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

    /// Drops the entries of batches at `position` and behind it.
    pub fn truncate_at(&mut self, position: u64) {
        let keep = self
            .entries
            .partition_point(|&(_, at)| u64::from(at) < position);
        self.entries.truncate(keep);
    }

    /// The file's bytes of the entries from `index` on.
    #[must_use]
    pub fn encode_from(&self, index: usize) -> Vec<u8> {
        let entries = self.entries.get(index..).unwrap_or_default();
        let bytes =
            |&(offset, position): &(u32, u32)| [offset.to_be_bytes(), position.to_be_bytes()];
        entries.iter().flat_map(bytes).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_entry_at_or_below() {
        let mut index = OffsetIndex::new(100);
        index.push(110, 4100);
        index.push(120, 9000);
        let found: Vec<_> = [100, 109, 110, 119, 120, 999]
            .map(|o| index.position_for(o))
            .into();
        assert_eq!(found, [0, 0, 4100, 4100, 9000, 9000]);
        let bytes = index.encode_from(0);
        assert_eq!(OffsetIndex::decode(100, &bytes), Some(index.clone()));
        assert_eq!(index.encode_from(1), bytes[8..]);
        index.truncate_at(9000);
        assert_eq!(index.last_position(), Some(4100));
    }

    #[test]
    fn refuses_padding_and_disorder() {
        let mut index = OffsetIndex::new(0);
        index.push(5, 50);
        let mut bytes = index.encode_from(0);
        bytes.extend_from_slice(&[0; 8]);
        assert_eq!(OffsetIndex::decode(0, &bytes), None);
        assert_eq!(OffsetIndex::decode(0, &bytes[..9]), None);
    }

    proptest! {
        /// The model is the list of batches: (first offset, last offset, position).
        #[test]
        fn agrees_with_a_list_of_batches(
            shapes in proptest::collection::vec((1..5i64, 1..500u64, any::<bool>()), 1..40),
            base_offset in 0..1000i64, cut in any::<prop::sample::Index>(),
        ) {
            let mut index = OffsetIndex::new(base_offset);
            let mut batches = Vec::new();
            let (mut offset, mut position) = (base_offset, 0);
            for (count, size, is_indexed) in shapes {
                let last = offset + count - 1;
                if is_indexed && position > 0 {
                    index.push(last, position);
                }
                batches.push((offset, last, position));
                (offset, position) = (offset + count, position + size);
            }
            prop_assert_eq!(OffsetIndex::decode(base_offset, &index.encode_from(0)), Some(index.clone()));
            for &(_, _, position) in &batches {
                let entries = || batches.iter().filter(|&&(_, last, at)| at > 0 && index.position_for(last) == at);
                let is_first = entries().next().is_some_and(|first| first.2 == position);
                let indexed = entries().filter(|&&(_, _, at)| at >= position).nth(usize::from(is_first));
                prop_assert_eq!(index.offset_at_or_behind(position), indexed.map(|it| it.1));
            }
            for &(first, last, position) in &batches {
                for offset in first..=last {
                    let found = index.position_for(offset);
                    prop_assert!(found <= position);
                    prop_assert!(batches.iter().any(|&(_, _, at)| at == found));
                }
            }
            let cut = batches[cut.index(batches.len())].2;
            index.truncate_at(cut);
            prop_assert!(index.last_position().is_none_or(|last| last < cut));
            prop_assert_eq!(OffsetIndex::decode(base_offset, &index.encode_from(0)), Some(index));
        }

        #[test]
        fn any_bytes_are_an_index_or_refused(bytes in proptest::collection::vec(0..3u8, 0..40)) {
            if let Some(index) = OffsetIndex::decode(7, &bytes) {
                prop_assert_eq!(index.encode_from(0), bytes);
            }
        }
    }
}
