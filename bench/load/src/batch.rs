//! Batches and requests that are encoded once and sent many times.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use engine_record::{BatchBuilder, BatchOptions};
use net_wire::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use net_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};

use crate::args::Shape;
use crate::connection::{answer, frame};
use crate::failure::{Failure, check};

/// The newest version that names topics by name.
pub(crate) const PRODUCE_VERSION: i16 = 12;
/// The same of Fetch.
pub(crate) const FETCH_VERSION: i16 = 12;
const TIMEOUT_MS: i32 = 30_000;

/// Wall-clock time as batches carry it.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit for ages")
}

/// Records in a batch of this shape.
pub(crate) fn record_count(shape: Shape) -> usize {
    (shape.batch_bytes / shape.record_bytes.max(1)).max(1)
}

/// A batch of this shape. The values are half random: they compress as real ones do.
pub(crate) fn build(shape: Shape) -> Vec<u8> {
    let mut state = 1_u64;
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let now = now_ms();
    for _ in 0..record_count(shape) {
        let value: Vec<u8> = (0..shape.record_bytes)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                u8::try_from(state >> 60).expect("four bits")
            })
            .collect();
        builder.append(now, None, Some(&value), &[]);
    }
    builder.finish()
}

/// A Produce request for one partition, as it goes to the socket.
pub(crate) fn produce_frame(
    topic: &str,
    partition: i32,
    batch: &[u8],
    acks: i16,
) -> Result<Vec<u8>, Failure> {
    let request = ProduceRequest {
        acks,
        timeout_ms: TIMEOUT_MS,
        topic_data: vec![TopicProduceData {
            name: Cow::Borrowed(topic),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(Cow::Borrowed(batch)),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    frame(&request, PRODUCE_VERSION)
}

/// Checks an answer to Produce.
pub(crate) fn check_produced(frame: &[u8]) -> Result<(), Failure> {
    let response: ProduceResponse<'_> = answer::<ProduceRequest<'_>>(frame, PRODUCE_VERSION)?;
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    partitions.try_for_each(|partition| check("Produce", partition.error_code))
}

/// What a Fetch request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchOptions {
    pub(crate) max_wait_ms: i32,
    pub(crate) max_bytes: i32,
}

/// A Fetch request without a session.
pub(crate) fn fetch_frame(
    topic: &str,
    partitions: &[(i32, i64)],
    options: FetchOptions,
) -> Result<Vec<u8>, Failure> {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: options.max_bytes,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: options.max_wait_ms,
        min_bytes: 1,
        max_bytes: options.max_bytes,
        topics: vec![FetchTopic {
            topic: Cow::Borrowed(topic),
            partitions: partitions.iter().map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    frame(&request, FETCH_VERSION)
}
