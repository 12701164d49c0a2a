//! Space that is allocated and not written, in the simulated world. What crashes make of it is the
//! enumeration's to find.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::{batch, open_with, read_all};
use engine_base::ShardId;
use engine_log::{Durability, IoMode, LogConfig, StoreConfig, begin_use, recover};
use engine_runtime::disk::{Fault, FaultOn};
use engine_runtime::{SimOptions, SimWorld, sleep, spawn};

const ROOT: &str = "/logs";
const EIO: i32 = 5;
const EOPNOTSUPP: i32 = 95;
const BATCHES: u64 = 8;

/// Appends a few large units; every allocation of space for segments fails with `errno`. Returns
/// whether all of them were kept.
fn keeps_all(durability: Durability, errno: i32) -> bool {
    let world = Rc::new(SimWorld::new(5, SimOptions::default()));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    runtime.block_on(async move {
        engine_runtime::fs::create_dir_all(ROOT).await.unwrap();
        recover(ROOT.as_ref(), IoMode::Auto, |_| {}).await.unwrap();
        begin_use(ROOT.as_ref()).await.unwrap();
        let mut config = StoreConfig::new(ROOT, ShardId(0));
        config.free_space_bytes_min = 0;
        let log_config = LogConfig {
            durability,
            ..LogConfig::default()
        };
        let (store, log) = open_with(config, log_config).await;
        let loop_store = store.clone();
        spawn(async move { drop(loop_store.run_commits(|_| {}).await) }).detach();
        world.with_disk(process, |disk| {
            disk.inject(Fault {
                path_contains: ".log".to_owned(),
                on: FaultOn::Allocate,
                after: 0,
                count: u32::MAX,
                errno,
            });
        });
        for seed in 0..BATCHES {
            let (bytes, info) = batch(seed, 150_000);
            if log.append(&bytes, &info, 0, 0).is_err() {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
        }
        log.durable_end_offset() == BATCHES as i64 && read_all(&log).await.len() as u64 == BATCHES
    })
}

#[test]
fn logs_that_are_only_written_allocate_space_and_those_that_are_flushed_write_it() {
    assert!(!keeps_all(Durability::Written, EIO));
    assert!(keeps_all(Durability::Flush, EIO));
}

#[test]
fn file_system_that_cannot_allocate_gets_zeroes() {
    assert!(keeps_all(Durability::Written, EOPNOTSUPP));
}
