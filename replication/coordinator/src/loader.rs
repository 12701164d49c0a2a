//! Replays the log into a machine before it serves.
//!
//! Kafka reads to the end of the log, not to the high watermark: what is above it is applied as
//! speculative and becomes visible to readers of committed state as the watermark passes it.

use std::fmt;

use engine_record::{BatchError, BatchView, Decompressor, EndTxnMarker, TxnOutcome};

use crate::append::TransactionResult;
use crate::machine::{Decoded, Machine, Position};
use crate::runtime::{CoordinatorShard, Lifecycle};

/// One batch of the log, decompressed and taken apart.
#[derive(Clone, Copy, Debug)]
pub enum LoadedBatch<'a> {
    /// An ordinary or transactional batch.
    Records {
        /// The offset after the batch.
        next_offset: i64,
        /// The producer of a transactional batch; none for an ordinary one.
        producer_id: Option<i64>,
        /// Its records.
        records: &'a [LoadedRecord<'a>],
    },
    /// A commit or abort marker. Other control batches are skipped by the caller.
    Marker {
        /// The offset after the batch.
        next_offset: i64,
        /// Whose transaction ended.
        producer_id: i64,
        /// How.
        result: TransactionResult,
    },
}

/// One record of a [`LoadedBatch`].
#[derive(Clone, Copy, Debug)]
pub struct LoadedRecord<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its key. A record without a key is skipped with no word, as in Kafka.
    pub key: Option<&'a [u8]>,
    /// Its value; none for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Loading met bytes that are no batch or no record. The coordinator must not serve: what it would
/// answer could be older than what was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError<E> {
    /// A batch cannot be decompressed or taken apart.
    Batch {
        /// Its base offset.
        base_offset: i64,
        /// What is wrong with it.
        reason: BatchError,
    },
    /// A record is not what its type says.
    Record {
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        reason: E,
    },
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch {
                base_offset,
                reason,
            } => write!(f, "batch at offset {base_offset}: {reason}"),
            Self::Record { offset, reason } => write!(f, "record at offset {offset}: {reason}"),
        }
    }
}

impl<E: fmt::Display + fmt::Debug> std::error::Error for LoadError<E> {}

impl LoadedBatch<'_> {
    /// The offset after the batch.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        match self {
            Self::Records { next_offset, .. } | Self::Marker { next_offset, .. } => *next_offset,
        }
    }
}

impl<M: Machine> CoordinatorShard<M> {
    /// Replays one batch of the log as it lies there; see [`Self::load`].
    ///
    /// # Errors
    /// When the batch or a record in it cannot be read; the shard must then be dropped.
    ///
    /// # Panics
    /// When the shard is no longer loading.
    pub fn load_batch(
        &mut self,
        batch: &BatchView<'_>,
        decompressor: &mut Decompressor,
        high_watermark: i64,
        notices: &mut Vec<M::Notice>,
    ) -> Result<(), LoadError<M::DecodeError>> {
        let header = batch.header();
        let next_offset = header.next_offset();
        let broken = |reason: BatchError| LoadError::Batch {
            base_offset: header.base_offset,
            reason,
        };
        if header.attributes.is_control() {
            let marker = EndTxnMarker::of(batch).map_err(|error| broken(error.into()))?;
            let loaded = match marker {
                Some(marker) => LoadedBatch::Marker {
                    next_offset,
                    producer_id: header.producer_id,
                    result: match marker.outcome {
                        TxnOutcome::Commit => TransactionResult::Commit,
                        TxnOutcome::Abort => TransactionResult::Abort,
                    },
                },
                None => LoadedBatch::Records {
                    next_offset,
                    producer_id: None,
                    records: &[],
                },
            };
            return self.load(loaded, high_watermark, notices);
        }
        let payload = batch.decompressed(decompressor).map_err(broken)?;
        let mut records = Vec::new();
        for record in batch.records_in(&payload) {
            let record = record.map_err(|error| broken(error.into()))?;
            records.push(LoadedRecord {
                offset: record.offset,
                key: record.key,
                value: record.value,
            });
        }
        let loaded = LoadedBatch::Records {
            next_offset,
            producer_id: header.has_producer_id().then_some(header.producer_id),
            records: &records,
        };
        self.load(loaded, high_watermark, notices)
    }

    /// Replays one batch. Batches come in the order of the log, from its start to its end.
    ///
    /// # Errors
    /// When a record cannot be decoded; the shard must then be dropped.
    ///
    /// # Panics
    /// When the shard is no longer loading.
    pub fn load(
        &mut self,
        batch: LoadedBatch<'_>,
        high_watermark: i64,
        notices: &mut Vec<M::Notice>,
    ) -> Result<(), LoadError<M::DecodeError>> {
        assert_eq!(self.lifecycle(), Lifecycle::Loading);
        let append = self.begin_loaded_batch(batch.next_offset(), high_watermark);
        match batch {
            LoadedBatch::Marker {
                next_offset,
                producer_id,
                result,
            } => {
                let position = Position {
                    append,
                    offset: next_offset - 1,
                    producer_id: Some(producer_id),
                };
                self.machine_mut()
                    .replay_marker(position, producer_id, result);
            }
            LoadedBatch::Records {
                producer_id,
                records,
                ..
            } => {
                for record in records {
                    let Some(key) = record.key else { continue };
                    let position = Position {
                        append,
                        offset: record.offset,
                        producer_id,
                    };
                    match M::decode(key, record.value) {
                        Ok(Decoded::Record(decoded)) => {
                            self.machine_mut().replay(position, decoded);
                        }
                        Ok(Decoded::Ignored(notice)) => notices.extend(notice),
                        Err(reason) => {
                            return Err(LoadError::Record {
                                offset: record.offset,
                                reason,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
