//! Segments whose offsets make no sense, under checksums that fit: they are no part of the sum.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use engine_base::{ShardId, Uuid};
use engine_log::{
    Damage, Found, IoMode, LogConfig, LogStore, PartitionDir, RecoveryReport, StoreConfig,
    StoreError, recover,
};
use engine_record::{BatchBuilder, BatchOptions};
use engine_runtime::{ProcessId, SimOptions, SimWorld};

const ROOT: &str = "/logs";
const TOPIC_ID: Uuid = Uuid([7; 16]);

fn batch(base_offset: i64, value: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        leader_epoch: 0,
        ..BatchOptions::default()
    });
    builder.append(1_000, None, Some(value), &[]);
    builder.finish()
}

/// A machine whose disk holds one segment with these batches, cleanly stopped or not.
fn machine(batches: &[Vec<u8>], is_clean: bool) -> (SimWorld, ProcessId) {
    let world = SimWorld::new(1, SimOptions::default());
    let process = world.add_process("broker");
    let metadata = format!("version: 0\ntopic_id: {TOPIC_ID}");
    world.with_disk(process, |disk| {
        let folder = Path::new(ROOT).join("t-0");
        disk.create_dir_all(&folder);
        let mut put = |path: &Path, bytes: Vec<u8>| {
            let inode = disk.create(path, true).unwrap();
            let write = disk.write(inode, 0, bytes).unwrap();
            disk.complete(write);
        };
        put(&folder.join("partition.metadata"), metadata.into_bytes());
        put(&folder.join("00000000000000000000.log"), batches.concat());
        if is_clean {
            put(&Path::new(ROOT).join(".kafka_cleanshutdown"), Vec::new());
        }
        disk.sync_all();
    });
    (world, process)
}

fn recovered(world: &SimWorld, process: ProcessId) -> RecoveryReport {
    let runtime = world.runtime(process);
    runtime
        .block_on(async { recover(Path::new(ROOT), IoMode::Auto, |_| {}).await })
        .unwrap()
}

fn opened(world: &SimWorld, process: ProcessId) -> Result<i64, StoreError> {
    let partition = PartitionDir {
        topic: "t".to_owned(),
        partition: 0,
        topic_id: TOPIC_ID,
        config: LogConfig::default(),
    };
    let config = StoreConfig::new(ROOT, ShardId(0));
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        let (_, logs) = LogStore::open(config, vec![partition], |_| {}).await?;
        Ok(logs[0].log_end_offset())
    })
}

/// Batches that cannot follow one at offset 0 in the segment of base offset 0.
fn misplaced() -> [Vec<u8>; 5] {
    let large = vec![7; 5_000]; // enough for the next batch to get an entry in the index
    [
        batch(0, &large),
        batch(-5, &large),
        batch(i64::MIN, &large),
        batch(i64::from(u32::MAX) + 7, &large),
        batch(i64::MAX, &large),
    ]
}

#[test]
fn a_clean_directory_with_misplaced_offsets_is_damaged() {
    for last in misplaced() {
        let good = batch(0, &[7; 5_000]);
        let (world, process) = machine(&[good.clone(), last], true);
        assert_eq!(recovered(&world, process).found, Found::CleanStop);
        let Err(StoreError::Damaged(damages)) = opened(&world, process) else {
            panic!("it was opened");
        };
        let expected = Damage::Segment {
            partition: "t-0".to_owned(),
            segment_base: 0,
            position: good.len() as u64,
            offset: 1,
        };
        assert_eq!(damages, [expected]);
    }
}

#[test]
fn a_scan_cuts_at_misplaced_offsets() {
    for last in misplaced() {
        let good = batch(0, &[7; 5_000]);
        let (world, process) = machine(&[good.clone(), last], false);
        let report = recovered(&world, process);
        assert_eq!(report.found, Found::KafkasCrash);
        assert_eq!(report.logs[0].end_offset, 1);
        let path = Path::new(ROOT).join("t-0/00000000000000000000.log");
        let left = world.with_disk(process, |disk| disk.image().file(&path));
        assert_eq!(left, Some(good));
        assert_eq!(opened(&world, process).ok(), Some(1));
    }
}

#[test]
fn a_first_batch_below_its_segment_is_cut() {
    let (world, process) = machine(&[batch(-5, b"v")], false);
    assert_eq!(recovered(&world, process).logs[0].end_offset, 0);
    assert_eq!(opened(&world, process).ok(), Some(0));
}
