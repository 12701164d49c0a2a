//! When a log's active segment is full. A pure function of sizes and times, by Kafka's rules.

use engine_base::Timestamp;

use crate::config::LogConfig;
use crate::offset_index::OFFSET_INDEX_ENTRY_SIZE_BYTES;
use crate::time_index::TIME_INDEX_ENTRY_SIZE_BYTES;

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollInput {
    /// Bytes in the active segment.
    pub(crate) size_bytes: u64,
    /// Its base offset.
    pub(crate) base_offset: i64,
    /// Wall clock of its birth.
    pub(crate) created_ms: Timestamp,
    /// Largest timestamp of its first batch.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// The jitter drawn for it.
    pub(crate) jitter_ms: i64,
    /// Entries of its offset index.
    pub(crate) offset_entries: usize,
    /// Entries of its time index.
    pub(crate) time_entries: usize,
    /// Bytes to be appended.
    pub(crate) append_size_bytes: u64,
    /// Largest timestamp to be appended.
    pub(crate) append_timestamp: Timestamp,
    /// Last offset to be appended.
    pub(crate) append_last_offset: i64,
}

/// Whether the batch goes to a new segment.
pub(crate) fn should_roll(input: &RollInput, config: &LogConfig, now_ms: Timestamp) -> bool {
    let limit = config
        .segment_size_bytes()
        .saturating_sub(input.append_size_bytes);
    let index_limit = config.index_size_bytes_max as usize;
    // One entry is kept free: sealing adds the last timestamp.
    let offsets_max = index_limit / OFFSET_INDEX_ENTRY_SIZE_BYTES;
    let times_max = (index_limit / TIME_INDEX_ENTRY_SIZE_BYTES).saturating_sub(1);
    let waited_ms = match input.first_timestamp {
        Some(first) if first >= 0 => input.append_timestamp.saturating_sub(first),
        _ => now_ms.saturating_sub(input.created_ms),
    };
    let is_late = waited_ms > config.segment_ms.saturating_sub(input.jitter_ms);
    let relative_offset = input.append_last_offset - input.base_offset;
    input.size_bytes > 0
        && (input.size_bytes > limit
            || is_late
            || input.offset_entries >= offsets_max
            || input.time_entries >= times_max)
        || relative_offset > i64::from(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn input() -> RollInput {
        RollInput {
            size_bytes: 1000,
            base_offset: 0,
            created_ms: 0,
            first_timestamp: Some(5000),
            jitter_ms: 0,
            offset_entries: 1,
            time_entries: 1,
            append_size_bytes: 100,
            append_timestamp: 6000,
            append_last_offset: 10,
        }
    }

    #[test]
    fn rolls_by_size_time_index_and_offset_range_and_not_before() {
        let config = LogConfig {
            segment_size_bytes: 1100,
            segment_ms: 1000,
            ..Default::default()
        };
        let roll = |change: fn(&mut RollInput)| {
            let mut input = input();
            change(&mut input);
            should_roll(&input, &config, 1000)
        };
        assert!(!roll(|_| {}));
        assert!(roll(|input| input.size_bytes = 1001));
        assert!(roll(|input| input.append_timestamp = 6001));
        assert!(roll(|input| input.offset_entries = 1 << 21));
        assert!(roll(|input| input.time_entries = 1 << 21));
        assert!(roll(|input| input.append_last_offset = 1 << 31));
        assert!(!roll(
            |input| (input.size_bytes, input.append_size_bytes) = (0, 5000)
        ));
        assert!(roll(
            |input| (input.first_timestamp, input.created_ms) = (None, -1)
        ));
    }

    proptest! {
        /// Kafka's expression, written down in one piece.
        #[test]
        fn agrees_with_kafkas_expression(
            size_bytes in 0..3000u64, append_size_bytes in 1..1000u64, entries in 0..20usize,
            first in proptest::option::of(-1..5000i64), created_ms in 0..5000i64,
            append_timestamp in -1..5000i64, now_ms in 0..5000i64, jitter_ms in 0..500i64,
            last in prop::sample::select(vec![0, 1, i64::from(i32::MAX), i64::from(i32::MAX) + 1]),
        ) {
            let entries = if size_bytes == 0 { 0 } else { entries };
            let config = LogConfig {
                segment_size_bytes: 2000,
                segment_ms: 1000,
                index_size_bytes_max: 128,
                ..LogConfig::default()
            };
            let input = RollInput {
                size_bytes,
                base_offset: 0,
                created_ms,
                first_timestamp: first,
                jitter_ms,
                offset_entries: entries,
                time_entries: entries / 2,
                append_size_bytes,
                append_timestamp,
                append_last_offset: last,
            };
            let waited = match first {
                Some(first) if first >= 0 => append_timestamp - first,
                _ => now_ms - created_ms,
            };
            let expected = size_bytes + append_size_bytes > 2000
                || size_bytes > 0 && waited > 1000 - jitter_ms
                || entries >= 128 / 8
                || entries / 2 >= 128 / 12 - 1
                || last > i64::from(i32::MAX);
            prop_assert_eq!(should_roll(&input, &config, now_ms), expected);
        }
    }
}
