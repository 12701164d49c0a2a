//! What a coordinator asks its log to keep, and what the log may say to that.

use engine_base::Timestamp;
use engine_record::{BatchBuilder, BatchOptions, Compression, EndTxnMarker, TxnOutcome};

/// Names one append of a coordinator, in the order in which appends must reach the log.
/// [`AppendId::LOADED`] stands for everything that was committed before the coordinator loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

impl AppendId {
    /// State read below the high watermark: committed from the start.
    pub const LOADED: Self = Self(0);

    /// The id handed out after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One batch to write: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Given back in `on_appended`, `on_committed` and `on_append_failed`.
    pub id: AppendId,
    /// The offset that the coordinator expects the first record to get. Records were applied
    /// under these offsets; a log that answers otherwise is out of sync with the machine.
    pub base_offset: i64,
    /// Timestamp of every record (CreateTime), milliseconds of the wall clock.
    pub timestamp: Timestamp,
    /// What to write.
    pub body: AppendBody,
}

impl Append {
    /// The batch for the log, under the expected offset and without a leader epoch, which the
    /// partition stamps. A marker is never compressed.
    #[must_use]
    pub fn to_batch(&self, compression: Compression) -> Vec<u8> {
        let options = BatchOptions {
            base_offset: self.base_offset,
            compression,
            ..BatchOptions::default()
        };
        match &self.body {
            AppendBody::Records { producer, records } => {
                let options = match producer {
                    None => options,
                    // Kafka's coordinator has no sequence of its own: every batch is the first.
                    Some(producer) => BatchOptions {
                        producer_id: producer.id,
                        producer_epoch: producer.epoch,
                        base_sequence: 0,
                        transactional: true,
                        ..options
                    },
                };
                let mut builder = BatchBuilder::new(options);
                for record in records {
                    builder.append(
                        self.timestamp,
                        Some(&record.key),
                        record.value.as_deref(),
                        &[],
                    );
                }
                builder.finish()
            }
            AppendBody::Marker {
                producer,
                coordinator_epoch,
                result,
            } => {
                let marker = EndTxnMarker {
                    outcome: match result {
                        TransactionResult::Commit => TxnOutcome::Commit,
                        TransactionResult::Abort => TxnOutcome::Abort,
                    },
                    coordinator_epoch: *coordinator_epoch,
                };
                marker.batch(producer.id, producer.epoch, options, self.timestamp)
            }
        }
    }
}

/// The two kinds of batches a coordinator writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendBody {
    /// Ordinary records; with a producer, a transactional batch (base sequence 0).
    Records {
        /// The transaction the records belong to, if any.
        producer: Option<Producer>,
        /// At least one record.
        records: Vec<KeyValue>,
    },
    /// An end-transaction marker: a control batch of one record.
    Marker {
        /// Whose transaction ends.
        producer: Producer,
        /// Epoch of the transaction coordinator that decided.
        coordinator_epoch: i32,
        /// What it decided.
        result: TransactionResult,
    },
}

impl AppendBody {
    /// How many offsets the batch takes.
    #[must_use]
    pub fn record_count(&self) -> usize {
        match self {
            Self::Records { records, .. } => records.len(),
            Self::Marker { .. } => 1,
        }
    }
}

/// A record as the log keeps it. No value means tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Record key: two bytes of record type, then the key's fields.
    pub key: Vec<u8>,
    /// Record value: two bytes of schema version, then the value's fields.
    pub value: Option<Vec<u8>>,
}

/// A transactional producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// Producer id, never negative.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionResult {
    /// Its records count.
    Commit,
    /// Its records never happened.
    Abort,
}

/// Why an append did not happen, in the words of the produce path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// This broker no longer leads the partition (6).
    NotLeaderOrFollower,
    /// The disk failed (56).
    KafkaStorageError,
    /// The partition does not exist here (3).
    UnknownTopicOrPartition,
    /// Fewer in-sync replicas than `min.insync.replicas` (19, 20).
    NotEnoughReplicas,
    /// Written, but not committed within the write timeout (7). The records may still commit.
    RequestTimedOut,
    /// The batch exceeds the topic's `max.message.bytes` (10, 18).
    MessageTooLarge,
    /// The producer was fenced (47).
    InvalidProducerEpoch,
    /// The transaction is not one that may be written to (48).
    InvalidTxnState,
    /// A marker from a deposed transaction coordinator (52).
    TransactionCoordinatorFenced,
    /// Anything else (-1); the log has said what it was.
    UnknownServerError,
}

impl std::fmt::Display for AppendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotLeaderOrFollower => "this broker no longer leads the partition",
            Self::KafkaStorageError => "the log could not be written",
            Self::UnknownTopicOrPartition => "the partition does not exist on this broker",
            Self::NotEnoughReplicas => "fewer in-sync replicas than min.insync.replicas",
            Self::RequestTimedOut => "the records were not committed within the write timeout",
            Self::MessageTooLarge => "the batch exceeds max.message.bytes of the topic",
            Self::InvalidProducerEpoch => "the producer has been fenced",
            Self::InvalidTxnState => "the producer's transaction does not accept this write",
            Self::TransactionCoordinatorFenced => "the transaction coordinator has been deposed",
            Self::UnknownServerError => "the log refused the records",
        })
    }
}

impl std::error::Error for AppendError {}
