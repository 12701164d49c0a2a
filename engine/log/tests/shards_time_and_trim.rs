//! A start with another number of shards; look-ups by time; trims and cuts, on the real ring.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Directory, batch, open, read_all, reopen, run};
use engine_base::{ShardId, Uuid};
use engine_log::{
    Found, IoMode, Log, LogConfig, LogStore, Maintenance, PartitionDir, StoreConfig, begin_use,
    recover,
};

fn partition(index: i32) -> PartitionDir {
    PartitionDir {
        topic: "topic".to_owned(),
        partition: index,
        topic_id: Uuid([7; 16]),
        config: LogConfig::default(),
    }
}

async fn until_kept(log: &Log) {
    while log.durable_end_offset() < log.log_end_offset() {
        engine_runtime::yield_now().await;
    }
}

fn commit(store: &LogStore) {
    let store = store.clone();
    engine_runtime::spawn(async move { store.run_commits(|_| {}).await }).detach();
}

#[test]
fn logs_of_two_shards_are_there_for_one_after_a_crash() {
    let directory = Directory::new("shards");
    let path = directory.path().to_path_buf();
    run({
        let path = path.clone();
        async move {
            recover(&path, IoMode::Auto, |_| {}).await.unwrap();
            begin_use(&path).await.unwrap();
            for shard in 0..2_u16 {
                let config = StoreConfig::new(&path, ShardId(shard));
                let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await.unwrap();
                let log = store.create_log(partition(shard.into())).await.unwrap();
                commit(&store);
                for round in 0..10 {
                    let (bytes, info) = batch(round, 100 + 30_000 * usize::from(shard));
                    log.append(&bytes, &info, 0, 0).unwrap();
                }
                until_kept(&log).await;
            }
        }
    });
    run(async move {
        let report = recover(&path, IoMode::Auto, |_| {}).await.unwrap();
        assert_eq!(report.found, Found::OurCrash);
        assert_eq!(report.logs.len(), 2);
        begin_use(&path).await.unwrap();
        let config = StoreConfig::new(&path, ShardId(0));
        let partitions = vec![partition(0), partition(1)];
        let (_store, logs) = LogStore::open(config, partitions, |_| {}).await.unwrap();
        for log in &logs {
            assert_eq!(log.log_end_offset(), 10);
            assert_eq!(read_all(log).await.len(), 10);
        }
    });
}

#[test]
fn records_are_found_by_time_in_sealed_and_active_segments() {
    let directory = Directory::new("time");
    let path = directory.path().to_path_buf();
    run(async move {
        let config = LogConfig {
            segment_size_bytes: 40_000,
            ..LogConfig::default()
        };
        let (store, log) = open(&path, config).await;
        commit(&store);
        for round in 0..60 {
            // `batch` gives the record of round n the timestamp 1000 + n.
            let (bytes, info) = batch(round, 2_000);
            log.append(&bytes, &info, 4, 0).unwrap();
            if round % 10 == 0 {
                until_kept(&log).await;
            }
        }
        until_kept(&log).await;
        for wanted in [0_i64, 1_000, 1_007, 1_030, 1_059] {
            let found = log.offset_for_timestamp(wanted, 60).await.unwrap().unwrap();
            assert_eq!(found.timestamp, wanted.max(1_000));
            assert_eq!(
                (found.offset, found.leader_epoch),
                (wanted.max(1_000) - 1_000, 4)
            );
        }
        assert_eq!(log.offset_for_timestamp(1_060, 60).await.unwrap(), None);
        let newest = log.offset_of_max_timestamp(60).await.unwrap().unwrap();
        assert_eq!((newest.offset, newest.timestamp), (59, 1_059));
    });
}

#[test]
fn trimmed_and_cut_logs_stay_so_after_a_crash() {
    let directory = Directory::new("trim");
    let path = directory.path().to_path_buf();
    let config = LogConfig {
        segment_size_bytes: 40_000,
        retention_bytes: 60_000,
        retention_ms: -1,
        ..LogConfig::default()
    };
    run({
        let (path, config) = (path.clone(), config.clone());
        async move {
            recover(&path, IoMode::Auto, |_| {}).await.unwrap();
            begin_use(&path).await.unwrap();
            let (store, log) = open(&path, config).await;
            commit(&store);
            for round in 0..80 {
                let (bytes, info) = batch(round, 2_000);
                log.append(&bytes, &info, i32::from(round >= 40), 0)
                    .unwrap();
                until_kept(&log).await;
            }
            log.truncate_to(70).await.unwrap();
            assert_eq!(log.log_end_offset(), 70);
            assert_eq!(log.end_offset_for_epoch(1).unwrap().end_offset, 70);
            assert_eq!(log.end_offset_for_epoch(0).unwrap().end_offset, 40);
            assert_eq!(log.trim_before(5).await.unwrap(), 5);
            let mut maintenance = Maintenance::default();
            log.maintain(maintenance.begin(), 70).await.unwrap();
            assert!(log.log_start_offset() > 5);
            assert!(log.size_bytes() < 110_000, "{}", log.size_bytes());
            let (bytes, info) = batch(100, 500);
            assert_eq!(
                log.append(&bytes, &info, 2, 0),
                Err(engine_log::AppendError::Busy)
            );
            log.ready_to_append().await.unwrap();
            assert_eq!(log.append(&bytes, &info, 2, 0).unwrap().base_offset, 70);
            until_kept(&log).await;
        }
    });
    run(async move {
        recover(&path, IoMode::Auto, |_| {}).await.unwrap();
        begin_use(&path).await.unwrap();
        let (_store, log) = reopen(&path, config).await;
        assert_eq!(log.log_end_offset(), 71);
        assert!(log.log_start_offset() > 5);
        let found = read_all(&log).await;
        assert_eq!(found.len() as i64, 71 - log.log_start_offset());
        assert_eq!(log.latest_epoch(), Some(2));
    });
}
