//! What can be wrong with a batch or a record, for readers of stored and fetched bytes. What the
//! door answers to a producer is [`crate::Rejection`].

use std::fmt;

use crate::compress::CompressError;

/// Why the next batch in a run of bytes cannot be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// The bytes end inside a batch: normal at the end of a fetch answer, damage elsewhere.
    Truncated,
    /// The length field is below the smallest batch.
    BadLength {
        /// What the field says.
        batch_length: i32,
    },
    /// Message format 0 or 1, which Kafka 4 no longer accepts or stores anew (KIP-724).
    LegacyMagic {
        /// 0 or 1.
        magic: i8,
    },
    /// A message format that does not exist.
    UnknownMagic {
        /// What the field says.
        magic: i8,
    },
    /// The checksum does not fit the bytes.
    BadCrc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The attributes name no compression.
    UnknownCompression {
        /// 5, 6 or 7.
        id: u8,
    },
    /// A record cannot be read.
    Record(RecordError),
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The data ends before the number of records that the header announces.
    EndOfBatch,
    /// Bytes are left after the number of records that the header announces.
    TrailingBytes,
    /// The header announces a negative number of records.
    NegativeCount,
    /// A varint of more bytes than its type can have.
    VarintTooLong,
    /// The record's own size differs from what its fields take.
    SizeMismatch,
    /// A negative number of headers.
    NegativeHeaderCount,
    /// More headers than bytes.
    TooManyHeaders,
    /// A header without a key.
    NegativeHeaderKeySize,
    /// A control record whose key or value is not what its type and version say.
    BadControlRecord,
    /// The compressed data cannot be read.
    Compressed(CompressError),
}

impl From<RecordError> for BatchError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<CompressError> for RecordError {
    fn from(error: CompressError) -> Self {
        Self::Compressed(error)
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end inside a batch"),
            Self::BadLength { batch_length } => write!(f, "batch length {batch_length}"),
            Self::LegacyMagic { magic } | Self::UnknownMagic { magic } => {
                write!(f, "message format {magic}, only 2 is supported")
            }
            Self::BadCrc { stored, computed } => {
                write!(f, "stored crc {stored}, computed crc {computed}")
            }
            Self::UnknownCompression { id } => write!(f, "unknown compression type id {id}"),
            Self::Record(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndOfBatch => "the batch ends before its declared number of records",
            Self::TrailingBytes => "bytes remain after the declared number of records",
            Self::NegativeCount => "the declared number of records is negative",
            Self::VarintTooLong => "a variable-length number is too long",
            Self::SizeMismatch => "the declared size of a record differs from its content",
            Self::NegativeHeaderCount => "the declared number of headers is negative",
            Self::TooManyHeaders => "the declared number of headers exceeds the record",
            Self::NegativeHeaderKeySize => "a header has no key",
            Self::BadControlRecord => "a control record does not fit its type",
            Self::Compressed(error) => return fmt::Display::fmt(error, f),
        })
    }
}

impl std::error::Error for BatchError {}
impl std::error::Error for RecordError {}
