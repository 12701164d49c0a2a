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
}
