//! The last five batches of a producer, by which a resent one is recognised.

use engine_base::Timestamp;
use engine_record::header::decrement_sequence;

/// Batches remembered for each producer: the most that a client keeps in flight
/// (`max.in.flight.requests.per.connection` with idempotence).
pub(crate) const PRODUCER_BATCHES_MAX: usize = 5;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence number of its first record.
    pub base_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

impl BatchMetadata {
    const NONE: Self = Self {
        base_sequence: 0,
        last_sequence: 0,
        base_offset: 0,
        last_offset: 0,
        timestamp: 0,
    };

    /// As a snapshot tells it: the last record and how many were before it.
    pub(crate) fn ending_at(
        last_sequence: i32,
        last_offset: i64,
        offset_delta: i32,
        timestamp: Timestamp,
    ) -> Self {
        Self {
            base_sequence: decrement_sequence(last_sequence, offset_delta),
            last_sequence,
            base_offset: last_offset.saturating_sub(i64::from(offset_delta)),
            last_offset,
            timestamp,
        }
    }
}

/// Up to five batches, the oldest gives way. No allocation: there is one for each producer.
#[derive(Clone, Copy)]
pub struct RecentBatches {
    /// Oldest first.
    batches: [BatchMetadata; PRODUCER_BATCHES_MAX],
    count: u8,
}

impl RecentBatches {
    pub(crate) const EMPTY: Self = Self {
        batches: [BatchMetadata::NONE; PRODUCER_BATCHES_MAX],
        count: 0,
    };

    /// Oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[BatchMetadata] {
        &self.batches[..usize::from(self.count)]
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&BatchMetadata> {
        self.as_slice().last()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn push(&mut self, batch: BatchMetadata) {
        if usize::from(self.count) == PRODUCER_BATCHES_MAX {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[usize::from(self.count)] = batch;
        self.count += 1;
    }

    /// The batch with exactly these sequence numbers.
    pub(crate) fn find(&self, base_sequence: i32, last_sequence: i32) -> Option<BatchMetadata> {
        self.as_slice()
            .iter()
            .find(|batch| {
                (batch.base_sequence, batch.last_sequence) == (base_sequence, last_sequence)
            })
            .copied()
    }
}

impl std::fmt::Debug for RecentBatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl PartialEq for RecentBatches {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for RecentBatches {}
