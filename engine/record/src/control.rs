//! Control records: transaction markers and the quorum's own records.
//!
//! A control record's key is a version and a type; its value depends on the type. Consumers
//! never see them. Written by coordinators (markers) and the quorum (leader change, snapshots,
//! voters); read by partitions on append and replay. Kafka's schemas: ControlRecordTypeSchema,
//! EndTxnMarker, LeaderChangeMessage, SnapshotHeaderRecord, SnapshotFooterRecord,
//! KRaftVersionRecord, VotersRecord (KIP-98, KIP-595, KIP-630, KIP-853).

use std::borrow::Cow;

use engine_base::{Timestamp, Uuid};
use engine_codec::{Codec, Message, Reader};

use crate::batch::BatchView;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::compress::Compression;
use crate::error::RecordError;
use crate::record::Record;

/// Kafka writes version 0 of every control record, and reads every value as version 0.
const VERSION: i16 = 0;

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const KRAFT_VOTERS: i16 = 6;

/// A control record.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRecord<'a> {
    /// The end of a transaction on this partition.
    EndTxn(EndTxnMarker),
    /// The first record of a quorum leader's epoch.
    LeaderChange(LeaderChange),
    /// The first record of a metadata snapshot.
    SnapshotHeader(SnapshotHeader),
    /// The last record of a metadata snapshot.
    SnapshotFooter(SnapshotFooter),
    /// The finalized kraft.version.
    KRaftVersion(KRaftVersion),
    /// The voters from here on.
    Voters(Voters<'a>),
    /// A type that is not known here; to be ignored.
    Unknown {
        /// The type's id.
        type_id: i16,
    },
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnOutcome {
    /// Its records are visible.
    Commit,
    /// Its records are skipped by read_committed consumers.
    Abort,
}

/// Ends a producer's transaction; producer id and epoch stand in the batch header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Commit or abort.
    pub outcome: TxnOutcome,
    /// Epoch of the transaction coordinator that wrote the marker; a lower one is a zombie.
    pub coordinator_epoch: i32,
}

#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
struct EndTxnMarkerValue {
    coordinator_epoch: i32,
}

/// A leader's first record in its epoch.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-1", flexible = "0+")]
pub struct LeaderChange {
    /// Version of the record, 0 so far.
    pub version: i16,
    /// The leader.
    pub leader_id: i32,
    /// The quorum's voters.
    pub voters: Vec<LeaderChangeVoter>,
    /// Those who voted for the leader.
    pub granting_voters: Vec<LeaderChangeVoter>,
}

/// A voter as a leader change names it.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct LeaderChangeVoter {
    /// Node id.
    pub voter_id: i32,
    /// Directory id; not in version 0, which is what Kafka writes.
    #[codec(versions = "1+", ignorable)]
    pub voter_directory_id: Uuid,
}

/// Opens a metadata snapshot.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct SnapshotHeader {
    /// Version of the record, 0 so far.
    pub version: i16,
    /// Append time of the last record that the snapshot contains.
    pub last_contained_log_timestamp: i64,
}

/// Closes a metadata snapshot.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct SnapshotFooter {
    /// Version of the record, 0 so far.
    pub version: i16,
}

/// States the finalized kraft.version.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct KRaftVersion {
    /// Version of the record, 0 so far.
    pub version: i16,
    /// 0: static voters; 1: voters in the log (KIP-853).
    pub kraft_version: i16,
}

/// States the voters from here on.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct Voters<'a> {
    /// Version of the record, 0 so far.
    pub version: i16,
    /// The voters.
    pub voters: Vec<Voter<'a>>,
}

/// One voter of the quorum.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct Voter<'a> {
    /// Node id.
    pub voter_id: i32,
    /// Which of the node's directories holds the metadata log.
    pub voter_directory_id: Uuid,
    /// Where the voter listens.
    pub endpoints: Vec<VoterEndpoint<'a>>,
    /// kraft.version levels that the voter supports.
    pub kraft_version_feature: KRaftVersionFeature,
}

/// Where a voter listens.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct VoterEndpoint<'a> {
    /// Listener name.
    pub name: Cow<'a, str>,
    /// Host name.
    pub host: Cow<'a, str>,
    /// Port.
    pub port: u16,
}

/// A range of kraft.version levels.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct KRaftVersionFeature {
    /// Lowest.
    pub min_supported_version: i16,
    /// Highest.
    pub max_supported_version: i16,
}

