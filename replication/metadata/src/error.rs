//! What can be wrong with a record, with a log of records, and with the files around them.

use std::fmt;

use engine_base::TopicId;
use engine_codec::{DecodeError, EncodeError};

/// The bytes are no record that this program knows, or a record cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The frame's own numbers are broken, or bytes follow the record.
    Frame(DecodeError),
    /// A frame of another generation.
    UnknownFrame {
        /// The version found.
        frame_version: u32,
    },
    /// A kind that no release up to 4.4 writes.
    UnknownKind {
        /// The kind's number.
        key: u32,
        /// The version found.
        version: i16,
    },
    /// A kind we know in a version that no release up to 4.4 writes.
    UnknownVersion {
        /// The kind's name.
        kind: &'static str,
        /// The kind's number.
        key: u32,
        /// The version found.
        version: i16,
    },
    /// The fields are not what the schema says.
    Malformed {
        /// The kind's name.
        kind: &'static str,
        /// What is wrong.
        error: DecodeError,
    },
    /// The record has no form in the version it must be written in.
    Unwritable {
        /// The kind's name.
        kind: &'static str,
        /// What is wrong.
        error: EncodeError,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "a metadata record's frame is broken: {error}"),
            Self::UnknownFrame { frame_version } => {
                write!(
                    f,
                    "a metadata record has the unknown frame version {frame_version}"
                )
            }
            Self::UnknownKind { key, version } => write!(
                f,
                "metadata record kind {key} (version {version}) is newer than this program: \
                 run a release that knows it"
            ),
            Self::UnknownVersion { kind, key, version } => write!(
                f,
                "version {version} of metadata record {kind} (kind {key}) is newer than this \
                 program: run a release that knows it"
            ),
            Self::Malformed { kind, error } => write!(f, "a {kind} record is malformed: {error}"),
            Self::Unwritable { kind, error } => {
                write!(f, "a {kind} record cannot be written: {error}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// A record that does not fit what the log said before it. The log is damaged, or was written by
/// something that is not Kafka: it is not loaded further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// A record about a topic that does not exist.
    UnknownTopic(TopicId),
    /// A record about a topic, by name, that does not exist.
    UnknownTopicName(String),
    /// A new topic under a name or id that is taken.
    TopicExists(String),
    /// A change to a partition that does not exist.
    UnknownPartition(TopicId, i32),
    /// A record about a broker that is not registered.
    UnknownBroker(i32),
    /// A record about another incarnation of a broker.
    StaleBrokerEpoch {
        /// The broker.
        broker_id: i32,
        /// The epoch of its registration.
        registered: i64,
        /// The epoch in the record.
        found: i64,
    },
    /// A record about a controller that is not registered.
    UnknownController(i32),
    /// A `metadata.version` outside what this program can be.
    UnsupportedMetadataVersion(i16),
    /// A field holds a number that means nothing.
    InvalidValue {
        /// Where.
        field: &'static str,
        /// What.
        value: i64,
    },
    /// A removal of an access control entry that does not exist.
    UnknownAcl(engine_base::Uuid),
    /// A transaction that begins in another, or ends without one.
    TransactionOrder(&'static str),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTopic(id) => write!(f, "no topic has the id {id}"),
            Self::UnknownTopicName(name) => write!(f, "no topic is called '{name}'"),
            Self::TopicExists(name) => write!(f, "topic '{name}' exists already"),
            Self::UnknownPartition(id, partition) => {
                write!(f, "topic {id} has no partition {partition}")
            }
            Self::UnknownBroker(id) => write!(f, "broker {id} is not registered"),
            Self::StaleBrokerEpoch {
                broker_id,
                registered,
                found,
            } => write!(
                f,
                "broker {broker_id} is registered with epoch {registered}, the record says {found}"
            ),
            Self::UnknownController(id) => write!(f, "controller {id} is not registered"),
            Self::UnsupportedMetadataVersion(level) => write!(
                f,
                "metadata.version {level} is not supported: bring the cluster to 3.3 or later, \
                 and this program to the cluster's release"
            ),
            Self::InvalidValue { field, value } => write!(f, "{value} is no value for {field}"),
            Self::UnknownAcl(id) => write!(f, "no access control entry has the id {id}"),
            Self::TransactionOrder(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ApplyError {}

/// The metadata log or a snapshot cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// A batch is cut short or its checksum is wrong.
    Batch(engine_record::BatchError),
    /// A record within a batch is broken.
    Grammar(engine_record::RecordError),
    /// A compressed batch, which no quorum writes.
    Compressed {
        /// Its first offset.
        base_offset: i64,
    },
    /// The value of a record.
    Record {
        /// Its offset.
        offset: i64,
        /// What is wrong.
        error: RecordError,
    },
    /// A record that does not fit what came before.
    Apply {
        /// Its offset.
        offset: i64,
        /// What is wrong.
        error: ApplyError,
    },
    /// A snapshot that does not begin with its header.
    NoSnapshotHeader,
    /// A snapshot that does not end with its footer: it was never finished, or was cut.
    NoSnapshotFooter,
    /// A batch that does not begin where the one before it ended.
    OffsetGap {
        /// Where it should begin.
        expected: i64,
        /// Where it begins.
        found: i64,
    },
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => write!(f, "a batch of metadata records is damaged: {error}"),
            Self::Grammar(error) => write!(f, "a metadata record is damaged: {error}"),
            Self::Compressed { base_offset } => {
                write!(
                    f,
                    "the batch of metadata records at offset {base_offset} is compressed"
                )
            }
            Self::Record { offset, error } => write!(f, "metadata offset {offset}: {error}"),
            Self::Apply { offset, error } => write!(f, "metadata offset {offset}: {error}"),
            Self::NoSnapshotHeader => f.write_str("a metadata snapshot lacks its header"),
            Self::NoSnapshotFooter => f.write_str("a metadata snapshot lacks its footer"),
            Self::OffsetGap { expected, found } => {
                write!(
                    f,
                    "a metadata batch begins at offset {found}, expected {expected}"
                )
            }
        }
    }
}

impl std::error::Error for LogError {}

/// A small text file of a log directory cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// The text is not what the format says.
    Malformed {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A format version that this program does not know.
    UnknownVersion {
        /// Which file.
        file: &'static str,
        /// The version found.
        version: i64,
    },
    /// A value is missing or is not what it should be.
    Field {
        /// Which file.
        file: &'static str,
        /// Which value.
        field: &'static str,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { file, reason } => write!(f, "{file} is malformed: {reason}"),
            Self::UnknownVersion { file, version } => {
                write!(f, "{file} has the unknown version {version}")
            }
            Self::Field { file, field } => write!(f, "{file}: '{field}' is missing or invalid"),
        }
    }
}

impl std::error::Error for FileError {}
