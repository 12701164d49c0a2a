//! OffsetForLeaderEpoch (key 23): where an epoch ends; how clients notice that a log was cut.
//! KIP-101, 279, 320.

use std::rc::Rc;

use net_wire::ErrorCode;
use net_wire::message::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
};

use crate::context::Context;
use crate::core::Core;
use crate::read::epoch_error;
use crate::scatter::{Item, scatter};

/// The client's epoch and the one it asks about.
#[derive(Clone, Copy)]
struct Question {
    current_leader_epoch: i32,
    leader_epoch: i32,
}

pub(crate) async fn handle(
    context: &Context<'_>,
    request: OffsetForLeaderEpochRequest<'_>,
) -> OffsetForLeaderEpochResponse<'static> {
    let mut items: Vec<Item<Question>> = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = context.catalog.topic(&topic.topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let index = partition.partition;
            let found = known.filter(|topic| topic.partition_image(index).is_some());
            if let Some(topic) = found {
                let question = Question {
                    current_leader_epoch: partition.current_leader_epoch,
                    leader_epoch: partition.leader_epoch,
                };
                items.push((topic.partition(index), question));
            }
            partitions.push((index, found.is_some()));
        }
        topics.push((topic.topic.into_owned(), partitions));
    }
    let mut answers = scatter(context.core, items, answer_on_owner)
        .await
        .into_iter();
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| OffsetForLeaderTopicResult {
            topic: name.into(),
            partitions: partitions
                .into_iter()
                .map(|(partition, is_known)| {
                    let answer = if is_known {
                        let answer = answers.next().expect("one for each item");
                        answer.unwrap_or_else(|| failed(ErrorCode::NOT_LEADER_OR_FOLLOWER))
                    } else {
                        failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                    };
                    EpochEndOffset {
                        partition,
                        ..answer
                    }
                })
                .collect(),
        });
    OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

async fn answer_on_owner(core: Rc<Core>, items: Vec<Item<Question>>) -> Vec<EpochEndOffset> {
    let answer = |(id, question): Item<Question>| {
        let Some(partition) = core.partition(id) else {
            return failed(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        };
        if let Err(error) = partition.check_leader_epoch(question.current_leader_epoch) {
            return failed(epoch_error(error));
        }
        match partition.log().end_offset_for_epoch(question.leader_epoch) {
            Some(end) => EpochEndOffset {
                leader_epoch: end.leader_epoch,
                end_offset: end.end_offset,
                ..EpochEndOffset::default()
            },
            None => EpochEndOffset::default(),
        }
    };
    items.into_iter().map(answer).collect()
}

fn failed(error_code: ErrorCode) -> EpochEndOffset {
    EpochEndOffset {
        error_code,
        ..EpochEndOffset::default()
    }
}
