//! Why the door refuses a batch, and which Kafka error says so.
//!
//! Built by [`crate::validate`] only when a batch is refused; the produce handler turns it into
//! the partition's answer.

use std::fmt;

use engine_base::Timestamp;

use crate::error::{BatchError, RecordError};
use crate::validate::ZSTD_PRODUCE_VERSION_MIN;

/// The Kafka error that answers a rejection; the wire's error table maps it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaError {
    /// CORRUPT_MESSAGE (2).
    CorruptMessage,
    /// MESSAGE_TOO_LARGE (10).
    MessageTooLarge,
    /// RECORD_LIST_TOO_LARGE (18).
    RecordListTooLarge,
    /// INVALID_TIMESTAMP (32).
    InvalidTimestamp,
    /// UNSUPPORTED_COMPRESSION_TYPE (76).
    UnsupportedCompressionType,
    /// INVALID_RECORD (87).
    InvalidRecord,
}

/// Why a batch may not enter the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No whole batch in the request.
    NoBatch,
    /// More than one batch for one partition.
    SeveralBatches,
    /// The length or the magic of the first or second batch makes no sense.
    Malformed(BatchError),
    /// Message format 0 or 1.
    LegacyMagic {
        /// 0 or 1.
        magic: i8,
    },
    /// zstd in a produce request below version 7.
    ZstdNotAllowed,
    /// A producer's base offset must be 0.
    BaseOffsetNotZero {
        /// What the header says.
        base_offset: i64,
    },
    /// Larger than `max.message.bytes`.
    BatchTooLarge {
        /// Bytes of the batch.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Larger than a segment.
    LargerThanSegment {
        /// Bytes of the batch.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Shorter than a header, or the checksum does not fit.
    Corrupt(BatchError),
    /// The attributes name no compression.
    UnknownCompression {
        /// 5, 6 or 7.
        id: u8,
    },
    /// The last offset delta is negative.
    BadOffsetRange {
        /// What the header says.
        last_offset_delta: i32,
    },
    /// The record count is not positive.
    BadCount {
        /// What the header says.
        record_count: i32,
    },
    /// The record count does not fit the last offset delta.
    CountMismatch {
        /// What the header says.
        record_count: i32,
        /// What the header says.
        last_offset_delta: i32,
    },
    /// Only brokers write control records.
    ControlFromClient,
    /// A producer id without a sequence number.
    BadSequence {
        /// What the header says.
        base_sequence: i32,
    },
    /// A record cannot be read.
    BadRecord {
        /// Position of the record in the batch, from zero.
        index: i32,
        /// What is wrong with it.
        error: RecordError,
    },
    /// Records can be read but break a rule of the topic.
    Records {
        /// The first of them, [`crate::limits::RECORD_ERRORS_MAX`] at most, in order.
        errors: Vec<RecordRejection>,
        /// How many there are.
        count: u32,
        /// Whether one of all is about a timestamp: the batch's answer is then
        /// INVALID_TIMESTAMP.
        timestamp: bool,
    },
}

/// A record that breaks a rule of the topic (`RecordErrors` of the produce answer, KIP-467).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRejection {
    /// Position of the record in the batch, from zero (`BatchIndex`).
    pub index: i32,
    /// The rule.
    pub reason: RecordReason,
}

/// The rule that a record breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordReason {
    /// A compacted topic takes no record without a key.
    NullKey,
    /// The timestamp is outside of what the topic allows.
    TimestampOutOfRange {
        /// The record's.
        timestamp: Timestamp,
        /// Earliest allowed.
        min: Timestamp,
        /// Latest allowed.
        max: Timestamp,
    },
    /// Producers must not claim the log append time.
    LogAppendTimeFromProducer,
    /// The offset delta is not the record's position in the batch.
    OffsetDelta {
        /// What the record says.
        offset_delta: i32,
    },
}

