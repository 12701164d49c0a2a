//! A journal whose files are all in use: what sets them free needs entries itself.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::{batch, info_of, read_all};
use engine_base::{ShardId, Uuid};
use engine_journal::limits::FILES_MAX;
use engine_log::limits::DESCRIBED_CHECKPOINTS_MAX;
use engine_log::{
    AppendError, IoMode, Log, LogConfig, LogStore, PartitionDir, StoreConfig, begin_use,
    complete_clean_stop, recover,
};
use engine_record::{BatchBuilder, BatchInfo, BatchOptions};
use engine_runtime::{SimOptions, SimWorld, fs, sleep, spawn};

const ROOT: &str = "/logs";
const LOGS: i32 = 40;
const ROUNDS: u64 = 30;

fn store_config() -> StoreConfig {
    let mut config = StoreConfig::new(ROOT, ShardId(0));
    config.free_space_bytes_min = 0;
    // A unit fits an entry of these small files.
    config.sizes.small_unit_size_bytes_max = 8_000;
    // Small units stay in the journal until its files must be set free.
    config.sizes.destage_size_bytes = u64::MAX;
    config.sizes.journal_first_file_size_bytes = 48 << 10;
    config.sizes.journal_file_size_bytes = 48 << 10;
    config
}

async fn open(config: StoreConfig, log_config: LogConfig, count: i32) -> (LogStore, Vec<Log>) {
    let (store, logs, _) = open_watched(config, log_config, count).await;
    (store, logs)
}

/// Also returns the most data that the journal has described after any commit.
async fn open_watched(
    config: StoreConfig,
    log_config: LogConfig,
    count: i32,
) -> (LogStore, Vec<Log>, Rc<Cell<u64>>) {
    fs::create_dir_all(ROOT).await.unwrap();
    recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
    begin_use(ROOT.as_ref()).await.unwrap();
    let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await.unwrap();
    let mut logs = Vec::new();
    for partition in 0..count {
        let partition = PartitionDir {
            topic: "t".to_owned(),
            partition,
            topic_id: Uuid([5; 16]),
            config: log_config.clone(),
        };
        logs.push(store.create_log(partition).await.unwrap());
    }
    let loop_store = store.clone();
    let described_max = Rc::new(Cell::new(0));
    let described = Rc::clone(&described_max);
    spawn(async move {
        let watched = loop_store.clone();
        let on_committed =
            move |_: &[Log]| described.set(described.get().max(watched.usage().described_bytes));
        loop_store.run_commits(on_committed).await.unwrap();
    })
    .detach();
    (store, logs, described_max)
}

/// Accepts a batch, waiting for the log to take it.
async fn append(log: &Log, (bytes, info): (Vec<u8>, BatchInfo)) {
    while let Err(error) = log.append(&bytes, &info, 0, 0) {
        assert_eq!(error, AppendError::Busy);
        log.ready_to_append().await.unwrap();
    }
}

async fn journal_file_count() -> usize {
    let entries = fs::read_dir(ROOT).await.unwrap();
    let names = entries.iter().map(|entry| entry.name.to_string_lossy());
    names
        .filter(|name| name.starts_with("ottla-journal-"))
        .count()
}

/// Small units of many partitions fill every file that commits may use. To set the oldest free, the
/// background loop destages its units, into blocks that hold acknowledged bytes which only older
/// files held. The images of those blocks must go to the journal first, and a flush behind them,
/// although it is full for commits.
#[test]
fn full_journal_takes_the_images_that_set_its_files_free() {
    let world = Rc::new(SimWorld::new(21, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        let (_store, logs) = open(store_config(), LogConfig::default(), LOGS).await;
        let mut files_max = 0;
        for round in 0..ROUNDS {
            for log in &logs {
                append(log, batch(round, 700)).await;
            }
            sleep(Duration::from_millis(1)).await;
            files_max = files_max.max(journal_file_count().await);
        }
        for _ in 0..1_000 {
            files_max = files_max.max(journal_file_count().await);
            sleep(Duration::from_millis(5)).await;
        }
        assert!(files_max >= FILES_MAX, "{files_max} files: never full");
        for log in &logs {
            assert_eq!(log.durable_end_offset(), ROUNDS as i64);
            assert_eq!(read_all(log).await.len() as u64, ROUNDS);
        }
    });
}

/// The files are set free more slowly than commits fill them: each round destages small units of
/// many partitions. What a start would have to verify stays bounded, and everything is kept.
#[test]
fn commits_wait_while_the_journal_describes_too_much() {
    const LOG_COUNT: i32 = 200;
    let world = Rc::new(SimWorld::new(23, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        let mut config = store_config();
        config.sizes.journal_first_file_size_bytes = 1 << 20;
        config.sizes.journal_file_size_bytes = 1 << 20;
        config.sizes.checkpoint_after_bytes = 300_000;
        let bound = DESCRIBED_CHECKPOINTS_MAX * config.sizes.checkpoint_after_bytes;
        let (_store, logs, described_max) =
            open_watched(config, LogConfig::default(), LOG_COUNT).await;
        let mut commit_max = 0;
        for round in 0..ROUNDS {
            let mut accepted = 0;
            for log in &logs {
                let one = batch(round, 700);
                accepted += one.0.len() as u64;
                append(log, one).await;
            }
            commit_max = commit_max.max(accepted);
            // What came while commits waited would be one large commit.
            while logs
                .iter()
                .any(|it| it.durable_end_offset() < it.log_end_offset())
            {
                sleep(Duration::from_micros(50)).await;
            }
        }
        let most = described_max.get();
        assert!(most > bound, "{most} bytes: no commit had to wait");
        assert!(most < bound + commit_max, "{most} bytes are above {bound}");
        for log in &logs {
            assert_eq!(read_all(log).await.len() as u64, ROUNDS);
        }
    });
}

/// A batch of a producer that a snapshot tells of.
fn numbered_batch(sequence: i32, size: usize) -> (Vec<u8>, BatchInfo) {
    let options = BatchOptions {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.append(1_000, None, Some(&vec![1; size]), &[]);
    info_of(builder.finish())
}

/// What is accepted when a store is closed may not fit the journal. And the snapshots that rolls
/// took of producers, at ends that are not committed yet, are nothing to wait for.
#[test]
fn store_that_is_closed_with_a_full_journal_sets_its_files_free() {
    const BATCHES: i32 = 600;
    let world = Rc::new(SimWorld::new(22, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        let mut config = store_config();
        config.sizes.checkpoint_after_bytes = 8_000;
        let log_config = LogConfig {
            segment_size_bytes: 20_000,
            ..LogConfig::default()
        };
        let (store, logs) = open(config, log_config, 1).await;
        for sequence in 0..BATCHES {
            append(&logs[0], numbered_batch(sequence, 1_500)).await;
            if sequence % 40 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        let closed = store.close().await.unwrap();
        complete_clean_stop(ROOT.as_ref(), vec![closed], &[], None)
            .await
            .unwrap();
        assert_eq!(logs[0].durable_end_offset(), i64::from(BATCHES));
    });
}
