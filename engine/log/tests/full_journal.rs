//! A journal whose files are all in use: what sets them free needs entries itself.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{batch, read_all};
use engine_base::{ShardId, Uuid};
use engine_journal::limits::FILES_MAX;
use engine_log::{
    AppendError, IoMode, Log, LogConfig, LogStore, PartitionDir, StoreConfig, begin_use, recover,
};
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

async fn open() -> (LogStore, Vec<Log>) {
    let (store, _) = LogStore::open(store_config(), Vec::new(), |_| {})
        .await
        .unwrap();
    let mut logs = Vec::new();
    for partition in 0..LOGS {
        let partition = PartitionDir {
            topic: "t".to_owned(),
            partition,
            topic_id: Uuid([5; 16]),
            config: LogConfig::default(),
        };
        logs.push(store.create_log(partition).await.unwrap());
    }
    (store, logs)
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
        fs::create_dir_all(ROOT).await.unwrap();
        recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        begin_use(ROOT.as_ref()).await.unwrap();
        let (store, logs) = open().await;
        let loop_store = store.clone();
        spawn(async move { loop_store.run_commits(|_| {}).await.unwrap() }).detach();
        let mut files_max = 0;
        for round in 0..ROUNDS {
            for log in &logs {
                let (bytes, info) = batch(round, 700);
                while let Err(error) = log.append(&bytes, &info, 0, 0) {
                    assert_eq!(error, AppendError::Busy);
                    log.ready_to_append().await.unwrap();
                }
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
