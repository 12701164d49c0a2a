//! What a start behind a crash reads, and that damage in it is found: bytes that the journal
//! describes are read once, those behind an index that is behind are walked over, no others.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};

use common::{batch, info_of, open_with, read_all};
use engine_base::ShardId;
use engine_log::{
    Found, IoMode, Log, LogConfig, LogStore, PartitionDir, RecoveryReport, StoreConfig, StoreError,
    begin_use, recover,
};
use engine_record::validate::Origin;
use engine_record::{BatchBuilder, BatchInfo, BatchOptions, EndTxnMarker, TxnOutcome};
use engine_runtime::{ProcessId, SimOptions, SimWorld, sleep, spawn};

const ROOT: &str = "/logs";
const BATCHES: u64 = 60;
const BATCH_SIZE_BYTES: u64 = 9_000;

/// Each batch is a large unit of its own, and fills more than two blocks.
fn store_config(checkpoint_after_bytes: u64) -> StoreConfig {
    let mut config = StoreConfig::new(ROOT, ShardId(0));
    config.free_space_bytes_min = 0;
    config.sizes.small_unit_size_bytes_max = 4_000;
    config.sizes.checkpoint_after_bytes = checkpoint_after_bytes;
    config.sizes.journal_first_file_size_bytes = 1 << 20;
    config.sizes.journal_file_size_bytes = 1 << 20;
    config
}

fn one_batch(seed: u64) -> (Vec<u8>, BatchInfo) {
    let (bytes, info) = batch(seed, 8_900);
    assert!(bytes.len() as u64 <= BATCH_SIZE_BYTES);
    (bytes, info)
}

/// A machine whose process was killed behind these batches of one log; each was kept.
fn killed(
    checkpoint_after_bytes: u64,
    batches: impl Iterator<Item = (Vec<u8>, BatchInfo)> + 'static,
) -> (SimWorld, ProcessId) {
    let world = SimWorld::new(31, SimOptions::default());
    let process = world.add_process("broker");
    world.runtime(process).block_on(async move {
        engine_runtime::fs::create_dir_all(ROOT).await.unwrap();
        recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        begin_use(ROOT.as_ref()).await.unwrap();
        let config = store_config(checkpoint_after_bytes);
        let (store, log) = open_with(config, LogConfig::default()).await;
        spawn(async move { store.run_commits(|_| {}).await }).detach();
        for (bytes, info) in batches {
            log.append(&bytes, &info, 0, 0).unwrap();
            while log.durable_end_offset() < log.log_end_offset() {
                sleep(std::time::Duration::from_micros(100)).await;
            }
        }
        // What is derived is synced, files are set free, the last entry is vouched for.
        sleep(std::time::Duration::from_millis(200)).await;
    });
    (world, process)
}

fn recovered(world: &SimWorld, process: ProcessId) -> Result<RecoveryReport, StoreError> {
    let runtime = world.runtime(process);
    runtime.block_on(async { recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await })
}

/// What `look` sees in the log, opened after the recovery.
fn opened<T: 'static>(
    world: &SimWorld,
    process: ProcessId,
    look: impl AsyncFnOnce(&Log) -> T + 'static,
) -> T {
    let partition = PartitionDir {
        topic: "topic".to_owned(),
        partition: 0,
        topic_id: engine_base::Uuid([7; 16]),
        config: LogConfig::default(),
    };
    let config = StoreConfig::new(ROOT, ShardId(0));
    world.runtime(process).block_on(async move {
        let opened = LogStore::open(config, vec![partition], |_| {}).await;
        look(&opened.unwrap().1[0]).await
    })
}

fn contents(world: &SimWorld, process: ProcessId) -> Vec<Vec<u8>> {
    opened(world, process, async |log| read_all(log).await)
}

fn file(suffix: &str) -> PathBuf {
    Path::new(ROOT).join(format!("topic-0/00000000000000000000{suffix}"))
}

/// Changes one byte on the disk.
fn flip(world: &SimWorld, process: ProcessId, position: u64) {
    world.with_disk(process, |disk| {
        let path = file(".log");
        let byte = disk.image().file(&path).unwrap()[position as usize];
        let inode = disk.create(&path, false).unwrap();
        let write = disk.write(inode, position, vec![byte ^ 0x10]).unwrap();
        disk.complete(write);
        disk.sync_all();
    });
}

