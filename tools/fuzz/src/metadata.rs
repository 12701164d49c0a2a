//! The metadata log: records, batches, snapshots, and the two text files beside it.
//!
//! ```text
//! input: selector u8 | bytes
//!   0  metadata records, each a piece: decoded, encoded, applied to an image
//!   1  batches of the metadata log, checksums set right, followed by a loader
//!   2  a snapshot file, checksums set right
//!   3  meta.properties        4  quorum-state        5  a snapshot's file name
//! ```
//! Proved: nothing panics; a record that is read and written again means the same; an image that
//! records have built can be written as a snapshot, and that snapshot builds the same image; what
//! the text files say survives being written.

use engine_record::{BatchBuilder, BatchOptions, Batches};
use replication_metadata::image::Provenance;
use replication_metadata::record::FeatureLevel;
use replication_metadata::{
    MetaProperties, MetadataDelta, MetadataImage, MetadataLoader, MetadataVersion, QuorumRecords,
    QuorumState, Record, Snapshot, SnapshotId, format, image_records,
};

use crate::input::{Input, put_piece};
use crate::record::repair;

const NOW: i64 = 1_700_000_000_000;

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() % 6 {
        0 => check_records(&mut input),
        1 => check_log(input.rest()),
        2 => check_snapshot(input.rest()),
        3 => check_meta_properties(&String::from_utf8_lossy(input.rest())),
        4 => check_quorum_state(&String::from_utf8_lossy(input.rest())),
        _ => check_file_name(&String::from_utf8_lossy(input.rest())),
    }
}

/// Applies every record that fits; those that do not are refused and change nothing, because a
/// refused delta is dropped.
fn check_records(input: &mut Input<'_>) {
    let mut image = MetadataImage::default();
    while !input.is_empty() {
        let Ok(record) = Record::read(input.piece()) else {
            continue;
        };
        check_record(&record);
        let mut delta = MetadataDelta::new(&image);
        if delta.apply(&record).is_ok() {
            let provenance = image.provenance();
            let (next, _) = delta.finish(Provenance {
                offset: provenance.offset + 1,
                epoch: 1,
                timestamp: NOW,
            });
            image = next;
        }
    }
    check_image(&image);
}

/// Written in the newest version a record keeps all that it says, and that is a fixed point.
fn check_record(record: &Record<'_>) {
    let Ok(bytes) = record.to_bytes(MetadataVersion::MAX) else {
        return;
    };
    let again = Record::read(&bytes).expect("what we wrote is readable");
    assert_eq!(again.key(), record.key());
    assert_eq!(again.to_bytes(MetadataVersion::MAX).ok(), Some(bytes));
}

/// An image goes through its snapshot unchanged.
fn check_image(image: &MetadataImage) {
    let Some(metadata_version) = image.features().metadata_version() else {
        return;
    };
    if metadata_version != MetadataVersion::MAX {
        return; // older levels have no place for some of what newer records said
    }
    let id = SnapshotId {
        end_offset: image.provenance().offset + 1,
        epoch: image.provenance().epoch,
    };
    let snapshot = Snapshot {
        last_contained_log_timestamp: image.provenance().timestamp,
        kraft_version: 0,
        voters: None,
        records: image_records(image).collect(),
    };
    // A string that grew when it was repaired may be too long to be written again.
    let Ok(bytes) = snapshot.to_bytes(id, metadata_version, NOW) else {
        return;
    };
    let again = Snapshot::read(&bytes).expect("our snapshot is readable");
    let rebuilt = again.to_image(id).expect("our snapshot builds an image");
    let second = Snapshot {
        records: image_records(&rebuilt).collect(),
        ..snapshot
    };
    // Bytes, because a quota may be no number.
    assert_eq!(second.to_bytes(id, metadata_version, NOW).ok(), Some(bytes));
}

fn check_log(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    let mut loader = MetadataLoader::new(MetadataImage::default(), QuorumRecords::default());
    for batch in Batches::new(&bytes) {
        let Ok(batch) = batch else { break };
        if loader.apply_batch(&batch).is_err() {
            return;
        }
        let _ = loader.publish();
    }
    check_image(loader.published());
}

