//! Disks that are full or fail, in the simulated world.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{batch, open_with, read_all};
use engine_base::ShardId;
use engine_log::{AppendError, IoMode, Log, LogConfig, StoreConfig, begin_use, recover};
use engine_runtime::disk::{Fault, FaultOn};
use engine_runtime::{SimOptions, SimWorld, sleep, spawn};

const ROOT: &str = "/logs";
const EIO: i32 = 5;

fn config() -> StoreConfig {
    let mut config = StoreConfig::new(ROOT, ShardId(0));
    config.sizes.journal_first_file_size_bytes = 256 << 10;
    config.sizes.journal_file_size_bytes = 256 << 10;
    config.free_space_bytes_min = 4 << 10;
    config
}

async fn prepare() {
    engine_runtime::fs::create_dir_all(ROOT).await.unwrap();
    recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
    begin_use(ROOT.as_ref()).await.unwrap();
}

async fn until_kept(log: &Log) {
    while log.durable_end_offset() < log.log_end_offset() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn full_disk_refuses_appends_until_space_is_back_and_loses_nothing() {
    let world = Rc::new(SimWorld::new(7, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        prepare().await;
        let (store, log) = open_with(config(), LogConfig::default()).await;
        let loop_store = store.clone();
        spawn(async move { loop_store.run_commits(|_| {}).await.unwrap() }).detach();
        let (bytes, info) = batch(1, 140_000);
        log.append(&bytes, &info, 0, 0).unwrap();
        until_kept(&log).await;

        let used = world.with_disk(process, |disk| disk.used_bytes());
        world.with_disk(process, |disk| disk.set_capacity(used + 200_000));
        let mut count = 1;
        while let Ok(appended) = log.append(&bytes, &info, 0, 0) {
            assert_eq!(appended.base_offset, count);
            count += 1;
            sleep(Duration::from_millis(20)).await;
            assert!(count < 100, "the disk never fills");
        }
        assert!(store.is_disk_full());
        assert_eq!(log.append(&bytes, &info, 0, 0), Err(AppendError::DiskFull));
        let kept = log.durable_end_offset();
        assert!(kept < log.log_end_offset());
        assert_eq!(read_all(&log).await.len() as i64, kept);

        world.with_disk(process, |disk| disk.set_capacity(u64::MAX));
        sleep(Duration::from_secs(2)).await;
        assert!(!store.is_disk_full());
        until_kept(&log).await;
        log.append(&bytes, &info, 0, 0).unwrap();
        until_kept(&log).await;
        assert_eq!(read_all(&log).await.len() as i64, count + 1);
    });
}

#[test]
fn full_disk_while_a_journal_file_is_needed_stops_commits_and_not_the_process() {
    let world = Rc::new(SimWorld::new(8, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        prepare().await;
        let (store, log) = open_with(config(), LogConfig::default()).await;
        let loop_store = store.clone();
        spawn(async move { loop_store.run_commits(|_| {}).await.unwrap() }).detach();
        let used = world.with_disk(process, |disk| disk.used_bytes());
        world.with_disk(process, |disk| disk.set_capacity(used));
        let (bytes, info) = batch(1, 3_000);
        let mut accepted = 0;
        for _ in 0..400 {
            match log.append(&bytes, &info, 0, 0) {
                Ok(_) => accepted += 1,
                Err(AppendError::DiskFull) => break,
                Err(error) => panic!("{error}"),
            }
            sleep(Duration::from_millis(2)).await;
        }
        assert!(accepted > 10, "{accepted}");
        assert!(accepted < 400);
        world.with_disk(process, |disk| disk.set_capacity(u64::MAX));
        sleep(Duration::from_secs(3)).await;
        until_kept(&log).await;
        assert_eq!(read_all(&log).await.len(), accepted);
    });
}

#[test]
fn failed_write_or_flush_ends_the_store_and_nothing_is_acknowledged_behind_it() {
    for (path, on) in [
        ("ottla-journal", FaultOn::Write),
        ("ottla-journal", FaultOn::Sync),
    ] {
        let world = Rc::new(SimWorld::new(9, SimOptions::default()));
        let process = world.add_process("broker");
        let runtime = world.runtime(process);
        runtime.block_on(async move {
            prepare().await;
            let (store, log) = open_with(config(), LogConfig::default()).await;
            let loop_store = store.clone();
            let commits = spawn(async move { loop_store.run_commits(|_| {}).await });
            let (bytes, info) = batch(1, 500);
            log.append(&bytes, &info, 0, 0).unwrap();
            until_kept(&log).await;
            let fault = Fault {
                path_contains: path.to_owned(),
                on,
                after: 0,
                count: 1,
                errno: EIO,
            };
            world.with_disk(process, |disk| disk.inject(fault));
            log.append(&bytes, &info, 0, 0).unwrap();
            let error = commits.await.unwrap().unwrap_err();
            assert!(!error.is_disk_full());
            assert_eq!(log.durable_end_offset(), 1);
            assert_eq!(log.append(&bytes, &info, 0, 0), Err(AppendError::Failed));
            assert!(store.close().await.is_err());
            // The next start recovers: what was kept is there.
            recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        });
    }
}
