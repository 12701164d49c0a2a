//! What is remembered of one producer.

use engine_base::Timestamp;
use engine_record::header::{NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP};

use crate::recent_batches::RecentBatches;

/// One producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its epoch; -1 when none is known.
    pub epoch: i16,
    /// Epoch of the coordinator that ended its last transaction; -1 when none did.
    pub coordinator_epoch: i32,
    /// Largest timestamp of its last batch or marker.
    pub last_timestamp: Timestamp,
    /// First record of its open transaction.
    pub txn_first_offset: Option<i64>,
    /// Its last batches in this epoch.
    pub batches: RecentBatches,
}

impl ProducerEntry {
    /// A producer of which nothing is known.
    pub(crate) const EMPTY: Self = Self {
        epoch: NO_PRODUCER_EPOCH,
        coordinator_epoch: -1,
        last_timestamp: NO_TIMESTAMP,
        txn_first_offset: None,
        batches: RecentBatches::EMPTY,
    };

    /// Sequence number of its last record; -1 when there is none in this epoch.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.batches
            .last()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(super) fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches = RecentBatches::EMPTY;
            self.epoch = epoch;
        }
    }

    /// Where the entry was last touched, as far as it is known: the clock of eviction.
    pub(super) fn last_offset(&self) -> i64 {
        self.batches.last().map_or(-1, |batch| batch.last_offset)
    }
}