impl<'a> ControlRecord<'a> {
    /// Reads a record of a control batch. Newer versions of a marker are read as the newest
    /// known, and what follows the known fields is ignored, as Kafka does.
    ///
    /// # Errors
    /// [`RecordError::BadControlRecord`] when key or value is not what the type says.
    pub fn read(record: &Record<'a>) -> Result<Self, RecordError> {
        let mut key = Reader::new(record.key.ok_or(RecordError::BadControlRecord)?);
        let version = key.i16()?;
        let type_id = key.i16()?;
        if version < VERSION {
            return Err(RecordError::BadControlRecord);
        }
        let value = record.value.unwrap_or_default();
        Ok(match type_id {
            ABORT => Self::EndTxn(EndTxnMarker::read(TxnOutcome::Abort, value)?),
            COMMIT => Self::EndTxn(EndTxnMarker::read(TxnOutcome::Commit, value)?),
            LEADER_CHANGE => Self::LeaderChange(read_value(value)?),
            SNAPSHOT_HEADER => Self::SnapshotHeader(read_value(value)?),
            SNAPSHOT_FOOTER => Self::SnapshotFooter(read_value(value)?),
            KRAFT_VERSION => Self::KRaftVersion(read_value(value)?),
            KRAFT_VOTERS => Self::Voters(read_value(value)?),
            _ => Self::Unknown { type_id },
        })
    }

    /// The type's id in the key.
    #[must_use]
    pub fn type_id(&self) -> i16 {
        match self {
            Self::EndTxn(EndTxnMarker {
                outcome: TxnOutcome::Abort,
                ..
            }) => ABORT,
            Self::EndTxn(EndTxnMarker {
                outcome: TxnOutcome::Commit,
                ..
            }) => COMMIT,
            Self::LeaderChange(_) => LEADER_CHANGE,
            Self::SnapshotHeader(_) => SNAPSHOT_HEADER,
            Self::SnapshotFooter(_) => SNAPSHOT_FOOTER,
            Self::KRaftVersion(_) => KRAFT_VERSION,
            Self::Voters(_) => KRAFT_VOTERS,
            Self::Unknown { type_id } => *type_id,
        }
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> [u8; 4] {
        let [version_0, version_1] = VERSION.to_be_bytes();
        let [type_0, type_1] = self.type_id().to_be_bytes();
        [version_0, version_1, type_0, type_1]
    }

    /// The record's value. Endpoints' strings are short by construction.
    ///
    /// # Panics
    /// When a string is longer than Kafka's 32,767 bytes.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        match self {
            Self::EndTxn(marker) => {
                let coordinator_epoch = marker.coordinator_epoch;
                let mut value = VERSION.to_be_bytes().to_vec();
                value.extend(write_value(&EndTxnMarkerValue { coordinator_epoch }));
                value
            }
            Self::LeaderChange(message) => write_value(message),
            Self::SnapshotHeader(message) => write_value(message),
            Self::SnapshotFooter(message) => write_value(message),
            Self::KRaftVersion(message) => write_value(message),
            Self::Voters(message) => write_value(message),
            Self::Unknown { .. } => Vec::new(),
        }
    }

    /// A batch that holds these control records. `options` say offset, epoch and, for a marker,
    /// producer and the transactional bit; the control bit is set here, and control batches are
    /// never compressed.
    #[must_use]
    pub fn batch(records: &[Self], options: BatchOptions, timestamp: Timestamp) -> Vec<u8> {
        let options = BatchOptions {
            control: true,
            compression: Compression::None,
            ..options
        };
        let mut builder = BatchBuilder::new(options);
        for record in records {
            builder.append(timestamp, Some(&record.key()), Some(&record.value()), &[]);
        }
        builder.finish()
    }
}

impl EndTxnMarker {
    /// The marker in a control batch of a transaction; `None` for the quorum's control batches,
    /// for a type not known here, and for a batch that compaction has emptied.
    ///
    /// # Errors
    /// When the first record cannot be read.
    pub fn of(batch: &BatchView<'_>) -> Result<Option<Self>, RecordError> {
        debug_assert!(batch.header().attributes.is_control());
        let Some(first) = batch.records().next() else {
            return Ok(None);
        };
        match ControlRecord::read(&first?)? {
            ControlRecord::EndTxn(marker) => Ok(Some(marker)),
            _ => Ok(None),
        }
    }

