//! The bytes of a snapshot, a batch at a time.
//!
//! Whoever writes the file does other work between two batches: each is bounded in size, and
//! records are made only when their batch is.

use engine_base::Timestamp;
use engine_record::{
    BatchBuilder, ControlRecord, KRaftVersion, SnapshotFooter, SnapshotHeader, Voters,
};

use crate::MetadataVersion;
use crate::batch::BatchPlace;
use crate::error::RecordError;
use crate::limits::SNAPSHOT_BATCH_SIZE_BYTES_TARGET;
use crate::record::Record;
use crate::snapshot::SnapshotId;

/// What a snapshot says besides the image's records.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotHead<'a> {
    /// Which offsets it stands for.
    pub id: SnapshotId,
    /// Append time of the last record contained.
    pub last_contained_log_timestamp: Timestamp,
    /// The quorum's kraft.version.
    pub kraft_version: i16,
    /// The voters; `None` while they are static configuration (kraft.version 0).
    pub voters: Option<Voters<'a>>,
}

impl SnapshotHead<'_> {
    fn records(&self) -> Vec<ControlRecord<'_>> {
        let mut records = vec![ControlRecord::SnapshotHeader(SnapshotHeader {
            version: 0,
            last_contained_log_timestamp: self.last_contained_log_timestamp,
        })];
        if self.kraft_version > 0 {
            records.push(ControlRecord::KRaftVersion(KRaftVersion {
                version: 0,
                kraft_version: self.kraft_version,
            }));
            records.extend(self.voters.clone().map(ControlRecord::Voters));
        }
        records
    }
}

/// See the module.
#[derive(Debug)]
pub struct SnapshotWriter<'a, R> {
    head: SnapshotHead<'a>,
    records: R,
    metadata_version: MetadataVersion,
    /// Of the next batch.
    place: BatchPlace,
    next: Part,
    /// The record that did not fit the batch before; empty when there is none: no record is.
    held: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Records,
    End,
}

impl<'a, R: Iterator<Item = Record<'a>>> SnapshotWriter<'a, R> {
    /// A snapshot of these records. `now` is the time of its batches.
    pub fn new(
        head: SnapshotHead<'a>,
        records: R,
        metadata_version: MetadataVersion,
        now: Timestamp,
    ) -> Self {
        let place = BatchPlace {
            base_offset: 0,
            leader_epoch: head.id.epoch,
            now,
        };
        Self {
            head,
            records,
            metadata_version,
            place,
            next: Part::Head,
            held: Vec::new(),
        }
    }

    /// The next batch; `None` behind the last one.
    ///
    /// # Errors
    /// A record that has no form at the `metadata.version`. The file must then be dropped.
    pub fn next_batch(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        match self.next {
            Part::Head => {
                self.next = Part::Records;
                let records = self.head.records();
                Ok(Some(control_batch(&mut self.place, &records)))
            }
            Part::Records => match self.record_batch()? {
                Some(batch) => Ok(Some(batch)),
                None => {
                    self.next = Part::End;
                    let footer = ControlRecord::SnapshotFooter(SnapshotFooter { version: 0 });
                    Ok(Some(control_batch(&mut self.place, &[footer])))
                }
            },
            Part::End => Ok(None),
        }
    }

    fn record_batch(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        let mut builder = BatchBuilder::new(self.place.options());
        loop {
            if self.held.is_empty() {
                let Some(record) = self.records.next() else {
                    break;
                };
                record.write(&mut self.held, self.metadata_version)?;
            }
            let size_bytes = builder.size_bytes() + self.held.len();
            if !builder.is_empty() && size_bytes > SNAPSHOT_BATCH_SIZE_BYTES_TARGET {
                break;
            }
            builder.append(self.place.now, None, Some(&self.held), &[]);
            self.place.base_offset += 1;
            self.held.clear();
        }
        Ok((!builder.is_empty()).then(|| builder.finish()))
    }
}

fn control_batch(place: &mut BatchPlace, records: &[ControlRecord<'_>]) -> Vec<u8> {
    let batch = ControlRecord::batch(records, place.options(), place.now);
    place.base_offset += i64::try_from(records.len()).expect("a batch is counted by 32 bits");
    batch
}
