//! What Apache Kafka 4.4.0 wrote, read by us; what we write, compared with it.
//!
//! `standalone.checkpoint` is what its storage tool formats with; `first_start.log` the beginning
//! of the log of its first start; `restarts.log` a log with topics, configuration, credentials, a
//! clean restart and one after kill -9.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeSet;

use engine_record::{Batches, ControlRecord};
use replication_metadata::batch::{
    BatchContents, BatchPlace, leader_change_batch, read_batch, record_batch, standalone_voters,
};
use replication_metadata::format::{Standalone, bootstrap_records, standalone};
use replication_metadata::image::LeaderRecoveryState;
use replication_metadata::record::{BeginTransaction, Config, EndTransaction};
use replication_metadata::{
    LogError, MetadataImage, MetadataLoader, MetadataVersion, Record, Snapshot, SnapshotId,
    image_records,
};

const CHECKPOINT: &[u8] = include_bytes!("../testdata/standalone.checkpoint");
const GENERATED: &[u8] = include_bytes!("../testdata/generated.checkpoint");
const FIRST_START: &[u8] = include_bytes!("../testdata/first_start.log");
const RESTARTS: &[u8] = include_bytes!("../testdata/restarts.log");
const RESTARTS_IMAGE: &str = include_str!("../testdata/restarts.image.txt");

fn load(log: &[u8]) -> MetadataLoader {
    let mut loader = MetadataLoader::new(MetadataImage::default(), Default::default());
    for batch in Batches::new(log) {
        loader.apply_batch(&batch.unwrap()).unwrap();
    }
    loader
}

/// Kafka takes the time of each batch as it is made; ours have one. Both clocks are blanked, and
/// with them the checksums.
fn without_times(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let length = i32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        bytes[at + 17..at + 21].fill(0); // checksum
        bytes[at + 27..at + 43].fill(0); // base and largest timestamp
        at += 12 + usize::try_from(length).unwrap();
    }
    bytes
}

/// A record's bytes, with the features of a node in order: Kafka writes them in that of a hash map.
fn normalized(mut record: Record<'_>) -> Vec<u8> {
    match &mut record {
        Record::RegisterBroker(broker) => broker.features.sort_by(|a, b| a.name.cmp(&b.name)),
        Record::RegisterController(node) => node.features.sort_by(|a, b| a.name.cmp(&b.name)),
        _ => {}
    }
    record.to_bytes(MetadataVersion::MAX).unwrap()
}

#[test]
fn a_formatted_directory_is_kafkas() {
    let snapshot = Snapshot::read(CHECKPOINT).unwrap();
    let voters = snapshot.voters.clone().unwrap();
    let node = Standalone {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg",
        node_id: 1,
        directory_id: voters.voters[0].voter_directory_id,
        controller_listener: ("CONTROLLER", "localhost", 19093),
        metadata_version: MetadataVersion::MAX,
    };
    let files = standalone(&node, snapshot.last_contained_log_timestamp).unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    let name = "__cluster_metadata-0/00000000000000000000-0000000000.checkpoint";
    assert_eq!(paths, [name, "meta.properties"]);
    assert_eq!(without_times(&files[0].bytes), without_times(CHECKPOINT));
    assert_eq!(Snapshot::read(&files[0].bytes).unwrap(), snapshot);
}

/// Topics, some of them deleted again, configuration, a quota and a credential.
#[test]
fn a_running_kafkas_snapshot_is_ours_but_for_the_order_of_hash_maps() {
    let id = SnapshotId {
        end_offset: 951,
        epoch: 1,
    };
    let theirs = Snapshot::read(GENERATED).unwrap();
    let image = theirs.to_image(id).unwrap();
    let ours = Snapshot {
        records: image_records(&image).collect(),
        ..theirs.clone()
    };
    let bytes = ours.to_bytes(id, MetadataVersion::MAX, 0).unwrap();
    let batches = |bytes| -> Vec<_> { Batches::new(bytes).map(Result::unwrap).collect() };
    let pairs: Vec<_> = batches(GENERATED)
        .into_iter()
        .zip(batches(&bytes))
        .collect();
    assert_eq!((pairs.len(), bytes.len()), (3, GENERATED.len()));
    for (theirs, ours) in [&pairs[0], &pairs[2]] {
        assert_eq!(without_times(ours.bytes()), without_times(theirs.bytes()));
    }
    let (theirs_header, ours_header) = (pairs[1].0.header(), pairs[1].1.header());
    assert_eq!(
        ours_header.last_offset_delta,
        theirs_header.last_offset_delta
    );
    assert_eq!(ours_header.attributes, theirs_header.attributes);
    let kinds = |snapshot: &Snapshot<'_>| -> Vec<i16> {
        snapshot.records.iter().map(Record::key).collect()
    };
    let mut in_order = kinds(&theirs);
    in_order.dedup();
    let mut ours_in_order = kinds(&ours);
    ours_in_order.dedup();
    // A topic's partitions follow it, in both.
    assert_eq!(ours_in_order, in_order);
    let set = |records: Vec<Record<'_>>| -> BTreeSet<Vec<u8>> {
        records.into_iter().map(normalized).collect()
    };
    assert_eq!(set(ours.records), set(theirs.records));
}

