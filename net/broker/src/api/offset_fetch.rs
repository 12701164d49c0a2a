//! OffsetFetch (key 9): what groups have committed. KIP-447, 709, 848.

use std::borrow::Cow;

use engine_base::Uuid;
use net_wire::ErrorCode;
use net_wire::message::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use replication_group::{
    Answer, OffsetFetchPartitionAnswer, OffsetFetchTopic, OffsetFetchTopicAnswer, Request,
};

use super::groups::{ask, code};
use crate::context::Context;

/// Several groups in one request from this version on.
const GROUPS_FROM: i16 = 8;
/// Topics are named by id from this version on.
const IDS_FROM: i16 = 10;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: OffsetFetchRequest<'_>,
) -> OffsetFetchResponse<'static> {
    if context.version() < GROUPS_FROM {
        return fetch_single(context, request).await;
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(fetch_group(context, group, request.require_stable).await);
    }
    OffsetFetchResponse {
        groups,
        ..OffsetFetchResponse::default()
    }
}

/// One group, as all versions from 8 on describe it.
async fn fetch_group(
    context: &Context<'_>,
    group: OffsetFetchRequestGroup<'_>,
    require_stable: bool,
) -> OffsetFetchResponseGroup<'static> {
    let group_id = group.group_id.into_owned();
    let uses_ids = context.version() >= IDS_FROM;
    let mut unknown = Vec::new();
    let topics = group.topics.map(|topics| {
        let known = topics.into_iter().filter_map(|topic| {
            let wanted = wanted(context, &topic, uses_ids);
            if wanted.is_none() {
                unknown.push(unknown_topic(&topic));
            }
            wanted
        });
        known.collect()
    });
    let asks_for_all = topics.is_none();
    let fetch = replication_group::OffsetFetchRequest {
        group_id: group_id.clone(),
        topics,
        require_stable,
    };
    let mut answer = OffsetFetchResponseGroup {
        group_id: group_id.clone().into(),
        ..OffsetFetchResponseGroup::default()
    };
    match ask(context.core, &group_id, Request::OffsetFetch(fetch)).await {
        Ok(Answer::OffsetFetch(Ok(found))) => {
            let found = found.into_iter().filter_map(|topic| {
                // With ids, offsets of a topic that is gone have no name to be told by.
                let id = match context.catalog.topic(&topic.name) {
                    Some(known) if uses_ids => known.id,
                    None if uses_ids && asks_for_all => return None,
                    _ => Uuid::ZERO,
                };
                Some(topic_answer(topic, id))
            });
            answer.topics = found.chain(unknown).collect();
        }
        Ok(Answer::OffsetFetch(Err(error))) => answer.error_code = code(Some(error)),
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => answer.error_code = error_code,
    }
    answer
}

fn wanted(
    context: &Context<'_>,
    topic: &OffsetFetchRequestTopics<'_>,
    uses_ids: bool,
) -> Option<OffsetFetchTopic> {
    let (topic_id, name) = if uses_ids {
        let known = context.catalog.topic_by_id(topic.topic_id)?;
        (known.id, known.name.to_string())
    } else {
        (Uuid::ZERO, topic.name.to_string())
    };
    Some(OffsetFetchTopic {
        topic_id,
        name,
        partitions: topic.partition_indexes.clone(),
    })
}

fn unknown_topic(topic: &OffsetFetchRequestTopics<'_>) -> OffsetFetchResponseTopics<'static> {
    let partitions =
        topic
            .partition_indexes
            .iter()
            .map(|&partition_index| OffsetFetchResponsePartitions {
                partition_index,
                committed_offset: -1,
                committed_leader_epoch: -1,
                metadata: Some("".into()),
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            });
    OffsetFetchResponseTopics {
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..OffsetFetchResponseTopics::default()
    }
}

fn topic_answer(topic: OffsetFetchTopicAnswer, id: Uuid) -> OffsetFetchResponseTopics<'static> {
    OffsetFetchResponseTopics {
        name: topic.name.to_string().into(),
        topic_id: id,
        partitions: topic.partitions.iter().map(partition_answer).collect(),
    }
}

fn partition_answer(
    partition: &OffsetFetchPartitionAnswer,
) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index: partition.partition,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: Some(partition.metadata.to_string().into()),
        error_code: code(partition.error),
    }
}

/// Versions 1 to 7: one group, asked and answered without the list around it.
async fn fetch_single(
    context: &Context<'_>,
    request: OffsetFetchRequest<'_>,
) -> OffsetFetchResponse<'static> {
    let asked = request.topics.clone().unwrap_or_default();
    let topics = request.topics.map(|topics| {
        let convert = |topic: net_wire::message::offset_fetch::OffsetFetchRequestTopic<'_>| {
            OffsetFetchRequestTopics {
                name: Cow::Owned(topic.name.into_owned()),
                partition_indexes: topic.partition_indexes,
                ..OffsetFetchRequestTopics::default()
            }
        };
        topics.into_iter().map(convert).collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics,
        ..OffsetFetchRequestGroup::default()
    };
    let group = fetch_group(context, group, request.require_stable).await;
    let mut response = OffsetFetchResponse::default();
    if group.error_code.is_none() || context.version() >= 2 {
        response.error_code = group.error_code;
        response.topics = group.topics.into_iter().map(single_topic).collect();
        return response;
    }
    // Version 1 has no place for the group's error: every partition carries it.
    let topics = asked.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name.into_owned().into(),
        partitions: topic
            .partition_indexes
            .into_iter()
            .map(|partition_index| OffsetFetchResponsePartition {
                partition_index,
                committed_offset: -1,
                metadata: Some("".into()),
                error_code: group.error_code,
                ..OffsetFetchResponsePartition::default()
            })
            .collect(),
    });
    response.topics = topics.collect();
    response
}

fn single_topic(topic: OffsetFetchResponseTopics<'static>) -> OffsetFetchResponseTopic<'static> {
    let partitions = topic
        .partitions
        .into_iter()
        .map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
        });
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: partitions.collect(),
    }
}
