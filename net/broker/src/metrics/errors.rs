//! The errors that an answer tells, each as often as it tells it, as Kafka counts them.
//!
//! Produce and Fetch note theirs where they write their answers: they have no such struct.

use net_wire::message as m;
use net_wire::{ErrorCode, Response};

/// An answer whose errors are counted.
pub(crate) trait Errors: Response {
    /// Calls `note` with every error code of the answer, also those that say that there is none.
    fn each_error(&self, note: &mut dyn FnMut(ErrorCode));
}

/// Codes of the answer itself, and of the elements of its arrays.
macro_rules! errors {
    ($($answer:ty { $($code:ident),* $(; $each:ident)? })*) => {$(
        impl Errors for $answer {
            fn each_error(&self, note: &mut dyn FnMut(ErrorCode)) {
                $(note(self.$code);)*
                $(self.$each.iter().for_each(|element| note(element.error_code));)?
            }
        }
    )*};
}

errors! {
    m::ApiVersionsResponse<'_> { error_code }
    m::CreateTopicsResponse<'_> { ; topics }
    m::DeleteGroupsResponse<'_> { ; results }
    m::DeleteTopicsResponse<'_> { ; responses }
    m::DescribeClusterResponse<'_> { error_code }
    m::DescribeConfigsResponse<'_> { ; results }
    m::DescribeGroupsResponse<'_> { ; groups }
    m::FindCoordinatorResponse<'_> { error_code; coordinators }
    m::HeartbeatResponse { error_code }
    m::IncrementalAlterConfigsResponse<'_> { ; responses }
    m::InitProducerIdResponse { error_code }
    m::JoinGroupResponse<'_> { error_code }
    m::LeaveGroupResponse<'_> { error_code; members }
    m::ListGroupsResponse<'_> { error_code }
    m::SyncGroupResponse<'_> { error_code }
}

/// Codes of the answer itself, of its topics, and of their partitions.
macro_rules! partition_errors {
    ($($answer:ty { $($code:ident)? ; $topic:ident => $($topic_code:expr)? })*) => {$(
        impl Errors for $answer {
            fn each_error(&self, note: &mut dyn FnMut(ErrorCode)) {
                $(note(self.$code);)?
                for $topic in &self.topics {
                    $(note($topic_code);)?
                    $topic.partitions.iter().for_each(|partition| note(partition.error_code));
                }
            }
        }
    )*};
}

partition_errors! {
    m::DescribeTopicPartitionsResponse<'_> { ; topic => topic.error_code }
    m::ListOffsetsResponse<'_> { ; topic => }
    m::MetadataResponse<'_> { error_code; topic => topic.error_code }
    m::OffsetCommitResponse<'_> { ; topic => }
    m::OffsetDeleteResponse<'_> { error_code; topic => }
    m::OffsetForLeaderEpochResponse<'_> { ; topic => }
}

impl Errors for m::OffsetFetchResponse<'_> {
    fn each_error(&self, note: &mut dyn FnMut(ErrorCode)) {
        note(self.error_code);
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.for_each(|partition| note(partition.error_code));
        for group in &self.groups {
            note(group.error_code);
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.for_each(|partition| note(partition.error_code));
        }
    }
}

#[cfg(test)]
mod tests {
    use net_wire::message::{metadata, offset_fetch};

    use super::*;

    fn told(answer: &impl Errors) -> Vec<ErrorCode> {
        let mut told = Vec::new();
        answer.each_error(&mut |code| told.push(code));
        told.retain(|code| !code.is_none());
        told
    }

    #[test]
    fn errors_of_elements_within_elements_are_found() {
        let topic = metadata::MetadataResponseTopic {
            error_code: ErrorCode::LEADER_NOT_AVAILABLE,
            partitions: vec![metadata::MetadataResponsePartition {
                error_code: ErrorCode::KAFKA_STORAGE_ERROR,
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = m::MetadataResponse {
            topics: vec![topic],
            ..Default::default()
        };
        let expected = [
            ErrorCode::LEADER_NOT_AVAILABLE,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ];
        assert_eq!(told(&answer), expected);

        let partition = offset_fetch::OffsetFetchResponsePartitions {
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ..Default::default()
        };
        let group = offset_fetch::OffsetFetchResponseGroup {
            error_code: ErrorCode::NOT_COORDINATOR,
            topics: vec![offset_fetch::OffsetFetchResponseTopics {
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        };
        let answer = m::OffsetFetchResponse {
            groups: vec![group],
            ..Default::default()
        };
        let expected = [
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ];
        assert_eq!(told(&answer), expected);
    }
}
