//! The order of answers, how many requests are in flight, and how a connection ends.

use std::time::Duration;

use engine_runtime::{Slice, Stream, now, sleep};
use net_conn::limits::REQUESTS_IN_FLIGHT_MAX;

use crate::stage::{
    CLOSE, CRITICAL, ECHO, Event, NEVER, PANIC, PIPELINED, SEQUENTIAL, SILENT, Stage, framed,
    receive, send_and_drain,
};

const BUDGET_BYTES: usize = 1 << 20;

fn stream_of(frames: &[[u8; 2]]) -> Vec<u8> {
    frames.iter().flat_map(|frame| framed(frame)).collect()
}

/// Sends frames at once; the answers, and how long they took.
fn answers_to(stage: &Stage, frames: &[[u8; 2]], expected_bytes: usize) -> (Vec<u8>, Duration) {
    let bytes = stream_of(frames);
    stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        let began = now();
        stream.send([Slice::from_vec(bytes)]).await.unwrap();
        let received = receive(&stream, expected_bytes).await;
        (received, now().since(began))
    })
}

#[test]
fn pipelined_requests_overlap_and_are_answered_in_order() {
    let stage = Stage::new(1, BUDGET_BYTES);
    let frames = [
        [PIPELINED, 250],
        [PIPELINED, 10],
        [ECHO, 7],
        [PIPELINED, 200],
    ];
    let expected = stream_of(&frames);
    let (received, took) = answers_to(&stage, &frames, expected.len());
    assert_eq!(received, expected);
    // Each begins in its request's first poll; the sender lets them end one after the other.
    let events = stage.server.events.borrow();
    let began = [250, 10, 200].map(Event::Began);
    assert_eq!(events[..3], began);
    assert!(took >= Duration::from_millis(250), "{took:?}");
    assert!(took < Duration::from_millis(400), "{took:?}");
}

#[test]
fn sequential_requests_see_the_effects_of_those_before_them() {
    let stage = Stage::new(2, BUDGET_BYTES);
    let frames = [[PIPELINED, 100], [SEQUENTIAL, 50], [PIPELINED, 20]];
    let expected = stream_of(&frames);
    let (received, _) = answers_to(&stage, &frames, expected.len());
    assert_eq!(received, expected);
    let events = stage.server.events.borrow();
    let in_turn: Vec<Event> = [100, 50, 20]
        .into_iter()
        .flat_map(|number| [Event::Began(number), Event::Ended(number)])
        .collect();
    assert_eq!(*events, in_turn);
}

#[test]
fn a_request_without_answer_leaves_no_gap() {
    let stage = Stage::new(3, BUDGET_BYTES);
    let frames = [[ECHO, 1], [SILENT, 2], [SILENT, 3], [ECHO, 4]];
    let expected = stream_of(&[[ECHO, 1], [ECHO, 4]]);
    let (received, _) = answers_to(&stage, &frames, expected.len());
    assert_eq!(received, expected);
}

#[test]
fn requests_in_flight_are_bounded() {
    let stage = Stage::new(4, BUDGET_BYTES);
    let frames = vec![[NEVER, 0]; 3 * REQUESTS_IN_FLIGHT_MAX];
    let bytes = stream_of(&frames);
    stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        stream.send([Slice::from_vec(bytes)]).await.unwrap();
        sleep(Duration::from_secs(5)).await;
    });
    let begun = stage.server.events.borrow().len();
    assert_eq!(begun, REQUESTS_IN_FLIGHT_MAX);
}

#[test]
fn a_close_lets_the_answers_before_it_leave_and_drops_the_rest() {
    for seed in 0..10 {
        let stage = Stage::new(seed, BUDGET_BYTES);
        let frames = [
            [ECHO, 1],
            [PIPELINED, 30],
            [ECHO, 2],
            [CLOSE, 0],
            [ECHO, 3],
            [NEVER, 0],
        ];
        let bytes = stream_of(&frames);
        let (received, _) = stage.peer(|address| send_and_drain(address, bytes));
        assert_eq!(received, stream_of(&frames[..3]), "seed {seed}");
        stage.world.run_for(Duration::from_secs(1));
        assert_eq!(stage.connection_count(), 0);
        assert_eq!(stage.server.budget.used_bytes(), 0);
    }
}

#[test]
fn a_panic_in_a_handler_ends_its_connection_and_no_other() {
    let stage = Stage::new(5, BUDGET_BYTES);
    let other = stage.begin_peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        stream
            .send([Slice::from_vec(framed(&[ECHO, 9]))])
            .await
            .unwrap();
        receive(&stream, 6).await
    });
    let bytes = stream_of(&[[ECHO, 1], [PANIC, 0], [ECHO, 2]]);
    let (received, _) = stage.peer(|address| send_and_drain(address, bytes));
    assert_eq!(received, framed(&[ECHO, 1]));
    let is_over = || other.is_finished();
    assert!(stage.world.run_until(Duration::from_secs(5), is_over));
    assert_eq!(other.result(), Some(framed(&[ECHO, 9])));
}

#[test]
fn a_critical_panic_in_a_handler_stops_the_process() {
    let stage = Stage::new(6, BUDGET_BYTES);
    let bytes = stream_of(&[[ECHO, 1], [CRITICAL, 0], [ECHO, 2]]);
    let peer = stage.begin_peer(move |address| {
        let bytes = bytes.clone();
        async move { drop(send_and_drain(address, bytes).await) }
    });
    let is_over = || peer.is_finished() || !stage.exits().is_empty();
    assert!(stage.world.run_until(Duration::from_secs(5), is_over));
    assert_eq!(stage.exits(), ["offsets went back"]);
}
