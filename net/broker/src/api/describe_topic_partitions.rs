//! DescribeTopicPartitions (key 75): Metadata in pages, with eligible leaders. KIP-966.

use net_wire::ErrorCode;
use net_wire::message::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};

use super::topology::{TOPIC_OPERATIONS, offline_replicas, partition_error};
use crate::catalog::{Topic, is_internal};
use crate::context::Context;

/// Partitions in one answer (`max.request.partition.size.limit`).
const PARTITIONS_MAX: usize = 2000;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'static> {
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(PARTITIONS_MAX);
    let mut room = asked.clamp(1, PARTITIONS_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names(context, &request) {
        let first = match &request.cursor {
            Some(cursor) if cursor.topic_name == name => cursor.partition_index.max(0),
            _ => 0,
        };
        let Some(topic) = context.catalog.topic(&name) else {
            response.topics.push(unknown(name));
            continue;
        };
        if room == 0 {
            response.next_cursor = Some(Cursor {
                topic_name: name.into(),
                partition_index: 0,
            });
            return response;
        }
        let described = describe(context, topic, first, room);
        room -= described.partitions.len();
        let next = first + i32::try_from(described.partitions.len()).unwrap_or(i32::MAX);
        response.topics.push(described);
        if topic.partition_image(next).is_some() {
            response.next_cursor = Some(Cursor {
                topic_name: name.into(),
                partition_index: next,
            });
            return response;
        }
    }
    response
}

/// The topics to describe, in order, from the cursor's on.
fn names(context: &Context<'_>, request: &DescribeTopicPartitionsRequest<'_>) -> Vec<String> {
    let mut names: Vec<String> = if request.topics.is_empty() {
        context
            .catalog
            .topics()
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    };
    names.sort_unstable();
    names.dedup();
    if let Some(cursor) = &request.cursor {
        names.retain(|name| **name >= *cursor.topic_name);
    }
    names
}

fn unknown(name: String) -> DescribeTopicPartitionsResponseTopic<'static> {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        is_internal: is_internal(&name),
        name: Some(name.into()),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    context: &Context<'_>,
    topic: &Topic,
    first: i32,
    room: usize,
) -> DescribeTopicPartitionsResponseTopic<'static> {
    let partitions = topic
        .partitions()
        .iter()
        .filter(|partition| partition.partition >= first);
    let partitions =
        partitions
            .take(room)
            .map(|partition| DescribeTopicPartitionsResponsePartition {
                error_code: partition_error(partition),
                partition_index: partition.partition,
                leader_id: partition.leader,
                leader_epoch: partition.leader_epoch,
                replica_nodes: partition.replicas.clone(),
                isr_nodes: partition.isr.clone(),
                eligible_leader_replicas: Some(partition.eligible_leader_replicas.clone()),
                last_known_elr: Some(partition.last_known_elr.clone()),
                offline_replicas: offline_replicas(context, partition),
            });
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.to_string().into()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