#[test]
fn a_snapshot_cut_anywhere_is_refused() {
    for end in 0..CHECKPOINT.len() {
        assert!(Snapshot::read(&CHECKPOINT[..end]).is_err(), "cut at {end}");
    }
    // Without the last batch everything left is whole, only unfinished.
    let without_footer = &CHECKPOINT[..CHECKPOINT.len() - 75];
    assert_eq!(
        Snapshot::read(without_footer),
        Err(LogError::NoSnapshotFooter)
    );
}

#[test]
fn a_flipped_bit_in_a_snapshot_is_seen() {
    for position in (0..CHECKPOINT.len()).filter(|position| *position > 21) {
        let mut bytes = CHECKPOINT.to_vec();
        bytes[position] ^= 0x10;
        // Epochs and upper offset bits are covered by no checksum, in Kafka neither.
        if let Ok(read) = Snapshot::read(&bytes) {
            assert_eq!(
                read,
                Snapshot::read(CHECKPOINT).unwrap(),
                "bit flipped at {position}"
            );
        }
    }
}

#[test]
fn the_first_batches_of_a_log_are_kafkas() {
    let batches: Vec<_> = Batches::new(FIRST_START)
        .map(|batch| batch.unwrap())
        .collect();
    let place = |base_offset| BatchPlace {
        base_offset,
        leader_epoch: 1,
        now: 0,
    };

    let snapshot = Snapshot::read(CHECKPOINT).unwrap();
    let voters = snapshot.voters.unwrap();
    let directory_id = voters.voters[0].voter_directory_id;
    let ours = standalone_voters(1, directory_id, ("CONTROLLER", "localhost", 19093));
    assert_eq!(ours, voters);
    let (bytes, count) = leader_change_batch(1, Some((1, &voters)), place(0));
    assert_eq!(without_times(&bytes), without_times(batches[0].bytes()));
    assert_eq!(count, 3);

    let mut records = vec![Record::from(BeginTransaction {
        name: Some("Bootstrap records".into()),
    })];
    records.extend(bootstrap_records(MetadataVersion::MAX));
    records.push(Record::from(Config {
        resource_type: 4,
        resource_name: "".into(),
        name: "min.insync.replicas".into(),
        value: Some("1".into()),
    }));
    records.push(EndTransaction {}.into());
    let bytes = record_batch(&records, MetadataVersion::MAX, place(3)).unwrap();
    assert_eq!(without_times(&bytes), without_times(batches[1].bytes()));
}

#[test]
fn a_later_epoch_opens_as_kafka_opens_it() {
    let mut leader_changes = Vec::new();
    for batch in Batches::new(RESTARTS) {
        let batch = batch.unwrap();
        if let BatchContents::Control(controls) = read_batch(&batch).unwrap()
            && matches!(controls[0].1, ControlRecord::LeaderChange(_))
        {
            leader_changes.push(batch);
        }
    }
    assert_eq!(leader_changes.len(), 3);
    let header = leader_changes[1].header();
    assert_eq!((header.base_offset, header.leader_epoch), (614, 2));
    let place = BatchPlace {
        base_offset: 614,
        leader_epoch: 2,
        now: 0,
    };
    let (bytes, count) = leader_change_batch(1, None, place);
    assert_eq!(
        without_times(&bytes),
        without_times(leader_changes[1].bytes())
    );
    assert_eq!(count, 1);
}

#[test]
fn a_log_with_restarts_builds_kafkas_image() {
    let mut loader = load(RESTARTS);
    let (image, changes) = loader.publish().unwrap();
    let expected: BTreeSet<Vec<u8>> = RESTARTS_IMAGE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            (0..line.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap())
                .collect()
        })
        .collect();
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|bytes| normalized(Record::read(bytes).unwrap()))
        .collect();
    let ours: BTreeSet<_> = image_records(&image)
        .map(|record| record.to_bytes(MetadataVersion::MAX).unwrap())
        .collect();
    assert_eq!(ours, expected);
    assert_eq!(changes.topics_changed.len(), image.topics().len());

    let topic = image.topics().by_name("t1").unwrap();
    assert_eq!(topic.partitions.len(), 6);
    let partition = topic.partition(0).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch), (1, 4));
    assert_eq!(
        partition.leader_recovery_state,
        LeaderRecoveryState::Recovering
    );
    assert!(image.topics().by_name("def").is_none());
    assert_eq!(loader.quorum().kraft_version, 1);
    assert_eq!(loader.quorum().leader_id, Some(1));
}

#[test]
fn an_image_survives_its_snapshot() {
    let (image, _) = load(RESTARTS).publish().unwrap();
    let provenance = image.provenance();
    let id = SnapshotId {
        end_offset: provenance.offset + 1,
        epoch: provenance.epoch,
    };
    let snapshot = Snapshot {
        last_contained_log_timestamp: provenance.timestamp,
        kraft_version: 1,
        voters: Snapshot::read(CHECKPOINT).unwrap().voters,
        records: image_records(&image).collect(),
    };
    let bytes = snapshot.to_bytes(id, MetadataVersion::MAX, 7).unwrap();
    let read = Snapshot::read(&bytes).unwrap();
    assert_eq!(read, snapshot);
    assert_eq!(read.to_image(id).unwrap(), image);
    let name = id.file_name();
    assert_eq!(SnapshotId::from_file_name(&name), Some(id));
    assert_eq!(SnapshotId::from_file_name(&format!("{name}.part")), None);
}
