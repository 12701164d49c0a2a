//! Any image comes out of its snapshot as it went in, in batches of bounded size.

// A test fails by panic.
#![allow(clippy::unwrap_used)]

mod images;

use engine_record::Batches;
use proptest::prelude::*;
use replication_metadata::limits::SNAPSHOT_BATCH_SIZE_BYTES_TARGET;
use replication_metadata::record::{NoOp, Topic};
use replication_metadata::{
    MetadataImage, MetadataLoader, MetadataVersion, QuorumRecords, Record, Snapshot, SnapshotHead,
    SnapshotId, SnapshotWriter, image_records,
};

use crate::images::{image, image_of};

const NOW: i64 = 1_700_000_000_000;

/// The file's batches, as whoever writes it gets them.
fn batches(image: &MetadataImage) -> (SnapshotId, Vec<Vec<u8>>) {
    let provenance = image.provenance();
    let id = SnapshotId {
        end_offset: provenance.offset + 1,
        epoch: provenance.epoch,
    };
    let head = SnapshotHead {
        id,
        last_contained_log_timestamp: provenance.timestamp,
        kraft_version: 0,
        voters: None,
    };
    let metadata_version = image.features().metadata_version().unwrap();
    let mut writer = SnapshotWriter::new(head, image_records(image), metadata_version, NOW);
    let mut batches = Vec::new();
    while let Some(batch) = writer.next_batch().unwrap() {
        batches.push(batch);
    }
    assert_eq!(writer.next_batch(), Ok(None));
    (id, batches)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_image_outlives_its_snapshot(image in image()) {
        let (id, batches) = batches(&image);
        let bytes = batches.concat();
        let read = Snapshot::read(&bytes).unwrap();
        prop_assert_eq!(read.last_contained_log_timestamp, image.provenance().timestamp);
        prop_assert_eq!(read.to_image(id).unwrap(), image);
    }

    /// Whoever goes on from the snapshot and whoever goes on from the log see the same.
    #[test]
    fn the_log_goes_on_behind_a_snapshot(image in image(), name in "[a-z]{31,40}") {
        let (id, batches) = batches(&image);
        let bytes = batches.concat();
        let restored = Snapshot::read(&bytes).unwrap().to_image(id).unwrap();
        let follow = |image: MetadataImage| {
            let mut loader = MetadataLoader::new(image.clone(), QuorumRecords::default());
            let mut at = image.provenance();
            let topic = Topic { name: name.clone().into(), topic_id: engine_base::Uuid([255; 16]) };
            for record in [Record::from(topic), NoOp {}.into()] {
                at.offset += 1;
                loader.apply(at, &record).unwrap();
            }
            loader.publish().unwrap().0
        };
        prop_assert_eq!(follow(restored), follow(image));
    }
}

#[test]
fn a_large_image_is_written_in_batches_of_bounded_size() {
    let mut records = vec![images::metadata_version()];
    records.extend(images::topic("wide", 1, 10_000));
    records.extend((2..200).flat_map(|n| images::topic(&format!("narrow-{n}"), n, 3)));
    let image = image_of(&records);
    let (id, batches) = batches(&image);
    assert!(batches.len() > 8, "{}", batches.len());
    let mut next_offset = 0;
    for bytes in &batches {
        // A record's own head is not counted beforehand.
        let size_bytes_max = SNAPSHOT_BATCH_SIZE_BYTES_TARGET + 64;
        assert!(bytes.len() <= size_bytes_max, "{}", bytes.len());
        let all: Vec<_> = Batches::new(bytes).map(Result::unwrap).collect();
        assert_eq!(all.len(), 1);
        let header = all[0].header();
        assert_eq!(header.base_offset, next_offset);
        assert_eq!(header.leader_epoch, id.epoch);
        next_offset += i64::from(header.last_offset_delta) + 1;
    }
    let bytes = batches.concat();
    let read = Snapshot::read(&bytes).unwrap();
    assert_eq!(read.records.len() as i64, next_offset - 2);
    assert_eq!(read.to_image(id).unwrap(), image);
}

#[test]
fn records_come_in_kafkas_order() {
    let image = image_of(&images::one_of_each());
    let mut keys: Vec<i16> = image_records(&image).map(|record| record.key()).collect();
    keys.dedup();
    assert_eq!(keys, [12, 0, 27, 2, 3, 4, 14, 15, 18, 11, 10]);
    let first = image_records(&image).next().unwrap();
    let Record::FeatureLevel(feature) = first else {
        panic!("{first:?}");
    };
    assert_eq!(feature.name, MetadataVersion::FEATURE_NAME);
    assert_eq!(image_records(&MetadataImage::default()).count(), 0);
}
