//! What needs no state: requests that are wrong in themselves, and answers that only say no.

use replication_coordinator::Failure;

use crate::answer::{Answer, DeletedGroup, DescribedGroup, JoinAnswer, SyncAnswer, TopicAnswer};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::limits::STRING_SIZE_BYTES_MAX;
use crate::offsets::all_partitions;
use crate::request::{JoinRequest, Request};

/// The answer to a request that no state could make right. Kafka looks at these before it looks
/// whether it coordinates the group at all.
#[must_use]
pub fn screen(config: &GroupConfig, request: &Request) -> Option<Answer> {
    match request {
        Request::Join(join) => {
            let error = screen_join(config, join)?;
            Some(Answer::Join(JoinAnswer::error(
                join.member_id.as_str(),
                error,
            )))
        }
        Request::Sync(sync) if is_invalid(&sync.group_id) => {
            Some(Answer::Sync(SyncAnswer::error(GroupError::InvalidGroupId)))
        }
        Request::Heartbeat(heartbeat) if is_invalid(&heartbeat.group_id) => {
            Some(Answer::Heartbeat(Err(GroupError::InvalidGroupId)))
        }
        Request::Leave(leave) if is_invalid(&leave.group_id) => {
            Some(Answer::Leave(Err(GroupError::InvalidGroupId)))
        }
        Request::TxnOffsetCommit(commit) if is_invalid(&commit.group_id) => Some(
            Answer::OffsetCommit(all_partitions(&commit.topics, GroupError::InvalidGroupId)),
        ),
        Request::OffsetDelete(delete) if is_invalid(&delete.group_id) => {
            Some(Answer::OffsetDelete(Err(GroupError::InvalidGroupId)))
        }
        // Old clients commit and fetch under the empty group id.
        Request::OffsetCommit(commit) if commit.group_id.len() > STRING_SIZE_BYTES_MAX => Some(
            Answer::OffsetCommit(all_partitions(&commit.topics, GroupError::InvalidGroupId)),
        ),
        _ => None,
    }
}

fn is_invalid(group_id: &str) -> bool {
    group_id.is_empty() || group_id.len() > STRING_SIZE_BYTES_MAX
}

fn screen_join(config: &GroupConfig, join: &JoinRequest) -> Option<GroupError> {
    if is_invalid(&join.group_id) {
        return Some(GroupError::InvalidGroupId);
    }
    let timeouts = config.min_session_timeout_ms..=config.max_session_timeout_ms;
    if !timeouts.contains(&join.session_timeout_ms) {
        return Some(GroupError::InvalidSessionTimeout);
    }
    // What the record of the group will hold. Kafka finds out when it writes it.
    let instance_id = join.group_instance_id.as_deref().unwrap_or_default();
    let mut strings = [
        join.client_id.as_str(),
        &join.client_host,
        &join.protocol_type,
        instance_id,
    ]
    .into_iter()
    .chain(join.protocols.iter().map(|protocol| protocol.name.as_str()));
    strings
        .any(|string| string.len() > STRING_SIZE_BYTES_MAX)
        .then_some(GroupError::UnknownServerError)
}

/// The answer to a request that is not handled here or now.
#[must_use]
pub fn refuse(request: Request, failure: Failure) -> Answer {
    let error = GroupError::of_failure(failure);
    match request {
        Request::Join(_) => Answer::Join(JoinAnswer::error("", error)),
        Request::Sync(_) => Answer::Sync(SyncAnswer::error(error)),
        // A member must not fall out of its group because the log is long.
        Request::Heartbeat(_) if failure == Failure::LoadInProgress => Answer::Heartbeat(Ok(())),
        Request::Heartbeat(_) => Answer::Heartbeat(Err(error)),
        Request::Leave(_) => Answer::Leave(Err(error)),
        Request::OffsetCommit(commit) => {
            Answer::OffsetCommit(all_partitions(&commit.topics, error))
        }
        Request::TxnOffsetCommit(commit) => {
            Answer::OffsetCommit(all_partitions(&commit.topics, error))
        }
        Request::OffsetFetch(_) => Answer::OffsetFetch(Err(GroupError::of_fetch_failure(failure))),
        Request::OffsetDelete(_) => Answer::OffsetDelete(Err(error)),
        Request::DescribeGroups(group_ids) => {
            let groups = group_ids.into_iter();
            Answer::DescribeGroups(groups.map(|id| undescribed(id, error)).collect())
        }
        Request::ListGroups(_) => Answer::ListGroups(Err(error)),
        Request::DeleteGroups(group_ids) => {
            let groups = group_ids.into_iter().map(|group_id| DeletedGroup {
                group_id,
                error: Some(error),
            });
            Answer::DeleteGroups(groups.collect())
        }
        Request::CompleteTransaction(_) => Answer::CompleteTransaction(Err(error)),
        Request::TopicsDeleted(_) => Answer::TopicsDeleted(Err(error)),
    }
}

/// Turns a prepared answer into the one that says that its records were lost.
pub(crate) fn fail(answer: Answer, failure: Failure) -> Answer {
    let error = GroupError::of_failure(failure);
    match answer {
        Answer::Join(_) => Answer::Join(JoinAnswer::error("", error)),
        Answer::Sync(_) => Answer::Sync(SyncAnswer::error(error)),
        Answer::Heartbeat(_) => Answer::Heartbeat(Err(error)),
        Answer::Leave(_) => Answer::Leave(Err(error)),
        Answer::OffsetCommit(topics) => Answer::OffsetCommit(fail_topics(topics, error)),
        Answer::OffsetFetch(_) => Answer::OffsetFetch(Err(GroupError::of_fetch_failure(failure))),
        Answer::OffsetDelete(_) => Answer::OffsetDelete(Err(error)),
        Answer::DescribeGroups(groups) => {
            let groups = groups.into_iter();
            Answer::DescribeGroups(
                groups
                    .map(|group| undescribed(group.group_id, error))
                    .collect(),
            )
        }
        Answer::ListGroups(_) => Answer::ListGroups(Err(error)),
        Answer::DeleteGroups(groups) => {
            let groups = groups.into_iter().map(|group| DeletedGroup {
                error: Some(error),
                ..group
            });
            Answer::DeleteGroups(groups.collect())
        }
        Answer::CompleteTransaction(_) => Answer::CompleteTransaction(Err(error)),
        Answer::TopicsDeleted(_) => Answer::TopicsDeleted(Err(error)),
    }
}

fn fail_topics(mut topics: Vec<TopicAnswer>, error: GroupError) -> Vec<TopicAnswer> {
    for (_, of_partition) in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        *of_partition = Some(error);
    }
    topics
}

fn undescribed(group_id: String, error: GroupError) -> DescribedGroup {
    DescribedGroup {
        group_id,
        error: Some(error),
        state: "",
        protocol_type: "".into(),
        protocol_data: "".into(),
        members: Vec::new(),
    }
}
