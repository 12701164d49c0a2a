//! OffsetCommit (key 8): where a group's members have read to. KIP-211, 320, 345, 848.

use engine_base::Uuid;
use net_wire::ErrorCode;
use net_wire::message::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use replication_group::{Answer, OffsetCommitPartition, OffsetCommitTopic, Request, TopicAnswer};

use super::groups::{ask, code, owned};
use crate::catalog::{Catalog, Topic};
use crate::context::Context;

/// Topics are named by id from this version on.
const IDS_FROM: i16 = 10;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: OffsetCommitRequest<'_>,
) -> OffsetCommitResponse<'static> {
    let uses_ids = context.version() >= IDS_FROM;
    let group_id = request.group_id.into_owned();
    let mut answer = Vec::with_capacity(request.topics.len());
    let mut known = Vec::new();
    for topic in request.topics {
        answer.push(refused(&topic, uses_ids));
        if let Some(commit) = commit_of(&context.catalog, topic, uses_ids) {
            known.push((answer.len() - 1, commit));
        }
    }
    let commit = replication_group::OffsetCommitRequest {
        group_id: group_id.clone(),
        generation_id: request.generation_id_or_member_epoch,
        member_id: request.member_id.into_owned(),
        group_instance_id: owned(request.group_instance_id),
        retention_time_ms: (request.retention_time_ms >= 0).then_some(request.retention_time_ms),
        supports_group_id_not_found: context.version() >= 9,
        topics: known.iter().map(|(_, topic)| topic.clone()).collect(),
    };
    let committed = ask(context.core, &group_id, Request::OffsetCommit(commit)).await;
    match committed {
        Ok(Answer::OffsetCommit(topics)) => {
            for ((place, _), committed) in known.iter().zip(topics) {
                fill_in(&mut answer[*place], &committed);
            }
        }
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => {
            for (place, _) in known {
                answer[place]
                    .partitions
                    .iter_mut()
                    .for_each(|p| p.error_code = error_code);
            }
        }
    }
    OffsetCommitResponse {
        topics: answer,
        ..OffsetCommitResponse::default()
    }
}

/// A topic's answer as it is when the topic or partition does not exist.
fn refused(
    topic: &OffsetCommitRequestTopic<'_>,
    uses_ids: bool,
) -> OffsetCommitResponseTopic<'static> {
    let error_code = if uses_ids {
        ErrorCode::UNKNOWN_TOPIC_ID
    } else {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    };
    let partitions = topic
        .partitions
        .iter()
        .map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code,
        });
    OffsetCommitResponseTopic {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
    }
}

/// What the coordinator is asked to keep: only partitions that exist.
fn commit_of(
    catalog: &Catalog,
    topic: OffsetCommitRequestTopic<'_>,
    uses_ids: bool,
) -> Option<OffsetCommitTopic> {
    let found = if uses_ids {
        catalog.topic_by_id(topic.topic_id)
    } else {
        catalog.topic(&topic.name)
    };
    let found: &Topic = found?;
    let partitions = topic
        .partitions
        .into_iter()
        .filter(|partition| found.partition_image(partition.partition_index).is_some())
        .map(|partition| OffsetCommitPartition {
            partition: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: (partition.committed_leader_epoch >= 0)
                .then_some(partition.committed_leader_epoch),
            metadata: owned(partition.committed_metadata),
        });
    Some(OffsetCommitTopic {
        topic_id: if uses_ids { found.id } else { Uuid::ZERO },
        name: found.name.to_string(),
        partitions: partitions.collect(),
    })
}

fn fill_in(answer: &mut OffsetCommitResponseTopic<'_>, committed: &TopicAnswer) {
    let mut results = committed.partitions.iter().peekable();
    for partition in &mut answer.partitions {
        // The coordinator answers in the order of the request; what it was not asked keeps its
        // error.
        if let Some((_, error)) = results.next_if(|(index, _)| *index == partition.partition_index)
        {
            partition.error_code = code(*error);
        } else if partition.error_code == ErrorCode::UNKNOWN_TOPIC_ID {
            // The topic exists, the partition does not.
            partition.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
}