fn check_snapshot(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    let Ok(snapshot) = Snapshot::read(&bytes) else {
        return;
    };
    let id = SnapshotId {
        end_offset: 1000,
        epoch: 3,
    };
    if let Ok(image) = snapshot.to_image(id) {
        check_image(&image);
    }
}

fn check_meta_properties(text: &str) {
    if let Ok(properties) = MetaProperties::read(text) {
        let again = MetaProperties::read(&properties.to_text(NOW));
        assert_eq!(again, Ok(properties));
    }
}

fn check_quorum_state(text: &str) {
    if let Ok(state) = QuorumState::read(text) {
        assert_eq!(QuorumState::read(&state.to_text()), Ok(state));
    }
}

fn check_file_name(name: &str) {
    if let Some(id) = SnapshotId::from_file_name(name) {
        assert_eq!(SnapshotId::from_file_name(&id.file_name()), Some(id));
    }
}

/// Bootstrap records and a few of each kind, alone and in batches, a snapshot, the text files.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut put = |selector: u8, bytes: &[u8]| seeds.push([&[selector][..], bytes].concat());
    let records = some_records();
    let values: Vec<Vec<u8>> = records
        .iter()
        .map(|record| record.to_bytes(MetadataVersion::MAX).expect("lawful"))
        .collect();
    let mut pieces = Vec::new();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in &values {
        let mut alone = Vec::new();
        put_piece(&mut alone, value);
        put(0, &alone);
        pieces.extend(alone);
        builder.append(NOW, None, Some(value), &[]);
    }
    put(0, &pieces);
    put(1, &builder.finish());
    for file in standalone_files() {
        match file.path.as_str() {
            "meta.properties" => put(3, &file.bytes),
            _ => {
                put(2, &file.bytes);
                put(1, &file.bytes);
            }
        }
    }
    put(4, QuorumState::leader(1, 3).to_text().as_bytes());
    put(4, br#"{"clusterId":"","leaderId":2,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#);
    put(5, SnapshotId::BOOTSTRAP.file_name().as_bytes());
    seeds
}

fn standalone_files() -> Vec<format::FormattedFile> {
    let node = format::Standalone {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg",
        node_id: 1,
        directory_id: engine_base::Uuid([3; 16]),
        controller_listener: ("CONTROLLER", "localhost", 9093),
        metadata_version: MetadataVersion::MAX,
    };
    format::standalone(&node, NOW).expect("the names are short")
}

/// Every kind that builds on others, in an order in which they fit.
fn some_records() -> Vec<Record<'static>> {
    use replication_metadata::record as r;
    let topic_id = engine_base::Uuid([9; 16]);
    let mut records = format::bootstrap_records(MetadataVersion::MAX);
    records.push(
        FeatureLevel {
            name: "kraft.version".into(),
            feature_level: 1,
        }
        .into(),
    );
    records.extend([
        r::RegisterBroker {
            broker_id: 1,
            broker_epoch: 5,
            ..Default::default()
        }
        .into(),
        r::UnfenceBroker { id: 1, epoch: 5 }.into(),
        r::BrokerRegistrationChange {
            broker_id: 1,
            broker_epoch: 5,
            fenced: -1,
            ..Default::default()
        }
        .into(),
        r::Topic {
            name: "t".into(),
            topic_id,
        }
        .into(),
        r::Partition {
            topic_id,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            directories: vec![engine_base::Uuid([3; 16])],
            ..Default::default()
        }
        .into(),
        r::PartitionChange {
            topic_id,
            leader: 1,
            ..Default::default()
        }
        .into(),
        r::Config {
            resource_type: 2,
            resource_name: "t".into(),
            name: "retention.ms".into(),
            value: Some("5".into()),
        }
        .into(),
        r::ProducerIds {
            broker_id: 1,
            broker_epoch: 5,
            next_producer_id: 1000,
        }
        .into(),
        r::BeginTransaction::default().into(),
        r::NoOp {}.into(),
        r::EndTransaction {}.into(),
        r::ClientQuota::default().into(),
        r::AccessControlEntry::default().into(),
        r::UserScramCredential::default().into(),
        r::DelegationToken::default().into(),
        r::RegisterController::default().into(),
        r::ClearElr::default().into(),
        r::FenceBroker { id: 1, epoch: 5 }.into(),
        r::RemoveTopic { topic_id }.into(),
    ]);
    records
}
