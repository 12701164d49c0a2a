//! The records of `__consumer_offsets`, byte for byte Kafka's.
//!
//! ```text
//!   key:   record type (i16) │ fields, never flexible
//!   value: version (i16)     │ fields          no value: tombstone
//! ```
//!
//! Read are all versions that any Kafka has written; written are the versions that 4.4 writes.

#[allow(clippy::double_comparisons)] // the derive compares with both ends of a range
mod schema;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use engine_base::{Timestamp, TopicId};
use engine_codec::{DecodeError, Message, Reader};
use replication_coordinator::KeyValue;

/// A record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An offset, or the end of one.
    OffsetCommit {
        /// Whose, and of which partition.
        key: OffsetKey,
        /// None: a tombstone.
        value: Option<CommittedOffset>,
    },
    /// A classic group's generation, or the end of the group.
    GroupMetadata {
        /// The group.
        group_id: Arc<str>,
        /// None: a tombstone.
        value: Option<GroupMetadata>,
    },
    /// A group of another protocol exists, or is gone. Never written here.
    ForeignGroup {
        /// The group.
        group_id: Arc<str>,
        /// Which protocol.
        group_type: ForeignType,
        /// Whether the record is a tombstone.
        is_tombstone: bool,
    },
}

/// A group's offset of one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetKey {
    /// The group.
    pub group_id: Arc<str>,
    /// The topic, by name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to consume.
    pub offset: i64,
    /// Leader epoch of the last consumed record.
    pub leader_epoch: Option<i32>,
    /// What the client left there; may be empty.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it ends, where the client has said so (OffsetCommit v2 to v4).
    pub expire_timestamp: Option<Timestamp>,
    /// The topic's incarnation; zero in records from before 4.1.
    pub topic_id: TopicId,
}

/// What the log keeps of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// Empty for a group that nobody has joined.
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation_id: i32,
    /// The chosen protocol; none without members.
    pub protocol_name: Option<Arc<str>>,
    /// Member id of the leader; none without members.
    pub leader_id: Option<Arc<str>>,
    /// When the group came to its state; none in records of versions 0 and 1.
    pub state_timestamp: Option<Timestamp>,
    /// The members, with their assignments.
    pub members: Vec<MemberMetadata>,
}

/// One member of a [`GroupMetadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Member id.
    pub member_id: Arc<str>,
    /// Of a static member.
    pub instance_id: Option<Arc<str>>,
    /// From its JoinGroup.
    pub client_id: Arc<str>,
    /// From its JoinGroup.
    pub client_host: Arc<str>,
    /// Milliseconds. The session timeout where an old record does not say.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Its metadata under the chosen protocol.
    pub subscription: Arc<[u8]>,
    /// What the leader gave it.
    pub assignment: Arc<[u8]>,
}

/// The protocols of groups that share the topic with classic ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignType {
    /// KIP-848.
    Consumer,
    /// KIP-932.
    Share,
    /// KIP-1071.
    Streams,
}

impl ForeignType {
    /// Kafka's name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Share => "share",
            Self::Streams => "streams",
        }
    }
}

/// What the bytes of a record turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// One of ours.
    Record(Record),
    /// A detail of a group of another protocol (its members, targets, assignments).
    Foreign,
    /// A type that Kafka 4.4 does not know.
    Unknown {
        /// The type.
        record_type: i16,
    },
}

/// The bytes are no record of the type they claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The type, where it could be read.
    pub record_type: Option<i16>,
    /// What is wrong.
    pub reason: DecodeError,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record_type {
            Some(record_type) => write!(f, "record of type {record_type}: {}", self.reason),
            None => write!(f, "record without a type: {}", self.reason),
        }
    }
}

impl std::error::Error for RecordError {}

const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
const CONSUMER_GROUP_METADATA: i16 = 3;
const SHARE_GROUP_METADATA: i16 = 11;
const STREAMS_GROUP_METADATA: i16 = 17;
/// The last type that 4.4 knows; 9 and 18 were never used.
const LAST_TYPE: i16 = 23;

/// Kafka writes groups in this version still: version 4 is for a reader of a later one.
const GROUP_METADATA_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The only version with an expiry of its own.
const OFFSET_COMMIT_EXPIRING_VERSION: i16 = 1;

