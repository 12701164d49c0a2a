//! Disks that are full or fail, in the simulated world.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{batch, open_with, read_all};
use engine_base::{ShardId, Uuid};
use engine_log::{
    AppendError, IoMode, Log, LogConfig, LogStore, PartitionDir, StoreConfig, begin_use, recover,
};
use engine_runtime::disk::{Fault, FaultOn};
use engine_runtime::{ProcessId, SimOptions, SimWorld, sleep, spawn, timeout};

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

/// Runs a scenario in a broker's process, on an empty root that is in use.
fn in_world<F>(seed: u64, scenario: impl FnOnce(Rc<SimWorld>, ProcessId) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let world = Rc::new(SimWorld::new(seed, SimOptions::default()));
    let process = world.add_process("broker");
    let scenario = scenario(world.clone(), process);
    world.runtime(process).block_on(async move {
        prepare().await;
        scenario.await;
    });
}

/// Commits as long as the store is open; nothing in it may fail.
fn commit_all(store: &LogStore) {
    let store = store.clone();
    spawn(async move { store.run_commits(|_| {}).await.unwrap() }).detach();
}

async fn until_kept(log: &Log) {
    while log.durable_end_offset() < log.log_end_offset() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn full_disk_refuses_appends_until_space_is_back_and_loses_nothing() {
    in_world(7, |world, process| async move {
        let (store, log) = open_with(config(), LogConfig::default()).await;
        commit_all(&store);
        let (bytes, info) = batch(1, 140_000);
        log.append(&bytes, &info, 0, 0).unwrap();
        until_kept(&log).await;

        let used = world.with_disk(process, |disk| disk.used_bytes());
        world.with_disk(process, |disk| disk.set_capacity(used + 200_000));
        let mut count = 1;
        while let Ok(appended) = log.append(&bytes, &info, 0, 0) {
            assert_eq!(appended.base_offset, count);
            count += 1;
            // In bursts: the last is accepted before anybody knows that there is no space for it.
            if count % 4 == 0 {
                sleep(Duration::from_millis(20)).await;
            }
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
    in_world(8, |world, process| async move {
        let (store, log) = open_with(config(), LogConfig::default()).await;
        commit_all(&store);
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
        in_world(9, |world, process| async move {
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

/// A second log of the store, which may append while others may not.
async fn log_with_reserve(store: &LogStore) -> Log {
    let partition = PartitionDir {
        topic: "metadata".to_owned(),
        partition: 0,
        topic_id: Uuid([9; 16]),
        config: LogConfig::default(),
    };
    let log = store.create_log(partition).await.unwrap();
    log.use_reserve();
    log
}

/// Below the soft limit, far above nothing: the user's disk when a topic is to be deleted.
#[test]
fn log_with_the_reserve_appends_on_a_full_disk_and_a_deletion_lets_others_go_on() {
    in_world(11, |world, process| async move {
        let config = StoreConfig {
            free_space_bytes_min: 1 << 20,
            ..config()
        };
        let (store, log) = open_with(config, LogConfig::default()).await;
        let reserved = log_with_reserve(&store).await;
        let other = {
            let partition = PartitionDir {
                topic: "other".to_owned(),
                partition: 0,
                topic_id: Uuid([3; 16]),
                config: LogConfig::default(),
            };
            store.create_log(partition).await.unwrap()
        };
        commit_all(&store);
        let capacity = world.with_disk(process, |disk| disk.used_bytes()) + (4 << 20);
        world.with_disk(process, |disk| disk.set_capacity(capacity));

        // Nobody asks for the space meanwhile: growing finds out in time, and leaves the reserve.
        let (bytes, info) = batch(1, 140_000);
        let mut count = 0;
        while log.append(&bytes, &info, 0, 0).is_ok() {
            count += 1;
            assert!(count < 1000, "the disk never fills");
            // One commit for what was accepted in a burst: 1 MiB.
            if count % 8 == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        sleep(Duration::from_secs(1)).await;
        assert!(store.is_disk_full());
        let free = || capacity - world.with_disk(process, |disk| disk.used_bytes());
        assert!(free() >= (1 << 20) / 8, "{} are left", free());
        assert_eq!(
            other.append(&bytes, &info, 0, 0),
            Err(AppendError::DiskFull)
        );

        // More than the rest of a journal file: the reserve gives one more.
        let (small, small_info) = batch(2, 3_000);
        for _ in 0..20 {
            reserved.append(&small, &small_info, 0, 0).unwrap();
            timeout(Duration::from_secs(5), until_kept(&reserved))
                .await
                .expect("the log with the reserve goes on");
        }
        assert!(store.is_disk_full());

        store.delete_log(&log).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        assert!(!store.is_disk_full());
        other.append(&bytes, &info, 0, 0).unwrap();
        timeout(Duration::from_secs(5), until_kept(&other))
            .await
            .expect("the others go on");
    });
}

#[test]
fn reserve_ends_too_and_comes_back_with_the_space() {
    in_world(12, |world, process| async move {
        let (store, _log) = open_with(config(), LogConfig::default()).await;
        let reserved = log_with_reserve(&store).await;
        commit_all(&store);
        let used = world.with_disk(process, |disk| disk.used_bytes());
        // The limits are 4096 and 512 bytes.
        world.with_disk(process, |disk| disk.set_capacity(used + 600));
        store.check_space().unwrap();
        assert!(store.is_disk_full());
        let (bytes, info) = batch(1, 300);
        reserved.append(&bytes, &info, 0, 0).unwrap();
        until_kept(&reserved).await;
        world.with_disk(process, |disk| disk.set_capacity(disk.used_bytes() + 500));
        let refused = reserved.append(&bytes, &info, 0, 0);
        assert_eq!(refused, Err(AppendError::DiskFull));
        world.with_disk(process, |disk| disk.set_capacity(u64::MAX));
        reserved.append(&bytes, &info, 0, 0).unwrap();
        until_kept(&reserved).await;
    });
}

/// What large units and what small ones need is missing: space in a segment, a journal file.
#[test]
fn store_that_closes_on_a_full_disk_ends_and_the_next_start_has_what_was_kept() {
    for (size, burst) in [(3_000, 40), (140_000, 8)] {
        in_world(13, |world, process| async move {
            let (store, log) = open_with(config(), LogConfig::default()).await;
            let loop_store = store.clone();
            let commits = spawn(async move { loop_store.run_commits(|_| {}).await });
            let (bytes, info) = batch(1, size);
            log.append(&bytes, &info, 0, 0).unwrap();
            until_kept(&log).await;
            world.with_disk(process, |disk| disk.set_capacity(disk.used_bytes()));
            for count in 1..400 {
                if log.append(&bytes, &info, 0, 0).is_err() {
                    break;
                }
                if count % burst == 0 {
                    sleep(Duration::from_millis(5)).await;
                }
            }
            sleep(Duration::from_millis(5)).await;
            assert!(store.is_disk_full());
            let kept = log.durable_end_offset();
            let is_waiting = kept < log.log_end_offset();
            assert!(is_waiting || size < 100_000, "nothing waits for space");
            let closed = timeout(Duration::from_secs(30), store.close()).await;
            let error = closed.expect("a stop does not wait for space").unwrap_err();
            assert!(error.is_disk_full(), "{error}");
            assert_eq!(commits.await.unwrap().is_err(), is_waiting);
            drop((store, log));

            world.with_disk(process, |disk| disk.set_capacity(u64::MAX));
            recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
            begin_use(ROOT.as_ref()).await.unwrap();
            let (_store, log) = open_with(config(), LogConfig::default()).await;
            assert!(log.log_end_offset() >= kept, "{size}");
        });
    }
}
