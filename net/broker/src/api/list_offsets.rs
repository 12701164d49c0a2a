//! ListOffsets (key 2): offsets by time. KIP-79, 320, 405, 734, 1005, 1023.

use std::rc::Rc;

use net_wire::ErrorCode;
use net_wire::message::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use replication_partition::{Isolation, Partition};

use crate::context::Context;
use crate::core::Core;
use crate::read::{epoch_error, read_error};
use crate::scatter::{Item, scatter};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The first offset on the broker's own disk; without remote storage the log's first.
const EARLIEST_LOCAL: i64 = -4;
/// The last offset in remote storage: none here.
const LATEST_TIERED: i64 = -5;
/// The first offset that waits for its upload: none here.
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// An ordinary consumer; other negative ids are debugging tools that see the log's end.
const CONSUMER: i32 = -1;

/// What is asked of one partition.
#[derive(Clone, Copy)]
struct Question {
    timestamp: i64,
    current_leader_epoch: i32,
}

pub(crate) async fn handle(
    context: &Context<'_>,
    request: ListOffsetsRequest<'_>,
) -> ListOffsetsResponse<'static> {
    let isolation = match (request.replica_id, request.isolation_level) {
        (CONSUMER, 0) => Isolation::HighWatermark,
        (CONSUMER, _) => Isolation::LastStable,
        _ => Isolation::LogEnd,
    };
    let mut items: Vec<Item<Question>> = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = context.catalog.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition_index;
            let id = known.filter(|topic| topic.partition_image(index).is_some());
            if let Some(topic) = id {
                let (timestamp, current_leader_epoch) =
                    (partition.timestamp, partition.current_leader_epoch);
                items.push((
                    topic.partition(index),
                    Question {
                        timestamp,
                        current_leader_epoch,
                    },
                ));
            }
            partitions.push((index, id.is_some()));
        }
        topics.push((topic.name.into_owned(), partitions));
    }
    let version = context.version();
    let answers = scatter(context.core, items, move |core, items| {
        answer_on_owner(core, items, isolation, version)
    });
    let mut answers = answers.await.into_iter();
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| ListOffsetsTopicResponse {
            name: name.into(),
            partitions: partitions
                .into_iter()
                .map(|(index, is_known)| {
                    let mut answer = if is_known {
                        let answer = answers.next().expect("one for each item");
                        answer.unwrap_or_else(|| failed(ErrorCode::NOT_LEADER_OR_FOLLOWER))
                    } else {
                        failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                    };
                    answer.partition_index = index;
                    answer
                })
                .collect(),
        });
    ListOffsetsResponse {
        topics: topics.collect(),
        ..ListOffsetsResponse::default()
    }
}

async fn answer_on_owner(
    core: Rc<Core>,
    items: Vec<Item<Question>>,
    isolation: Isolation,
    version: i16,
) -> Vec<ListOffsetsPartitionResponse> {
    let mut answers = Vec::with_capacity(items.len());
    for (id, question) in items {
        answers.push(match core.partition(id) {
            Some(partition) => answer(&partition, question, isolation, version)
                .await
                .unwrap_or_else(failed),
            None => failed(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        });
    }
    answers
}

async fn answer(
    partition: &Partition,
    question: Question,
    isolation: Isolation,
    version: i16,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    partition
        .check_leader_epoch(question.current_leader_epoch)
        .map_err(epoch_error)?;
    let end_offset = partition.end_offset(isolation);
    let start_offset = partition.log_start_offset();
    let found = match question.timestamp {
        LATEST => Some((-1, end_offset, partition.leader_epoch())),
        EARLIEST => Some((-1, start_offset, epoch_of(partition, start_offset))),
        EARLIEST_LOCAL if version >= 8 => {
            Some((-1, start_offset, epoch_of(partition, start_offset)))
        }
        MAX_TIMESTAMP if version >= 7 => {
            let found = partition.log().offset_of_max_timestamp(end_offset).await;
            let found = found.map_err(|error| read_error(partition, &error))?;
            found.map(|found| (found.timestamp, found.offset, found.leader_epoch))
        }
        LATEST_TIERED if version >= 9 => None,
        EARLIEST_PENDING_UPLOAD if version >= 11 => None,
        timestamp if timestamp < 0 => return Err(ErrorCode::UNSUPPORTED_VERSION),
        timestamp => {
            let found = partition
                .log()
                .offset_for_timestamp(timestamp, end_offset)
                .await;
            let found = found.map_err(|error| read_error(partition, &error))?;
            found.map(|found| (found.timestamp, found.offset, found.leader_epoch))
        }
    };
    let Some((timestamp, offset, leader_epoch)) = found else {
        return Ok(ListOffsetsPartitionResponse::default());
    };
    Ok(ListOffsetsPartitionResponse {
        timestamp,
        offset,
        leader_epoch: if version >= 4 { leader_epoch } else { -1 },
        ..ListOffsetsPartitionResponse::default()
    })
}

/// The leader epoch that an offset was written in, or -1.
fn epoch_of(partition: &Partition, offset: i64) -> i32 {
    partition.log().epoch_for_offset(offset).unwrap_or(-1)
}

fn failed(error_code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        error_code,
        ..ListOffsetsPartitionResponse::default()
    }
}
