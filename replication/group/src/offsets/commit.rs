//! OffsetCommit and TxnOffsetCommit.

use std::sync::Arc;

use engine_base::{Timestamp, TopicId};
use replication_coordinator::Work;

use crate::answer::{Answer, TopicAnswer};
use crate::classic::{ClassicGroup, ClassicState};
use crate::coordinator::{Ctx, GroupCoordinator, Outcome};
use crate::error::GroupError;
use crate::limits::{GROUPS_MAX, STRING_SIZE_BYTES_MAX};
use crate::notice::Notice;
use crate::record::{CommittedOffset, OffsetKey, Record};
use crate::request::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic, TxnOffsetCommitRequest,
};

/// Who commits.
struct Committer<'a> {
    group_id: &'a str,
    member_id: &'a str,
    instance_id: Option<&'a str>,
    generation_id: i32,
    is_transactional: bool,
    supports_group_id_not_found: bool,
}

impl GroupCoordinator {
    /// Handles an OffsetCommit.
    pub(crate) fn commit_offsets(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: OffsetCommitRequest,
    ) -> Outcome {
        let committer = Committer {
            group_id: &request.group_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation_id: request.generation_id,
            is_transactional: false,
            supports_group_id_not_found: request.supports_group_id_not_found,
        };
        if let Err(error) = self.validate_commit(ctx, &committer) {
            return refuse(&request.topics, error);
        }
        // In the classic protocol a commit is a sign of life.
        if let Some(group) = self.groups.latest(request.group_id.as_str())
            && matches!(
                group.state(),
                ClassicState::Stable | ClassicState::PreparingRebalance
            )
        {
            group.reschedule_session(ctx, &request.member_id);
        }
        let now = ctx.moment.timestamp;
        let expire_timestamp = request
            .retention_time_ms
            .map(|retention_ms| now.saturating_add(retention_ms));
        self.write_offsets(&request.group_id, request.topics, now, expire_timestamp)
    }

    /// Handles a TxnOffsetCommit. Its offsets count when the transaction commits.
    pub(crate) fn commit_transactional_offsets(
        &mut self,
        ctx: &mut Ctx<'_>,
        request: TxnOffsetCommitRequest,
    ) -> Outcome {
        let committer = Committer {
            group_id: &request.group_id,
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation_id: request.generation_id,
            is_transactional: true,
            supports_group_id_not_found: request.supports_group_id_not_found,
        };
        if let Err(error) = self.validate_commit(ctx, &committer) {
            return refuse(&request.topics, error);
        }
        let now = ctx.moment.timestamp;
        let mut outcome = self.write_offsets(&request.group_id, request.topics, now, None);
        if let Work::Records { producer, .. } = &mut outcome.work {
            *producer = Some(request.producer);
        }
        outcome
    }

    fn validate_commit(
        &self,
        ctx: &mut Ctx<'_>,
        committer: &Committer<'_>,
    ) -> Result<(), GroupError> {
        if let Some(group) = self.groups.latest(committer.group_id) {
            return group.validate_commit(committer);
        }
        if self.foreign.contains_key(committer.group_id) {
            return Err(GroupError::UnknownMemberId);
        }
        // Without a generation the group needs no members: the record brings it into being.
        if committer.generation_id < 0 {
            if self.groups.len() < GROUPS_MAX {
                return Ok(());
            }
            ctx.notice(Notice::BoundReached {
                group_id: Arc::from(committer.group_id),
                what: "groups of this partition",
            });
            return Err(GroupError::CoordinatorNotAvailable);
        }
        Err(if committer.supports_group_id_not_found {
            GroupError::GroupIdNotFound
        } else {
            GroupError::IllegalGeneration
        })
    }

    fn write_offsets(
        &self,
        group_id: &str,
        topics: Vec<OffsetCommitTopic>,
        now: Timestamp,
        expire_timestamp: Option<Timestamp>,
    ) -> Outcome {
        let group_id: Arc<str> = match self.groups.latest(group_id) {
            Some(group) => group.id.clone(),
            None => Arc::from(group_id),
        };
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(topics.len());
        for topic in topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let error = self.check_partition(&topic.name, &partition).err();
                partitions.push((partition.partition, error));
                if error.is_none() {
                    records.push(Record::OffsetCommit {
                        key: OffsetKey {
                            group_id: group_id.clone(),
                            topic: name.clone(),
                            partition: partition.partition,
                        },
                        value: Some(committed_offset(
                            topic.topic_id,
                            partition,
                            now,
                            expire_timestamp,
                        )),
                    });
                }
            }
            answers.push(TopicAnswer {
                topic_id: topic.topic_id,
                name: topic.name,
                partitions,
            });
        }
        let outcome = if records.is_empty() {
            Outcome::none()
        } else {
            Outcome::records(records)
        };
        outcome.replying(Answer::OffsetCommit(answers))
    }

    fn check_partition(
        &self,
        topic: &str,
        partition: &OffsetCommitPartition,
    ) -> Result<(), GroupError> {
        let metadata = partition.metadata.as_deref().unwrap_or_default();
        // Kafka counts a Java string's length. It never exceeds the bytes.
        let is_too_large = metadata.len() > self.config.offset_metadata_max_size
            && metadata.encode_utf16().count() > self.config.offset_metadata_max_size;
        if is_too_large || metadata.len() > STRING_SIZE_BYTES_MAX {
            return Err(GroupError::OffsetMetadataTooLarge);
        }
        // The caller knows the topic, so its name is short; a record could not hold another.
        if topic.len() > STRING_SIZE_BYTES_MAX {
            return Err(GroupError::UnknownServerError);
        }
        Ok(())
    }
}

impl ClassicGroup {
    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), GroupError> {
        if self.is_in(ClassicState::Dead) {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let is_empty = self.is_in(ClassicState::Empty);
        // The admin client, or a consumer that assigns itself its partitions.
        if committer.generation_id < 0 && is_empty {
            return Ok(());
        }
        let claims_membership = committer.generation_id >= 0
            || !committer.member_id.is_empty()
            || committer.instance_id.is_some();
        if claims_membership {
            self.validate_member(committer.member_id, committer.instance_id)?;
            if committer.generation_id != self.generation_id {
                return Err(GroupError::IllegalGeneration);
            }
        } else if !committer.is_transactional && !is_empty {
            // TxnOffsetCommit before version 3 cannot name a member.
            return Err(GroupError::UnknownMemberId);
        }
        // It knows the generation, so it has joined; it must fetch its assignment first. A
        // transaction must be able to end whatever the group does.
        if !committer.is_transactional && self.is_in(ClassicState::CompletingRebalance) {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }
}

fn committed_offset(
    topic_id: TopicId,
    partition: OffsetCommitPartition,
    now: Timestamp,
    expire_timestamp: Option<Timestamp>,
) -> CommittedOffset {
    CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: Arc::from(partition.metadata.unwrap_or_default()),
        commit_timestamp: now,
        expire_timestamp,
        topic_id,
    }
}

/// The same error for every partition.
pub(crate) fn all_partitions(topics: &[OffsetCommitTopic], error: GroupError) -> Vec<TopicAnswer> {
    let topics = topics.iter().map(|topic| TopicAnswer {
        topic_id: topic.topic_id,
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| (partition.partition, Some(error)))
            .collect(),
    });
    topics.collect()
}

fn refuse(topics: &[OffsetCommitTopic], error: GroupError) -> Outcome {
    Outcome::now(Answer::OffsetCommit(all_partitions(topics, error)))
}
