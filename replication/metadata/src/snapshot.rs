//! Snapshots: an image as records, and both as the bytes of a `.checkpoint` file.
//!
//! ```text
//!  control batch: snapshot header, kraft.version, voters (the latter two from level 1 on)
//!  batches of metadata records
//!  control batch: snapshot footer
//! ```
//! Offsets within the file count from zero; the file's name says which log offsets it stands for
//! (`<end offset>-<epoch>.checkpoint`), and its epoch is that of every batch. A file without its
//! footer was never finished.

mod id;
mod records;
mod retention;
mod schedule;
mod writer;

use engine_base::Timestamp;
use engine_record::{Batches, ControlRecord, Voters};

use crate::MetadataVersion;
use crate::batch::{BatchContents, own_voters, read_batch};
use crate::delta::MetadataDelta;
use crate::error::{LogError, RecordError};
use crate::image::{MetadataImage, Provenance};
use crate::record::Record;

pub use id::{SnapshotFileKind, SnapshotId};
pub use records::image_records;
pub use retention::{SnapshotFile, SnapshotRetention, SnapshotRetentionReason};
pub use schedule::{SnapshotReason, SnapshotSchedule};
pub use writer::{SnapshotHead, SnapshotWriter};

/// What a snapshot says, read or to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<'a> {
    /// Append time of the last record contained.
    pub last_contained_log_timestamp: Timestamp,
    /// The quorum's kraft.version.
    pub kraft_version: i16,
    /// The voters; `None` while they are static configuration (kraft.version 0).
    pub voters: Option<Voters<'static>>,
    /// The records of the image.
    pub records: Vec<Record<'a>>,
}

impl<'a> Snapshot<'a> {
    /// The bytes of the file.
    ///
    /// # Errors
    /// A record that has no form at `metadata_version`.
    pub fn to_bytes(
        &self,
        id: SnapshotId,
        metadata_version: MetadataVersion,
        now: Timestamp,
    ) -> Result<Vec<u8>, RecordError> {
        let head = SnapshotHead {
            id,
            last_contained_log_timestamp: self.last_contained_log_timestamp,
            kraft_version: self.kraft_version,
            voters: self.voters.clone(),
        };
        let records = self.records.iter().cloned();
        let mut writer = SnapshotWriter::new(head, records, metadata_version, now);
        let mut bytes = Vec::new();
        while let Some(batch) = writer.next_batch()? {
            bytes.extend(batch);
        }
        Ok(bytes)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// Anything but a finished, undamaged snapshot of records this program knows.
    pub fn read(bytes: &'a [u8]) -> Result<Self, LogError> {
        let mut snapshot = Self {
            last_contained_log_timestamp: -1,
            kraft_version: 0,
            voters: None,
            records: Vec::new(),
        };
        let (mut header, mut footer, mut next_offset) = (false, false, 0);
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(LogError::Batch)?;
            if footer {
                return Err(LogError::NoSnapshotFooter); // something follows it
            }
            let found = batch.header().base_offset;
            if found != next_offset {
                return Err(LogError::OffsetGap {
                    expected: next_offset,
                    found,
                });
            }
            next_offset += i64::from(batch.header().last_offset_delta) + 1;
            match read_batch(&batch)? {
                BatchContents::Records(records) if header => {
                    snapshot
                        .records
                        .extend(records.into_iter().map(|(_, record)| record));
                }
                BatchContents::Records(_) => return Err(LogError::NoSnapshotHeader),
                BatchContents::Control(controls) => {
                    for (_, control) in controls {
                        header |= matches!(control, ControlRecord::SnapshotHeader(_));
                        footer |= matches!(control, ControlRecord::SnapshotFooter(_));
                        snapshot.control(control);
                    }
                }
            }
        }
        match (header, footer) {
            (false, _) => Err(LogError::NoSnapshotHeader),
            (true, false) => Err(LogError::NoSnapshotFooter),
            (true, true) => Ok(snapshot),
        }
    }

    fn control(&mut self, control: ControlRecord<'_>) {
        match control {
            ControlRecord::SnapshotHeader(header) => {
                self.last_contained_log_timestamp = header.last_contained_log_timestamp;
            }
            ControlRecord::KRaftVersion(record) => self.kraft_version = record.kraft_version,
            ControlRecord::Voters(voters) => self.voters = Some(own_voters(voters)),
            _ => {} // the footer says nothing; types to come are for who knows them
        }
    }

    /// The image these records build.
    ///
    /// # Errors
    /// Records that contradict one another.
    pub fn to_image(&self, id: SnapshotId) -> Result<MetadataImage, LogError> {
        let mut delta = MetadataDelta::new(&MetadataImage::default());
        for (offset, record) in (0..).zip(&self.records) {
            delta
                .apply(record)
                .map_err(|error| LogError::Apply { offset, error })?;
        }
        let timestamp = self.last_contained_log_timestamp;
        let offset = id.end_offset - 1;
        Ok(delta
            .finish(Provenance {
                offset,
                epoch: id.epoch,
                timestamp,
            })
            .0)
    }
}
