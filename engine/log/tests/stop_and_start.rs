//! Clean stops, ends without one, and starts after both, on the real ring.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;

use common::{Directory, batch, open, read_all, reopen, run};
use engine_log::{AppendError, Found, IoMode, LogConfig, begin_use, complete_clean_stop, recover};
use engine_record::validate::Origin;
use engine_record::{BatchBuilder, BatchInfo, BatchOptions};
use engine_runtime::fs;

async fn append_some(path: &Path, config: LogConfig, is_first: bool, stops: bool) -> Vec<Vec<u8>> {
    recover(path, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(path).await.unwrap();
    let (store, log) = if is_first {
        open(path, config).await
    } else {
        reopen(path, config).await
    };
    let loop_store = store.clone();
    let commits = engine_runtime::spawn(async move { loop_store.run_commits(|_| {}).await });
    for round in 0..40_usize {
        let size = [10, 500, 5_000, 140_000][round % 4];
        let (bytes, info) = batch(round as u64, size);
        while log.append(&bytes, &info, 3, 0).is_err() {
            log.ready_to_append().await.unwrap();
        }
        if round % 5 == 0 {
            while log.durable_end_offset() < log.log_end_offset() {
                engine_runtime::yield_now().await;
            }
        }
    }
    while log.durable_end_offset() < log.log_end_offset() {
        engine_runtime::yield_now().await;
    }
    let found = read_all(&log).await;
    if stops {
        let closed = store.close().await.unwrap();
        commits.await.unwrap().unwrap();
        complete_clean_stop(path, vec![closed], &[], None)
            .await
            .unwrap();
    }
    found
}

fn starts_again(name: &str, stops: bool) {
    let directory = Directory::new(name);
    let path = directory.path().to_path_buf();
    let config = LogConfig {
        segment_size_bytes: 300_000,
        ..LogConfig::default()
    };
    let mut kept = Vec::new();
    for start in 0..4 {
        let (path, config) = (path.clone(), config.clone());
        let found = run(async move { append_some(&path, config, start == 0, stops).await });
        assert!(found.starts_with(&kept), "start {start}");
        assert_eq!(found.len(), kept.len() + 40);
        kept = found;
    }
    let report = run({
        let path = path.clone();
        async move { recover(&path, IoMode::Auto, |_| {}).await.unwrap() }
    });
    assert_eq!(
        report.found,
        if stops {
            Found::CleanStop
        } else {
            Found::OurCrash
        }
    );
    let again = run(async move { recover(&path, IoMode::Auto, |_| {}).await.unwrap() });
    assert_eq!(again.found, Found::CleanStop);
}

#[test]
fn everything_is_there_after_clean_stops() {
    starts_again("clean-stop", true);
}

#[test]
fn everything_kept_is_there_after_the_process_ends() {
    starts_again("no-stop", false);
}

/// A batch of one record, the `sequence`th of producer 9.
fn producer_batch(sequence: i32) -> (Vec<u8>, BatchInfo) {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: 9,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchOptions::default()
    });
    builder.append(1_000, None, Some(b"value"), &[]);
    common::info_from(Origin::Client, builder.finish())
}

/// Starts a store, appends the batches with these sequences, waits until they are kept, and stops or
/// ends. Returns their offsets.
async fn append_as_producer(
    path: &Path,
    sequences: &[i32],
    is_first: bool,
    stops: bool,
) -> Vec<i64> {
    recover(path, IoMode::Auto, |_| {}).await.unwrap();
    begin_use(path).await.unwrap();
    let config = LogConfig::default();
    let (store, log) = if is_first {
        open(path, config).await
    } else {
        reopen(path, config).await
    };
    let loop_store = store.clone();
    let commits = engine_runtime::spawn(async move { loop_store.run_commits(|_| {}).await });
    engine_runtime::yield_now().await; // the loop begins
    let mut offsets = Vec::new();
    for &sequence in sequences {
        let (bytes, info) = producer_batch(sequence);
        let appended = loop {
            match log.append(&bytes, &info, 0, 0) {
                Err(AppendError::Busy) => log.ready_to_append().await.unwrap(),
                appended => break appended.unwrap(),
            }
        };
        offsets.push(appended.base_offset);
    }
    while log.durable_end_offset() < log.log_end_offset() {
        engine_runtime::yield_now().await;
    }
    if stops {
        let closed = store.close().await.unwrap();
        commits.await.unwrap().unwrap();
        complete_clean_stop(path, vec![closed], &[], None)
            .await
            .unwrap();
    }
    offsets
}

#[test]
fn a_resent_batch_is_known_after_a_start() {
    for (name, stops) in [("resent-clean", true), ("resent-crash", false)] {
        let directory = Directory::new(name);
        // Each batch is sent before the end and once more after it.
        for (start, sequence, expected) in [(0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 1, 1)] {
            let path = directory.path().to_path_buf();
            let offsets =
                run(async move { append_as_producer(&path, &[sequence], start == 0, stops).await });
            assert_eq!(offsets, [expected], "{name}, start {start}");
        }
    }
}

/// A producer sends again whatever was under way: five batches at most, the oldest first. It may come
/// to that only after another crash.
#[test]
fn five_resent_batches_are_known_after_one_crash_and_after_two() {
    for crashes in [1, 2] {
        let directory = Directory::new(&format!("resent-five-{crashes}"));
        let lives = [vec![0, 1, 2, 3, 4], vec![], vec![0, 1, 2, 3, 4, 5]];
        let lives = lives.iter().filter(|life| crashes == 2 || !life.is_empty());
        for (start, life) in lives.enumerate() {
            let (path, sequences) = (directory.path().to_path_buf(), life.clone());
            let offsets =
                run(async move { append_as_producer(&path, &sequences, start == 0, false).await });
            let expected: Vec<_> = life.iter().map(|&sequence| i64::from(sequence)).collect();
            assert_eq!(offsets, expected, "{crashes} crashes, start {start}");
        }
    }
}

#[test]
fn start_offsets_of_what_is_no_partition_are_passed_over() {
    let directory = Directory::new("foreign-start-offsets");
    let path = directory.path().to_path_buf();
    let offset = run(async move {
        append_as_producer(&path, &[0], true, true).await;
        let offsets = "0\n4\n../../etc 0 5\na/b 0 7\nevents -1 9\nelsewhere 0 3\n";
        let checkpoint = path.join("log-start-offset-checkpoint");
        fs::write_file_atomic(checkpoint, offsets.as_bytes().to_vec())
            .await
            .unwrap();
        append_as_producer(&path, &[1], false, true).await
    });
    assert_eq!(offset, [1]);
}
