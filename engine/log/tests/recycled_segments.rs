//! Segment files that are given up and written again, in the simulated world.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use common::{batch, open_with, read_all};
use engine_base::ShardId;
use engine_log::{
    IoMode, Log, LogConfig, LogStore, StoreConfig, begin_use, complete_clean_stop, recover,
};
use engine_runtime::{ProcessId, SimOptions, SimWorld, fs, sleep, spawn};

const ROOT: &str = "/logs";
/// One batch of [`VALUE`] bytes fills more than half of a segment, two do not fit.
const SEGMENT: u64 = 200_000;
const VALUE: usize = 150_000;

fn store_config() -> StoreConfig {
    let mut config = StoreConfig::new(ROOT, ShardId(3));
    config.free_space_bytes_min = 4 << 10;
    config.sizes.journal_first_file_size_bytes = 256 << 10;
    config.sizes.journal_file_size_bytes = 256 << 10;
    config.pool_file_size_bytes_min = 4 << 10;
    config
}

fn in_world(test: impl AsyncFnOnce(Rc<SimWorld>, ProcessId) + 'static) {
    let world = Rc::new(SimWorld::new(11, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        fs::create_dir_all(ROOT).await.unwrap();
        recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        begin_use(ROOT.as_ref()).await.unwrap();
        test(world, process).await;
    });
}

async fn start(config: StoreConfig) -> (LogStore, Log) {
    let log_config = LogConfig {
        segment_size_bytes: SEGMENT,
        ..LogConfig::default()
    };
    let (store, log) = open_with(config, log_config).await;
    let loop_store = store.clone();
    spawn(async move { loop_store.run_commits(|_| {}).await.unwrap() }).detach();
    (store, log)
}

async fn append(log: &Log, seed: u64) {
    let (bytes, info) = batch(seed, VALUE);
    log.append(&bytes, &info, 0, 0).unwrap();
    while log.durable_end_offset() < log.log_end_offset() {
        sleep(Duration::from_millis(1)).await;
    }
    // What is full is sealed in the background.
    sleep(Duration::from_millis(50)).await;
}

async fn pool_files() -> Vec<String> {
    let entries = fs::read_dir(ROOT).await.unwrap();
    let names = entries
        .iter()
        .map(|entry| entry.name.to_string_lossy().into_owned());
    names
        .filter(|name| name.starts_with("ottla-pool-"))
        .collect()
}

async fn size_of(path: PathBuf) -> u64 {
    let entries = fs::read_dir(path.parent().unwrap()).await.unwrap();
    let name = path.file_name().unwrap();
    entries.iter().find(|it| it.name == name).unwrap().len
}

fn segment(base_offset: i64) -> PathBuf {
    Path::new(ROOT).join(format!("topic-0/{base_offset:020}.log"))
}

#[test]
fn trimmed_segment_is_written_again_and_serves_only_what_it_got() {
    in_world(async |_, _| {
        let (store, log) = start(store_config()).await;
        append(&log, 0).await;
        append(&log, 1).await;
        assert_eq!(pool_files().await, Vec::<String>::new());
        log.trim_before(1).await.unwrap();
        assert_eq!(pool_files().await, ["ottla-pool-3-1"]);

        append(&log, 2).await;
        assert_eq!(pool_files().await, Vec::<String>::new());
        let data = batch(2, VALUE).0.len() as u64;
        let recycled = size_of(segment(2)).await;
        assert!(recycled >= data, "{recycled}");
        assert!(recycled.is_multiple_of(4096));
        assert_eq!(read_all(&log).await.len(), 2);

        // A log begins small: what was its only segment is kept for one that fills up.
        log.trim_before(2).await.unwrap();
        assert_eq!(pool_files().await, ["ottla-pool-3-2"]);
        let closed = store.close().await.unwrap();
        complete_clean_stop(ROOT.as_ref(), vec![closed], &[], None)
            .await
            .unwrap();
        assert_eq!(pool_files().await, Vec::<String>::new());
        assert_eq!(size_of(segment(2)).await, data);
    });
}

#[test]
fn deleted_and_cut_logs_give_their_segments_too() {
    in_world(async |_, _| {
        let (store, log) = start(store_config()).await;
        for seed in 0..4 {
            append(&log, seed).await;
        }
        log.truncate_to(2).await.unwrap();
        assert_eq!(
            pool_files().await.len(),
            1,
            "segment 3; 2 is cut to nothing"
        );
        append(&log, 5).await;
        assert_eq!(
            pool_files().await.len(),
            0,
            "it takes the place of segment 2"
        );
        assert_eq!(read_all(&log).await.len(), 3);
        store.delete_log(&log).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        assert_eq!(pool_files().await.len(), 3);
    });
}

#[test]
fn pool_is_bounded_and_gives_its_space_back_when_it_runs_low() {
    in_world(async |world, process| {
        let mut config = store_config();
        config.pool_size_bytes_max = 2 * SEGMENT;
        let (store, log) = start(config).await;
        for seed in 0..5 {
            append(&log, seed).await;
        }
        log.trim_before(4).await.unwrap();
        assert_eq!(pool_files().await.len(), 2);
        let used = world.with_disk(process, |disk| disk.used_bytes());
        world.with_disk(process, |disk| disk.set_capacity(used));
        store.check_space().unwrap();
        assert!(!store.is_disk_full(), "what the pool holds is enough");
        sleep(Duration::from_secs(2)).await;
        assert!(pool_files().await.len() < 2);
        append(&log, 5).await;
    });
}
