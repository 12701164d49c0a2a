//! What the tests of the engine share: a directory, a core, batches.
#![allow(unreachable_pub, reason = "a module of several tests")]
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests make and remove their directories"
)]

use std::path::{Path, PathBuf};

use engine_base::{ShardId, Uuid};
use engine_log::{Log, LogConfig, LogStore, PartitionDir, ReadRequest, StoreConfig};
use engine_record::validate::{Origin, Rules, validate_batch};
use engine_record::{BatchBuilder, BatchInfo, BatchOptions, Decompressor};
use engine_runtime::{Runtime, RuntimeOptions};

/// A directory of its own, removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a future on a core of the real world.
pub fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    Runtime::uring(&RuntimeOptions::default())
        .unwrap()
        .block_on(future)
}

/// A batch of one record whose value is `size` bytes that follow from `seed`.
pub fn batch(seed: u64, size: usize) -> (Vec<u8>, BatchInfo) {
    let value: Vec<u8> = (0..size)
        .map(|at| (seed.wrapping_mul(31) as usize + at) as u8)
        .collect();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(
        1_000 + seed as i64,
        Some(&seed.to_be_bytes()),
        Some(&value),
        &[],
    );
    info_of(builder.finish())
}

/// What the door knows of a batch.
pub fn info_of(bytes: Vec<u8>) -> (Vec<u8>, BatchInfo) {
    info_from(Origin::Coordinator, bytes)
}

/// What the door knows of a batch of this origin.
pub fn info_from(origin: Origin, bytes: Vec<u8>) -> (Vec<u8>, BatchInfo) {
    let rules = Rules {
        timestamp_after_ms_max: i64::MAX,
        ..Rules::default()
    };
    let info = validate_batch(&bytes, origin, &rules, 0, &mut Decompressor::default()).unwrap();
    (bytes, info)
}

/// A store with one log, `topic-0`.
pub async fn open(path: &Path, config: LogConfig) -> (LogStore, Log) {
    open_with(StoreConfig::new(path, ShardId(0)), config).await
}

/// The same with any store configuration.
pub async fn open_with(store_config: StoreConfig, config: LogConfig) -> (LogStore, Log) {
    let (store, _) = LogStore::open(store_config, Vec::new(), |_| {})
        .await
        .unwrap();
    let partition = PartitionDir {
        topic: "topic".to_owned(),
        partition: 0,
        topic_id: Uuid([7; 16]),
        config,
    };
    let log = store.create_log(partition).await.unwrap();
    (store, log)
}

/// Every batch of the log, each as its own bytes.
pub async fn read_all(log: &Log) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    let mut from_offset = log.log_start_offset();
    let end = log.durable_end_offset();
    while from_offset < end {
        let request = ReadRequest {
            from_offset,
            size_bytes_max: 100_000,
            min_one_batch: true,
            upper_bound_offset: end,
        };
        let data = log.read(request).await.unwrap();
        assert!(
            data.next_offset > from_offset,
            "a read below the end finds something"
        );
        let bytes: Vec<u8> = data
            .slices
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        assert_eq!(bytes.len(), data.size_bytes);
        let mut walk = engine_record::Batches::new(&bytes);
        for batch in walk.by_ref() {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            batches.push(batch.bytes().to_vec());
        }
        assert!(walk.rest().is_empty());
        from_offset = data.next_offset;
    }
    batches
}

/// The store and log of [`open`], opened again.
pub async fn reopen(path: &Path, config: LogConfig) -> (LogStore, Log) {
    let partition = PartitionDir {
        topic: "topic".to_owned(),
        partition: 0,
        topic_id: Uuid([7; 16]),
        config,
    };
    let store_config = StoreConfig::new(path, ShardId(0));
    let (store, mut logs) = LogStore::open(store_config, vec![partition], |_| {})
        .await
        .unwrap();
    (store, logs.remove(0))
}
