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

use engine_base::Timestamp;
use engine_record::{Batches, ControlRecord, KRaftVersion, SnapshotFooter, SnapshotHeader, Voters};

use crate::MetadataVersion;
use crate::batch::{BatchContents, BatchPlace, own_voters, read_batch, record_batches};
use crate::delta::MetadataDelta;
use crate::error::{LogError, RecordError};
use crate::image::{MetadataImage, Provenance, TopicImage};
use crate::record::{ClientQuota, Config, FeatureLevel, ProducerIds, QuotaEntity, Record, Topic};

/// Which log offsets a snapshot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The offset after the last one contained.
    pub end_offset: i64,
    /// The epoch of the last record contained.
    pub epoch: i32,
}

impl SnapshotId {
    /// What a directory is formatted with: contains no offset of the log.
    pub const BOOTSTRAP: Self = Self {
        end_offset: 0,
        epoch: 0,
    };

    /// The file's name.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }

    /// The id in a file's name; `None` for any other name, an unfinished `.part` included.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (end_offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        if end_offset.len() != 20 || epoch.len() != 10 {
            return None;
        }
        Some(Self {
            end_offset: end_offset.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })
    }
}

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
        let mut place = BatchPlace {
            base_offset: 0,
            leader_epoch: id.epoch,
            now,
        };
        let mut head = vec![ControlRecord::SnapshotHeader(SnapshotHeader {
            version: 0,
            last_contained_log_timestamp: self.last_contained_log_timestamp,
        })];
        if self.kraft_version > 0 {
            let kraft_version = self.kraft_version;
            head.push(ControlRecord::KRaftVersion(KRaftVersion {
                version: 0,
                kraft_version,
            }));
            head.extend(self.voters.clone().map(ControlRecord::Voters));
        }
        let mut bytes = ControlRecord::batch(&head, place.options(), now);
        place.base_offset += count(&head);
        bytes.extend(record_batches(&self.records, metadata_version, place)?);
        place.base_offset += count(&self.records);
        let footer = ControlRecord::SnapshotFooter(SnapshotFooter { version: 0 });
        bytes.extend(ControlRecord::batch(&[footer], place.options(), now));
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

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).expect("what lies in memory is counted by 63 bits")
}
/// The records of an image, in the order of Kafka's own snapshots: `metadata.version` first, so
/// that a reader knows whether it may go on; nodes, topics, configuration, and the rest.
///
/// The image must have been bootstrapped: without a `metadata.version` there are no records.
#[must_use]
pub fn image_records(image: &MetadataImage) -> Vec<Record<'static>> {
    let Some(metadata_version) = image.features().metadata_version() else {
        return Vec::new();
    };
    let mut records = Vec::new();
    features(image, metadata_version, &mut records);
    for broker in image.cluster().brokers() {
        records.push(broker.to_record().into());
    }
    for controller in image.cluster().controllers() {
        records.push(controller.to_record().into());
    }
    for topic in image.topics().iter() {
        self::topic(topic, &mut records);
    }
    configs(image, &mut records);
    quotas(image, &mut records);
    if let Some(next_producer_id) = image.next_producer_id() {
        // Who took the last block is not part of the image.
        records.push(
            ProducerIds {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id,
            }
            .into(),
        );
    }
    let security = image.security();
    records.extend(security.acls.values().cloned().map(Record::from));
    records.extend(security.scram.values().cloned().map(Record::from));
    records.extend(security.tokens.values().cloned().map(Record::from));
    records
}

fn features(
    image: &MetadataImage,
    metadata_version: MetadataVersion,
    records: &mut Vec<Record<'static>>,
) {
    let record = |name: &str, feature_level| {
        Record::from(FeatureLevel {
            name: name.to_owned().into(),
            feature_level,
        })
    };
    records.push(record(
        MetadataVersion::FEATURE_NAME,
        metadata_version.level(),
    ));
    records.extend(
        image
            .features()
            .levels()
            .map(|(name, level)| record(name, level)),
    );
}

fn topic(topic: &TopicImage, records: &mut Vec<Record<'static>>) {
    let name = topic.name.to_string().into();
    records.push(
        Topic {
            name,
            topic_id: topic.id,
        }
        .into(),
    );
    records.extend(
        topic
            .partitions
            .iter()
            .map(|partition| partition.to_record(topic.id).into()),
    );
}

fn configs(image: &MetadataImage, records: &mut Vec<Record<'static>>) {
    for (resource, values) in image.configs().iter() {
        records.extend(values.iter().map(|(name, value)| {
            Record::from(Config {
                resource_type: resource.kind.id(),
                resource_name: resource.name.clone().into(),
                name: name.clone().into(),
                value: Some(value.clone().into()),
            })
        }));
    }
}

fn quotas(image: &MetadataImage, records: &mut Vec<Record<'static>>) {
    for (entity, quotas) in &image.security().quotas {
        let entity: Vec<QuotaEntity<'static>> = entity
            .iter()
            .map(|(entity_type, entity_name)| QuotaEntity {
                entity_type: entity_type.clone().into(),
                entity_name: entity_name.clone().map(Into::into),
            })
            .collect();
        records.extend(quotas.iter().map(|(key, &value)| {
            let (entity, key) = (entity.clone(), key.clone().into());
            Record::from(ClientQuota {
                entity,
                key,
                value,
                remove: false,
            })
        }));
    }
}
