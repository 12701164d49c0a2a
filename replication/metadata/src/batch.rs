//! Metadata records as batches of the log, and the quorum's control batches among them.
//!
//! The log of `__cluster_metadata` is an ordinary partition log: v2 batches, never compressed,
//! no producer. Who appends stamps nothing: base offset and epoch are known when a batch is made.

use std::borrow::Cow;

use engine_base::Timestamp;
use engine_codec::IntoOwned;
use engine_record::{
    BatchBuilder, BatchOptions, BatchView, ControlRecord, KRaftVersion, LeaderChange,
    LeaderChangeVoter, Voters,
};

use crate::MetadataVersion;
use crate::error::{LogError, RecordError};
use crate::limits::BATCH_SIZE_BYTES_TARGET;
use crate::record::Record;

/// Where a batch goes, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// The offset of its first record.
    pub base_offset: i64,
    /// The epoch of the leader that appends it.
    pub leader_epoch: i32,
    /// The append time, in ms since 1970.
    pub now: Timestamp,
}

impl BatchPlace {
    pub(crate) fn options(self) -> BatchOptions {
        BatchOptions {
            base_offset: self.base_offset,
            leader_epoch: self.leader_epoch,
            ..BatchOptions::default()
        }
    }
}

/// The batch that holds `records`, in order: applied together or not at all by whoever reads the
/// log.
///
/// # Errors
/// A record that has no form at `metadata_version`.
///
/// # Panics
/// Without records: there is no empty batch.
pub fn record_batch(
    records: &[Record<'_>],
    metadata_version: MetadataVersion,
    place: BatchPlace,
) -> Result<Vec<u8>, RecordError> {
    assert!(!records.is_empty());
    let mut builder = BatchBuilder::new(place.options());
    let mut value = Vec::new();
    for record in records {
        value.clear();
        record.write(&mut value, metadata_version)?;
        builder.append(place.now, None, Some(&value), &[]);
    }
    Ok(builder.finish())
}

/// The batches that hold `records` when they need not apply together: cut at
/// [`BATCH_SIZE_BYTES_TARGET`], laid end to end.
///
/// # Errors
/// A record that has no form at `metadata_version`.
pub fn record_batches(
    records: &[Record<'_>],
    metadata_version: MetadataVersion,
    place: BatchPlace,
) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::new();
    let mut builder = BatchBuilder::new(place.options());
    let mut value = Vec::new();
    for (base_offset, record) in (place.base_offset..).zip(records) {
        value.clear();
        record.write(&mut value, metadata_version)?;
        if !builder.is_empty() && builder.size_bytes() + value.len() > BATCH_SIZE_BYTES_TARGET {
            let options = BatchPlace {
                base_offset,
                ..place
            }
            .options();
            bytes.extend(std::mem::replace(&mut builder, BatchBuilder::new(options)).finish());
        }
        builder.append(place.now, None, Some(&value), &[]);
    }
    if !builder.is_empty() {
        bytes.extend(builder.finish());
    }
    Ok(bytes)
}

/// The control batch with which a leader opens its epoch: the leader change, and in a new log
/// also the kraft.version and the voters that the directory was formatted with. Returns the
/// batch and how many offsets it takes.
///
/// `leader_id` is the only one that voted: a quorum of one.
#[must_use]
pub fn leader_change_batch(
    leader_id: i32,
    bootstrap: Option<(i16, &Voters<'_>)>,
    place: BatchPlace,
) -> (Vec<u8>, i64) {
    let voter = LeaderChangeVoter {
        voter_id: leader_id,
        ..LeaderChangeVoter::default()
    };
    let mut records = vec![ControlRecord::LeaderChange(LeaderChange {
        version: 0,
        leader_id,
        voters: vec![voter.clone()],
        granting_voters: vec![voter],
    })];
    if let Some((kraft_version, voters)) = bootstrap {
        records.push(ControlRecord::KRaftVersion(KRaftVersion {
            version: 0,
            kraft_version,
        }));
        records.push(ControlRecord::Voters(voters.clone()));
    }
    let count = if bootstrap.is_some() { 3 } else { 1 };
    (
        ControlRecord::batch(&records, place.options(), place.now),
        count,
    )
}

/// What a batch of the metadata log holds, with the offset of each record.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchContents<'a> {
    /// Records about the cluster.
    Records(Vec<(i64, Record<'a>)>),
    /// Records about the quorum.
    Control(Vec<(i64, ControlRecord<'a>)>),
}

/// Reads a batch of the metadata log or of a snapshot, its checksum included.
///
/// # Errors
/// The batch is damaged, compressed (which the quorum never does), or holds a record that this
/// program does not know.
pub fn read_batch<'a>(batch: &BatchView<'a>) -> Result<BatchContents<'a>, LogError> {
    let at = |offset| move |error| LogError::Record { offset, error };
    batch.check_crc().map_err(LogError::Batch)?;
    let Ok(engine_record::Compression::None) = batch.compression() else {
        return Err(LogError::Compressed {
            base_offset: batch.header().base_offset,
        });
    };
    if batch.header().attributes.is_control() {
        let mut controls = Vec::new();
        for record in batch.records() {
            let record = record.map_err(LogError::Grammar)?;
            let control = ControlRecord::read(&record).map_err(LogError::Grammar)?;
            controls.push((record.offset, control));
        }
        return Ok(BatchContents::Control(controls));
    }
    let mut records = Vec::new();
    for record in batch.records() {
        let record = record.map_err(LogError::Grammar)?;
        let value = record.value.unwrap_or_default();
        records.push((
            record.offset,
            Record::read(value).map_err(at(record.offset))?,
        ));
    }
    Ok(BatchContents::Records(records))
}

/// Voters that outlive the bytes they were read from.
pub(crate) fn own_voters(voters: Voters<'_>) -> Voters<'static> {
    voters.into_owned()
}

/// A voter set of one, as a standalone node is formatted with.
#[must_use]
pub fn standalone_voters<'a>(
    node_id: i32,
    directory_id: engine_base::Uuid,
    (listener, host, port): (&'a str, &'a str, u16),
) -> Voters<'a> {
    Voters {
        version: 0,
        voters: vec![engine_record::Voter {
            voter_id: node_id,
            voter_directory_id: directory_id,
            endpoints: vec![engine_record::VoterEndpoint {
                name: Cow::Borrowed(listener),
                host: Cow::Borrowed(host),
                port,
            }],
            kraft_version_feature: engine_record::KRaftVersionFeature {
                min_supported_version: 0,
                max_supported_version: 1,
            },
        }],
    }
}
