//! How bytes become frames, and what memory they take on the way.

use std::time::Duration;

use engine_runtime::{SimShard, Slice, Stream, sleep};

use crate::stage::{ECHO, FRAME_SIZE_BYTES_MAX, Stage, framed, receive, send_and_drain};

const BUDGET_BYTES: usize = 8 << 20;

fn echo(size_bytes: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..size_bytes).map(|at| at as u8).collect();
    if let Some(order) = frame.first_mut() {
        *order = ECHO;
    }
    framed(&frame)
}

/// Sends `bytes` in parts with a pause between them; every frame comes back.
fn assert_echoed(stage: &Stage, bytes: &[u8], cuts: &[usize]) {
    let mut parts = Vec::new();
    let mut from = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        parts.push(bytes[from..cut].to_vec());
        from = cut;
    }
    let size_bytes = bytes.len();
    let received = stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        for part in parts {
            if !part.is_empty() {
                stream.send([Slice::from_vec(part)]).await.unwrap();
            }
            sleep(Duration::from_millis(2)).await;
        }
        receive(&stream, size_bytes).await
    });
    assert!(received == bytes, "cut at {cuts:?}");
}

#[test]
fn a_stream_of_small_frames_may_be_cut_anywhere() {
    let stage = Stage::new(1, BUDGET_BYTES);
    let bytes: Vec<u8> = [0, 1, 5, 0, 40, 3].into_iter().flat_map(echo).collect();
    for cut in 0..bytes.len() {
        assert_echoed(&stage, &bytes, &[cut]);
    }
    let each: Vec<usize> = (1..bytes.len()).collect();
    assert_echoed(&stage, &bytes, &each);
}

#[test]
fn large_frames_among_small_ones_may_be_cut_anywhere() {
    let stage = Stage::new(2, BUDGET_BYTES);
    let sizes = [3, 70_000, 1, 0, 300_000, 65_532, 2, 65_533];
    let bytes: Vec<u8> = sizes.into_iter().flat_map(echo).collect();
    let mut ends = vec![0];
    for size in sizes {
        ends.push(ends[ends.len() - 1] + size + 4);
    }
    ends.pop();
    for end in ends {
        for cut in [
            end + 1,
            end + 3,
            end + 4,
            end + 5,
            end + 2_048,
            end + 65_536,
        ] {
            if cut < bytes.len() {
                assert_echoed(&stage, &bytes, &[cut]);
            }
        }
    }
}

#[test]
fn a_length_that_cannot_be_ends_the_connection_after_the_answers_before_it() {
    let stage = Stage::new(3, BUDGET_BYTES);
    for announced in [-1, i32::MIN, FRAME_SIZE_BYTES_MAX as i32 + 1, i32::MAX] {
        let mut bytes = echo(10);
        bytes.extend_from_slice(&announced.to_be_bytes());
        bytes.extend_from_slice(b"whatever");
        let (received, _) = stage.peer(|address| send_and_drain(address, bytes));
        assert_eq!(received, echo(10), "{announced}");
    }
    let largest = echo(FRAME_SIZE_BYTES_MAX);
    assert_echoed(&stage, &largest, &[]);
}

#[test]
fn an_announcement_reserves_nothing() {
    let stage = Stage::new(4, BUDGET_BYTES);
    let budget = stage.server.budget.clone();
    for arrived_bytes in [0, 10, 100_000, 400_000] {
        let mut bytes = (FRAME_SIZE_BYTES_MAX as u32).to_be_bytes().to_vec();
        bytes.resize(4 + arrived_bytes, 0);
        let seen = budget.clone();
        let held = stage.peer(|address| async move {
            let stream = Stream::connect(address).await.unwrap();
            stream.send([Slice::from_vec(bytes)]).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            seen.used_bytes()
        });
        assert!(
            held <= 2 * (arrived_bytes + 4),
            "{held} held for {arrived_bytes}"
        );
        // The peer is gone, and what it held.
        stage.world.run_for(Duration::from_secs(1));
        assert_eq!(budget.used_bytes(), 0);
    }
}

#[test]
fn frames_that_fill_the_budget_together_are_all_served() {
    for seed in 0..3 {
        let stage = Stage::new(seed, FRAME_SIZE_BYTES_MAX);
        let peers: Vec<SimShard<usize>> = (0..8)
            .map(|_| {
                stage.begin_peer(|address| async move {
                    let bytes = echo(700_000);
                    let size_bytes = bytes.len();
                    let stream = Stream::connect(address).await.unwrap();
                    stream.send([Slice::from_vec(bytes)]).await.unwrap();
                    receive(&stream, size_bytes).await.len()
                })
            })
            .collect();
        let are_over = || peers.iter().all(SimShard::is_finished);
        let in_time = stage.world.run_until(Duration::from_secs(20), are_over);
        assert!(in_time, "seed {seed}: no frame gets the rest of its memory");
        for peer in peers {
            assert_eq!(peer.result(), Some(700_004));
        }
        stage.world.run_for(Duration::from_secs(1));
        assert_eq!(stage.server.budget.used_bytes(), 0);
    }
}