impl Record {
    /// The record's bytes.
    ///
    /// # Panics
    /// When a string is longer than a record can hold: requests with such strings are refused
    /// at the door.
    #[must_use]
    pub fn encode(&self) -> KeyValue {
        match self {
            Self::OffsetCommit { key, value } => KeyValue {
                key: encode(OFFSET_COMMIT, &schema::OffsetCommitKey::of(key), 0),
                value: value.as_ref().map(|value| {
                    let version = match value.expire_timestamp {
                        Some(_) => OFFSET_COMMIT_EXPIRING_VERSION,
                        None => OFFSET_COMMIT_VERSION,
                    };
                    encode(version, &schema::OffsetCommitValue::of(value), version)
                }),
            },
            Self::GroupMetadata { group_id, value } => KeyValue {
                key: encode(GROUP_METADATA, &schema::GroupKey::of(group_id), 0),
                value: value.as_ref().map(|value| {
                    let version = GROUP_METADATA_VERSION;
                    encode(version, &schema::GroupMetadataValue::of(value), version)
                }),
            },
            Self::ForeignGroup { .. } => {
                unreachable!("records of other protocols are read, never written")
            }
        }
    }

    /// The record of these bytes.
    ///
    /// # Errors
    /// When they are not what their type or version says.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Read, RecordError> {
        let mut reader = Reader::new(key);
        let record_type = reader.i16().map_err(|reason| RecordError {
            record_type: None,
            reason,
        })?;
        decode_typed(record_type, &mut reader, value).map_err(|reason| RecordError {
            record_type: Some(record_type),
            reason,
        })
    }
}

fn decode_typed(
    record_type: i16,
    key: &mut Reader<'_>,
    value: Option<&[u8]>,
) -> Result<Read, DecodeError> {
    let record = match record_type {
        LEGACY_OFFSET_COMMIT | OFFSET_COMMIT => Record::OffsetCommit {
            key: read_key::<schema::OffsetCommitKey<'_>>(key)?.into_key(),
            value: value
                .map(|value| read_offset(record_type, value))
                .transpose()?,
        },
        GROUP_METADATA => Record::GroupMetadata {
            group_id: Arc::from(read_key::<schema::GroupKey<'_>>(key)?.group),
            value: value
                .map(|value| {
                    let (value, version) = split_version(value)?;
                    Ok(schema::GroupMetadataValue::read(value, version)?.into_metadata())
                })
                .transpose()?,
        },
        CONSUMER_GROUP_METADATA | SHARE_GROUP_METADATA | STREAMS_GROUP_METADATA => {
            Record::ForeignGroup {
                group_id: Arc::from(read_key::<schema::GroupKey<'_>>(key)?.group),
                group_type: match record_type {
                    CONSUMER_GROUP_METADATA => ForeignType::Consumer,
                    SHARE_GROUP_METADATA => ForeignType::Share,
                    _ => ForeignType::Streams,
                },
                is_tombstone: value.is_none(),
            }
        }
        0..=LAST_TYPE if record_type != 9 && record_type != 18 => return Ok(Read::Foreign),
        _ => return Ok(Read::Unknown { record_type }),
    };
    Ok(Read::Record(record))
}

fn read_offset(record_type: i16, value: &[u8]) -> Result<CommittedOffset, DecodeError> {
    let (value, version) = split_version(value)?;
    if record_type == LEGACY_OFFSET_COMMIT {
        return Ok(schema::LegacyOffsetCommitValue::read(value, version)?.into_offset());
    }
    Ok(schema::OffsetCommitValue::read(value, version)?.into_offset())
}

/// Keys have one version, and say nothing of it.
fn read_key<'a, K: Message + engine_codec::Decode<'a>>(
    reader: &mut Reader<'a>,
) -> Result<K, DecodeError> {
    let key = K::read_from(reader, 0)?;
    reader.finish()?;
    Ok(key)
}

fn split_version(value: &[u8]) -> Result<(&[u8], i16), DecodeError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    Ok((reader.rest(), version))
}

/// Two bytes, then the message.
fn encode(prefix: i16, message: &impl Message, version: i16) -> Vec<u8> {
    let mut bytes = prefix.to_be_bytes().to_vec();
    message
        .write(&mut bytes, version)
        .expect("strings that a record cannot hold are refused at the door");
    bytes
}

fn shared(text: Option<Cow<'_, str>>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

#[cfg(test)]
mod tests;
