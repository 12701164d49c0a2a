//! A power cut just after a log was cut, on the simulated disk: nothing of the history that was
//! cut off comes back as derived state.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;

use common::{info_of, open};
use engine_log::layout::{SNAPSHOT_SUFFIX, parse_segment_file};
use engine_log::{IoMode, LogConfig, begin_use, recover};
use engine_record::{BatchBuilder, BatchOptions};
use engine_runtime::{Prng, SimOptions, SimWorld};

const ROOT: &str = "/logs";
const CUT_AT: i64 = 3;

/// Rolls a few times, with a producer, and cuts the log.
async fn append_and_cut() {
    let root = Path::new(ROOT);
    engine_runtime::fs::create_dir_all(root).await.unwrap();
    engine_runtime::fs::sync_dir("/").await.unwrap();
    recover(root, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(root).await.unwrap();
    let config = LogConfig {
        segment_size_bytes: 4_000,
        ..LogConfig::default()
    };
    let (store, log) = open(root, config).await;
    let looping = store.clone();
    engine_runtime::spawn(async move { looping.run_commits(|_| {}).await }).detach();
    for sequence in 0..12 {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: sequence,
            ..BatchOptions::default()
        });
        builder.append(1_000, None, Some(&[5; 1_500]), &[]);
        let (bytes, info) = info_of(builder.finish());
        log.append(&bytes, &info, 1, 0).unwrap();
        while log.durable_end_offset() < log.log_end_offset() {
            engine_runtime::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    engine_runtime::sleep(std::time::Duration::from_secs(1)).await;
    log.truncate_to(CUT_AT).await.unwrap();
}

fn snapshots(image: &engine_runtime::image::Image) -> Vec<i64> {
    let folder = Path::new(ROOT).join("topic-0");
    let names = image.children(&folder);
    names
        .filter_map(|(path, _)| parse_segment_file(path.file_name()?.to_str()?, SNAPSHOT_SUFFIX))
        .collect()
}

#[test]
fn a_snapshot_of_what_was_cut_off_does_not_come_back() {
    let world = SimWorld::new(1, SimOptions::default());
    let process = world.add_process("broker");
    world.runtime(process).block_on(append_and_cut());
    let disk = world.with_disk(process, |disk| disk.clone());
    let events = disk.events().len();
    let had_later = (0..events).rev().any(|count| {
        let image = disk.crash_image(count, &mut Prng::new(0));
        snapshots(&image).iter().any(|&offset| offset > CUT_AT)
    });
    assert!(had_later, "the test wants snapshots behind the cut");
    for seed in 0..200 {
        let image = disk.crash_image(events, &mut Prng::new(seed));
        let found = snapshots(&image);
        assert!(found.iter().all(|&offset| offset <= CUT_AT), "{found:?}");
    }
}
