//! Append, commit and read on the real ring, small and large units, with rolls.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Directory, batch, open, read_all, run};
use engine_log::{LogConfig, ReadRequest};

#[test]
fn what_was_committed_is_read_back_from_memory_and_from_disk() {
    let directory = Directory::new("append-read");
    let path = directory.path().to_path_buf();
    run(async move {
        let config = LogConfig {
            segment_size_bytes: 300_000,
            ..LogConfig::default()
        };
        let (store, log) = open(&path, config).await;
        let loop_store = store.clone();
        let commits = engine_runtime::spawn(async move { loop_store.run_commits(|_| {}).await });
        let mut expected = Vec::new();
        for round in 0..60_usize {
            let size = [10, 500, 5_000, 140_000][round % 4];
            let (bytes, info) = batch(round as u64, size);
            let appended = log.append(&bytes, &info, 3, 0).unwrap();
            assert_eq!(appended.base_offset, round as i64);
            expected.push((appended.base_offset, bytes));
            if round % 7 == 0 {
                while log.durable_end_offset() < log.log_end_offset() {
                    engine_runtime::yield_now().await;
                }
            }
        }
        while log.durable_end_offset() < log.log_end_offset() {
            engine_runtime::yield_now().await;
        }
        assert_eq!(log.log_end_offset(), 60);
        let found = read_all(&log).await;
        assert_eq!(found.len(), expected.len());
        for ((offset, original), stored) in expected.iter().zip(&found) {
            assert_eq!(stored[8..12], original[8..12]);
            assert_eq!(stored[..8], offset.to_be_bytes());
            assert_eq!(stored[12..16], 3_i32.to_be_bytes());
            assert_eq!(stored[16..], original[16..]);
        }
        let request = ReadRequest {
            from_offset: 60,
            size_bytes_max: 100,
            min_one_batch: true,
            upper_bound_offset: 60,
        };
        assert_eq!(log.read(request).await.unwrap().size_bytes, 0);
        drop(commits);
    });
}