impl Rejection {
    /// The error that answers the partition.
    #[must_use]
    pub fn kafka_error(&self) -> KafkaError {
        match self {
            Self::NoBatch
            | Self::SeveralBatches
            | Self::LegacyMagic { .. }
            | Self::BaseOffsetNotZero { .. }
            | Self::BadOffsetRange { .. }
            | Self::BadCount { .. }
            | Self::CountMismatch { .. }
            | Self::ControlFromClient
            | Self::BadSequence { .. }
            | Self::BadRecord { .. }
            | Self::Records {
                timestamp: false, ..
            } => KafkaError::InvalidRecord,
            Self::Records {
                timestamp: true, ..
            } => KafkaError::InvalidTimestamp,
            Self::Malformed(_) | Self::Corrupt(_) => KafkaError::CorruptMessage,
            Self::BatchTooLarge { .. } => KafkaError::MessageTooLarge,
            Self::LargerThanSegment { .. } => KafkaError::RecordListTooLarge,
            Self::ZstdNotAllowed | Self::UnknownCompression { .. } => {
                KafkaError::UnsupportedCompressionType
            }
        }
    }

    /// The records at fault, as the produce answer lists them.
    #[must_use]
    pub fn record_errors(&self) -> &[RecordRejection] {
        match self {
            Self::Records { errors, .. } => errors,
            _ => &[],
        }
    }
}

impl RecordReason {
    pub(crate) fn is_about_timestamp(self) -> bool {
        matches!(
            self,
            Self::TimestampOutOfRange { .. } | Self::LogAppendTimeFromProducer
        )
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBatch => f.write_str("the request holds no whole record batch"),
            Self::SeveralBatches => {
                f.write_str("a partition may carry exactly one record batch in a request")
            }
            Self::Malformed(error) | Self::Corrupt(error) => fmt::Display::fmt(error, f),
            Self::LegacyMagic { magic } => {
                write!(f, "message format {magic} is no longer accepted, only 2")
            }
            Self::ZstdNotAllowed => write!(
                f,
                "zstd needs produce version {ZSTD_PRODUCE_VERSION_MIN} or later"
            ),
            Self::BaseOffsetNotZero { base_offset } => {
                write!(
                    f,
                    "the base offset of an appended batch must be 0, not {base_offset}"
                )
            }
            Self::BatchTooLarge {
                size_bytes,
                limit_bytes,
            } => write!(
                f,
                "a batch of {size_bytes} bytes exceeds max.message.bytes ({limit_bytes})"
            ),
            Self::LargerThanSegment {
                size_bytes,
                limit_bytes,
            } => {
                write!(
                    f,
                    "a batch of {size_bytes} bytes exceeds segment.bytes ({limit_bytes})"
                )
            }
            Self::UnknownCompression { id } => write!(f, "unknown compression type id {id}"),
            Self::BadOffsetRange { last_offset_delta } => {
                write!(f, "last offset delta {last_offset_delta}")
            }
            Self::BadCount { record_count } => write!(f, "record count {record_count}"),
            Self::CountMismatch {
                record_count,
                last_offset_delta,
            } => write!(
                f,
                "record count {record_count} does not fit last offset delta {last_offset_delta}"
            ),
            Self::ControlFromClient => f.write_str("clients may not write control records"),
            Self::BadSequence { base_sequence } => {
                write!(f, "base sequence {base_sequence} with a producer id")
            }
            Self::BadRecord { index, error } => write!(f, "record {index}: {error}"),
            Self::Records {
                timestamp: true, ..
            } => f.write_str("one or more records have an invalid timestamp"),
            Self::Records { errors, count, .. } => {
                write!(f, "{count} invalid records, the first: ")?;
                match errors.first() {
                    Some(first) => write!(f, "record {}: {}", first.index, first.reason),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for RecordReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullKey => f.write_str("a compacted topic takes no record without a key"),
            Self::TimestampOutOfRange {
                timestamp,
                min,
                max,
            } => {
                write!(f, "timestamp {timestamp} is outside of [{min}, {max}]")
            }
            Self::LogAppendTimeFromProducer => {
                f.write_str("producers may not set the timestamp type LogAppendTime")
            }
            Self::OffsetDelta { offset_delta } => {
                write!(
                    f,
                    "offset delta {offset_delta} is not the position in the batch"
                )
            }
        }
    }
}

impl std::error::Error for Rejection {}