fn is_damaged(outcome: Result<RecoveryReport, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Damaged(_)))
}

/// With room for everything in one journal file.
const NEVER: u64 = 1 << 30;
/// Three quarters of the batches are in files that were set free.
const OFTEN: u64 = 15 * BATCH_SIZE_BYTES;

#[test]
fn what_the_journal_describes_is_read_once() {
    let (world, process) = killed(NEVER, (0..BATCHES).map(one_batch));
    let report = recovered(&world, process).unwrap();
    assert_eq!(report.found, Found::OurCrash);
    let described: usize = (0..BATCHES).map(|seed| one_batch(seed).0.len()).sum();
    assert_eq!(report.logs[0].read_bytes, described as u64);
    assert_eq!(report.logs[0].end_offset, BATCHES as i64);
    assert_eq!(contents(&world, process).len() as u64, BATCHES);
}

#[test]
fn what_is_behind_a_synced_index_and_a_released_file_is_not_read() {
    let (world, process) = killed(OFTEN, (0..BATCHES).map(one_batch));
    let report = recovered(&world, process).unwrap();
    let (read, all) = (report.logs[0].read_bytes, BATCHES * BATCH_SIZE_BYTES);
    assert!(read < 3 * OFTEN, "{read} of {all} bytes were read");
    assert_eq!(contents(&world, process).len() as u64, BATCHES);
}

#[test]
fn every_described_byte_is_checked() {
    for seed in [0, 1, BATCHES / 2, BATCHES - 1] {
        let start = (0..seed)
            .map(|it| one_batch(it).0.len() as u64)
            .sum::<u64>();
        // In the offset, which the batch's own checksum does not cover; in the body; in the middle.
        for at in [3, 100, 5_000] {
            let (world, process) = killed(NEVER, (0..BATCHES).map(one_batch));
            flip(&world, process, start + at);
            assert!(is_damaged(recovered(&world, process)), "{seed} {at}");
        }
    }
}

/// The journal describes the last batches only. With both indexes nobody looks at the others; whoever
/// has to walk over them checks their checksums.
#[test]
fn a_walk_checks_what_the_journal_does_not_describe() {
    for lost_index in [None, Some(".index"), Some(".timeindex")] {
        let (world, process) = killed(OFTEN, (0..BATCHES).map(one_batch));
        flip(&world, process, 5_000);
        if let Some(suffix) = lost_index {
            world.with_disk(process, |disk| disk.unlink(&file(suffix)).unwrap());
        }
        let outcome = recovered(&world, process);
        assert_eq!(is_damaged(outcome), lost_index.is_some(), "{lost_index:?}");
    }
}

/// A walk that begins before the first unit comes to units with markers, whose bodies count.
#[test]
fn transactions_are_known_from_batches_that_are_not_read_again() {
    const PRODUCER: i64 = 9;
    let transactional = |sequence: i32| {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: PRODUCER,
            producer_epoch: 0,
            base_sequence: sequence,
            transactional: true,
            ..BatchOptions::default()
        });
        builder.append(1_000, None, Some(&[3; 6_000]), &[]);
        common::info_from(Origin::Client, builder.finish())
    };
    let mut batches: Vec<_> = (0..3).map(transactional).collect();
    let abort = EndTxnMarker {
        outcome: TxnOutcome::Abort,
        coordinator_epoch: 0,
    };
    batches.push(info_of(abort.batch(
        PRODUCER,
        0,
        BatchOptions::default(),
        6_000,
    )));
    batches.extend((3..5).map(transactional));
    let (world, process) = killed(NEVER, batches.into_iter());
    let report = recovered(&world, process).unwrap();
    assert_eq!(report.logs[0].end_offset, 6);
    let (first_unstable, aborted) = opened(&world, process, async |log| {
        let aborted = log.aborted_txns(0, 6).await.unwrap();
        (log.first_unstable_offset(), aborted)
    });
    assert_eq!(first_unstable, Some(4));
    assert_eq!(aborted.len(), 1);
    assert_eq!(aborted[0].first_offset, 0);
}