    /// The batch that a leader appends for this marker.
    #[must_use]
    pub fn batch(
        self,
        producer_id: i64,
        producer_epoch: i16,
        options: BatchOptions,
        timestamp: Timestamp,
    ) -> Vec<u8> {
        let options = BatchOptions {
            producer_id,
            producer_epoch,
            transactional: true,
            ..options
        };
        ControlRecord::batch(&[ControlRecord::EndTxn(self)], options, timestamp)
    }

    /// Unlike the quorum's records, a marker's value begins with the version it is written in.
    fn read(outcome: TxnOutcome, value: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(value);
        if reader.i16()? < VERSION {
            return Err(RecordError::BadControlRecord);
        }
        let value: EndTxnMarkerValue = read_value(reader.rest())?;
        Ok(Self {
            outcome,
            coordinator_epoch: value.coordinator_epoch,
        })
    }
}

fn read_value<'a, M>(value: &'a [u8]) -> Result<M, RecordError>
where
    M: Message + engine_codec::Decode<'a>,
{
    M::read_from(&mut Reader::new(value), VERSION).map_err(|_| RecordError::BadControlRecord)
}

fn write_value<M: Message>(message: &M) -> Vec<u8> {
    message
        .to_bytes(VERSION)
        .expect("strings of a control record are short")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(record: &ControlRecord<'_>) -> Vec<u8> {
        let bytes = ControlRecord::batch(std::slice::from_ref(record), BatchOptions::default(), 7);
        let batch = BatchView::read(&bytes).unwrap();
        assert!(batch.header().attributes.is_control());
        let stored = batch.records().next().unwrap().unwrap();
        assert_eq!(&ControlRecord::read(&stored).unwrap(), record);
        bytes
    }

    #[test]
    fn every_type_survives_the_round_trip() {
        let voter = |voter_id| LeaderChangeVoter {
            voter_id,
            ..LeaderChangeVoter::default()
        };
        let end = |outcome| {
            ControlRecord::EndTxn(EndTxnMarker {
                outcome,
                coordinator_epoch: 3,
            })
        };
        read_back(&end(TxnOutcome::Commit));
        read_back(&end(TxnOutcome::Abort));
        read_back(&ControlRecord::LeaderChange(LeaderChange {
            version: 0,
            leader_id: 1,
            voters: vec![voter(1), voter(2)],
            granting_voters: vec![voter(1)],
        }));
        read_back(&ControlRecord::SnapshotHeader(SnapshotHeader {
            version: 0,
            last_contained_log_timestamp: 1234,
        }));
        read_back(&ControlRecord::SnapshotFooter(SnapshotFooter::default()));
        read_back(&ControlRecord::KRaftVersion(KRaftVersion {
            version: 0,
            kraft_version: 1,
        }));
        read_back(&ControlRecord::Voters(Voters {
            version: 0,
            voters: vec![Voter {
                voter_id: 1,
                voter_directory_id: Uuid([7; 16]),
                endpoints: vec![VoterEndpoint {
                    name: "CONTROLLER".into(),
                    host: "localhost".into(),
                    port: 9093,
                }],
                kraft_version_feature: KRaftVersionFeature {
                    min_supported_version: 0,
                    max_supported_version: 1,
                },
            }],
        }));
    }

    #[test]
    fn marker_bytes_are_kafkas() {
        let marker = EndTxnMarker {
            outcome: TxnOutcome::Commit,
            coordinator_epoch: 5,
        };
        let record = ControlRecord::EndTxn(marker);
        assert_eq!(record.key(), [0, 0, 0, 1]);
        assert_eq!(record.value(), [0, 0, 0, 0, 0, 5]);
        let bytes = marker.batch(9, 2, BatchOptions::default(), 100);
        let batch = BatchView::read(&bytes).unwrap();
        assert!(batch.header().attributes.is_transactional());
        assert_eq!(EndTxnMarker::of(&batch), Ok(Some(marker)));
    }

    #[test]
    fn short_keys_and_unknown_types() {
        let record = |key: &'static [u8]| Record {
            offset: 0,
            offset_delta: 0,
            timestamp: 0,
            key: Some(key),
            value: None,
            headers: crate::Headers::default(),
            size_bytes: 0,
        };
        assert!(ControlRecord::read(&record(&[0, 0, 0])).is_err());
        assert!(ControlRecord::read(&record(&[0xff, 0xff, 0, 1])).is_err());
        assert_eq!(
            ControlRecord::read(&record(&[0, 0, 0, 99])),
            Ok(ControlRecord::Unknown { type_id: 99 })
        );
    }
}
