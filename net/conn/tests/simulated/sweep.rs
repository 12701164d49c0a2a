//! Connections that do nothing, or too slowly, are closed; others are not.

use std::time::Duration;

use engine_runtime::{Slice, Stream, now, sleep};
use net_conn::limits::FRAME_TIME_MAX;

use crate::stage::{ECHO, IDLE_MAX, PIPELINED, Stage, framed, receive, send_and_drain};

const BUDGET_BYTES: usize = 1 << 20;
/// The sweep's interval, the way of the news, and more than enough.
const LATE: Duration = Duration::from_secs(3);

#[test]
fn an_idle_connection_is_closed() {
    let stage = Stage::new(1, BUDGET_BYTES);
    let (received, took) = stage.peer(|address| send_and_drain(address, framed(&[ECHO, 1])));
    assert_eq!(received, framed(&[ECHO, 1]));
    assert!(took >= IDLE_MAX && took < IDLE_MAX + LATE, "{took:?}");
    assert_eq!(stage.connection_count(), 0);
}

#[test]
fn a_connection_that_asks_now_and_then_stays() {
    let stage = Stage::new(2, BUDGET_BYTES);
    stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        for round in 0..10 {
            sleep(IDLE_MAX - LATE).await;
            let frame = framed(&[PIPELINED, round]);
            stream.send([Slice::from_vec(frame.clone())]).await.unwrap();
            assert_eq!(receive(&stream, frame.len()).await, frame);
        }
    });
}

#[test]
fn a_sender_of_a_byte_a_second_is_cut_off() {
    let stage = Stage::new(3, BUDGET_BYTES);
    let took = stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        let began = now();
        let frame = framed(&[ECHO; 1000]);
        for byte in frame {
            if stream.send([Slice::from_vec(vec![byte])]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        now().since(began)
    });
    assert!(took >= FRAME_TIME_MAX, "{took:?}");
    assert!(took < FRAME_TIME_MAX + LATE, "{took:?}");
}

#[test]
fn a_slow_but_steady_sender_is_waited_for() {
    let stage = Stage::new(4, BUDGET_BYTES);
    let frame = framed(&vec![ECHO; 200_000]);
    let size_bytes = frame.len();
    let received = stage.peer(|address| async move {
        let stream = Stream::connect(address).await.unwrap();
        for part in frame.chunks(2_048) {
            let part = Slice::from_vec(part.to_vec());
            stream.send([part]).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        receive(&stream, size_bytes).await.len()
    });
    assert_eq!(received, size_bytes);
}

#[test]
fn a_sender_that_waits_for_our_memory_is_not_slow() {
    let stage = Stage::new(5, BUDGET_BYTES);
    let budget = stage.server.budget.clone();
    let frame = framed(&vec![ECHO; 200_000]);
    let size_bytes = frame.len();
    let received = stage.peer(|address| async move {
        let mut others = budget.reservation();
        others.grow_to(BUDGET_BYTES).await;
        let stream = Stream::connect(address).await.unwrap();
        stream.send([Slice::from_vec(frame)]).await.unwrap();
        sleep(10 * FRAME_TIME_MAX).await;
        drop(others);
        receive(&stream, size_bytes).await.len()
    });
    assert_eq!(received, size_bytes);
}
