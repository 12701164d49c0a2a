//! OffsetDelete (key 47): an administrator forgets a group's offsets. KIP-496.

use net_wire::ErrorCode;
use net_wire::message::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};
use replication_group::{Answer, Request};

use super::groups::{ask, code};
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: OffsetDeleteRequest<'_>,
) -> OffsetDeleteResponse<'static> {
    let group_id = request.group_id.into_owned();
    let topics: Vec<(String, Vec<i32>)> = request
        .topics
        .into_iter()
        .map(|topic| {
            let partitions = topic
                .partitions
                .iter()
                .map(|partition| partition.partition_index);
            (topic.name.into_owned(), partitions.collect())
        })
        .collect();
    let exists = |name: &str, partition: i32| {
        let topic = context.catalog.topic(name);
        topic.is_some_and(|topic| topic.partition_image(partition).is_some())
    };
    let known = topics.iter().filter_map(|(name, partitions)| {
        let known = partitions
            .iter()
            .copied()
            .filter(|&partition| exists(name, partition));
        let known: Vec<i32> = known.collect();
        (!known.is_empty()).then(|| (name.clone(), known))
    });
    let delete = replication_group::OffsetDeleteRequest {
        group_id: group_id.clone(),
        topics: known.collect(),
    };
    let deleted = match ask(context.core, &group_id, Request::OffsetDelete(delete)).await {
        Ok(Answer::OffsetDelete(Ok(deleted))) => deleted,
        Ok(Answer::OffsetDelete(Err(error))) => return failed(code(Some(error))),
        Ok(_) => unreachable!("the answer is of the request's kind"),
        Err(error_code) => return failed(error_code),
    };
    let result_of = |name: &str, partition: i32| {
        let topic = deleted.iter().find(|topic| topic.name == name)?;
        topic
            .partitions
            .iter()
            .find(|(index, _)| *index == partition)
            .map(|(_, error)| *error)
    };
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| OffsetDeleteResponseTopic {
            partitions: partitions
                .into_iter()
                .map(|partition_index| OffsetDeleteResponsePartition {
                    partition_index,
                    error_code: result_of(&name, partition_index)
                        .map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, code),
                })
                .collect(),
            name: name.into(),
        });
    OffsetDeleteResponse {
        topics: topics.collect(),
        ..OffsetDeleteResponse::default()
    }
}

fn failed(error_code: ErrorCode) -> OffsetDeleteResponse<'static> {
    OffsetDeleteResponse {
        error_code,
        ..OffsetDeleteResponse::default()
    }
}
