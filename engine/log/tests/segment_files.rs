//! Files of sealed segments on the real ring: how many are open, and how old they are.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test looks at the files"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{Directory, batch, info_of, read_all, run};
use engine_base::{ShardId, Uuid};
use engine_log::limits::{SEALED_FILES_MIN, open_files_needed};
use engine_log::{
    IoMode, Log, LogConfig, LogStore, Maintenance, PartitionDir, StoreConfig, StoreError,
    begin_use, complete_clean_stop, recover,
};
use engine_record::{BatchBuilder, BatchOptions};

fn config(retention_ms: i64) -> LogConfig {
    LogConfig {
        segment_size_bytes: 10_000,
        retention_ms,
        ..LogConfig::default()
    }
}

fn partition(retention_ms: i64) -> PartitionDir {
    PartitionDir {
        topic: "topic".to_owned(),
        partition: 0,
        topic_id: Uuid([7; 16]),
        config: config(retention_ms),
    }
}

/// Writes batches of 3 kB and stops cleanly.
async fn fill(path: &Path, count: u64, has_timestamps: bool) {
    recover(path, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(path).await.unwrap();
    let store_config = StoreConfig::new(path, ShardId(0));
    let (store, _) = LogStore::open(store_config, Vec::new(), |_| {})
        .await
        .unwrap();
    let log = store.create_log(partition(-1)).await.unwrap();
    let looping = store.clone();
    let commits = engine_runtime::spawn(async move { looping.run_commits(|_| {}).await });
    for round in 0..count {
        let (bytes, info) = match has_timestamps {
            true => batch(round, 3_000),
            false => {
                let mut builder = BatchBuilder::new(BatchOptions::default());
                builder.append(-1, None, Some(&[1; 3_000]), &[]);
                info_of(builder.finish())
            }
        };
        while log.append(&bytes, &info, 0, 0).is_err() {
            log.ready_to_append().await.unwrap();
        }
    }
    let closed = store.close().await.unwrap();
    commits.await.unwrap().unwrap();
    complete_clean_stop(path, vec![closed], &[], None)
        .await
        .unwrap();
}

async fn open(path: &Path, open_files_max: usize, retention_ms: i64) -> Result<Log, StoreError> {
    let mut store_config = StoreConfig::new(path, ShardId(0));
    store_config.open_files_max = open_files_max;
    let partitions = vec![partition(retention_ms)];
    let (store, mut logs) = LogStore::open(store_config, partitions, |_| {}).await?;
    engine_runtime::spawn(async move { store.run_commits(|_| {}).await }).detach();
    Ok(logs.remove(0))
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path.join("topic-0")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "log"));
    paths.sort();
    paths
}

/// How many segments of the directory this process has open.
fn open_segments(path: &Path) -> usize {
    let path = path.canonicalize().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| {
            target.starts_with(&path) && target.extension().is_some_and(|e| e == "log")
        })
        .count()
}

#[test]
fn readers_of_many_segments_hold_a_bounded_number_open() {
    let directory = Directory::new("open-files");
    let path = directory.path().to_path_buf();
    run(async move {
        fill(&path, 120, true).await;
        let count = segments(&path).len();
        assert!(count > 3 * SEALED_FILES_MIN, "{count}");
        recover(&path, IoMode::Auto, |_| {}).await.unwrap();
        let before = open_segments(&path); // of the store that wrote them
        let log = open(&path, open_files_needed(1), -1).await.unwrap();
        for _ in 0..2 {
            assert_eq!(read_all(&log).await.len(), 120);
            let open = open_segments(&path) - before;
            assert!((2..=SEALED_FILES_MIN + 1).contains(&open), "{open}");
        }
        // With room they stay open.
        let log = open(&path, usize::MAX, -1).await.unwrap();
        read_all(&log).await;
        assert!(open_segments(&path) - before > 2 * SEALED_FILES_MIN);
    });
}

#[test]
fn a_limit_of_files_that_is_too_low_is_refused_with_what_to_do() {
    let directory = Directory::new("too-many-logs");
    let path = directory.path().to_path_buf();
    run(async move {
        fill(&path, 3, true).await;
        let error = open(&path, open_files_needed(1) - 1, -1).await.unwrap_err();
        assert!(matches!(error, StoreError::TooManyLogs { logs: 1, .. }));
        assert!(error.to_string().contains("ulimit -n"), "{error}");
    });
}

#[test]
fn segments_without_timestamps_age_from_when_they_were_written() {
    let directory = Directory::new("mtimes");
    let path = directory.path().to_path_buf();
    run(async move {
        fill(&path, 30, false).await;
        let all = segments(&path);
        let old = SystemTime::now() - Duration::from_secs(10_000);
        for segment in &all[..3] {
            let file = std::fs::File::options().append(true).open(segment).unwrap();
            file.set_modified(old).unwrap();
        }
        let times = |paths: &[PathBuf]| -> Vec<SystemTime> {
            let modified = |path| std::fs::metadata(path).unwrap().modified().unwrap();
            paths.iter().map(modified).collect()
        };
        let before = times(&all);
        recover(&path, IoMode::Auto, |_| {}).await.unwrap();
        let log = open(&path, usize::MAX, 3_600_000).await.unwrap();
        read_all(&log).await;
        assert_eq!(
            times(&all),
            before,
            "neither opening nor reading touches them"
        );
        let mut maintenance = Maintenance::default();
        let end = log.log_end_offset();
        log.maintain(maintenance.begin(), end).await.unwrap();
        assert_eq!(segments(&path), all[3..]);
    });
}
