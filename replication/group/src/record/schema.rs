//! The schemas, field by field as in Kafka's message files, and their way to and from our types.

use std::borrow::Cow;
use std::sync::Arc;

use engine_base::TopicId;
use engine_codec::Codec;

use super::{CommittedOffset, GroupMetadata, MemberMetadata, OffsetKey, shared};

/// Keys of types 0 and 1.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
pub(super) struct OffsetCommitKey<'a> {
    pub(super) group: Cow<'a, str>,
    pub(super) topic: Cow<'a, str>,
    pub(super) partition: i32,
}

/// Keys of type 2, and of every other type that stands for a whole group.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
pub(super) struct GroupKey<'a> {
    pub(super) group: Cow<'a, str>,
}

/// Values of type 0, from before 0.9.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
pub(super) struct LegacyOffsetCommitValue<'a> {
    offset: i64,
    metadata: Cow<'a, str>,
    commit_timestamp: i64,
}

/// Values of type 1.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "4+")]
pub(super) struct OffsetCommitValue<'a> {
    offset: i64,
    #[codec(versions = "3+", default = -1, ignorable)]
    leader_epoch: i32,
    metadata: Cow<'a, str>,
    commit_timestamp: i64,
    #[codec(versions = "1", default = -1, ignorable)]
    expire_timestamp: i64,
    #[codec(versions = "4+", tag = 0, ignorable)]
    topic_id: TopicId,
}

/// Values of type 2.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "4+")]
pub(super) struct GroupMetadataValue<'a> {
    protocol_type: Cow<'a, str>,
    generation: i32,
    #[codec(nullable = "0+")]
    protocol: Option<Cow<'a, str>>,
    #[codec(nullable = "0+")]
    leader: Option<Cow<'a, str>>,
    #[codec(versions = "2+", default = -1, ignorable)]
    current_state_timestamp: i64,
    members: Vec<MemberValue<'a>>,
}

/// A member within a value of type 2.
#[derive(Clone, Debug, PartialEq, Codec)]
struct MemberValue<'a> {
    member_id: Cow<'a, str>,
    #[codec(versions = "3+", nullable = "3+", default = null, ignorable)]
    group_instance_id: Option<Cow<'a, str>>,
    client_id: Cow<'a, str>,
    client_host: Cow<'a, str>,
    #[codec(versions = "1+", default = -1, ignorable)]
    rebalance_timeout: i32,
    session_timeout: i32,
    subscription: Cow<'a, [u8]>,
    assignment: Cow<'a, [u8]>,
}

impl<'a> OffsetCommitKey<'a> {
    pub(super) fn of(key: &'a OffsetKey) -> Self {
        Self {
            group: Cow::Borrowed(&key.group_id),
            topic: Cow::Borrowed(&key.topic),
            partition: key.partition,
        }
    }

    pub(super) fn into_key(self) -> OffsetKey {
        OffsetKey {
            group_id: Arc::from(self.group),
            topic: Arc::from(self.topic),
            partition: self.partition,
        }
    }
}

impl<'a> GroupKey<'a> {
    pub(super) fn of(group_id: &'a str) -> Self {
        Self {
            group: Cow::Borrowed(group_id),
        }
    }
}

impl LegacyOffsetCommitValue<'_> {
    pub(super) fn into_offset(self) -> CommittedOffset {
        CommittedOffset {
            offset: self.offset,
            leader_epoch: None,
            metadata: Arc::from(self.metadata),
            commit_timestamp: self.commit_timestamp,
            expire_timestamp: None,
            topic_id: TopicId::ZERO,
        }
    }
}

impl<'a> OffsetCommitValue<'a> {
    pub(super) fn of(offset: &'a CommittedOffset) -> Self {
        Self {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch.unwrap_or(-1),
            metadata: Cow::Borrowed(&offset.metadata),
            commit_timestamp: offset.commit_timestamp,
            expire_timestamp: offset.expire_timestamp.unwrap_or(-1),
            topic_id: offset.topic_id,
        }
    }

    pub(super) fn into_offset(self) -> CommittedOffset {
        CommittedOffset {
            offset: self.offset,
            leader_epoch: Some(self.leader_epoch).filter(|epoch| *epoch != -1),
            metadata: Arc::from(self.metadata),
            commit_timestamp: self.commit_timestamp,
            expire_timestamp: Some(self.expire_timestamp).filter(|timestamp| *timestamp != -1),
            topic_id: self.topic_id,
        }
    }
}

impl<'a> GroupMetadataValue<'a> {
    pub(super) fn of(group: &'a GroupMetadata) -> Self {
        Self {
            protocol_type: Cow::Borrowed(&group.protocol_type),
            generation: group.generation_id,
            protocol: group.protocol_name.as_deref().map(Cow::Borrowed),
            leader: group.leader_id.as_deref().map(Cow::Borrowed),
            current_state_timestamp: group.state_timestamp.unwrap_or(-1),
            members: group.members.iter().map(MemberValue::of).collect(),
        }
    }

    pub(super) fn into_metadata(self) -> GroupMetadata {
        GroupMetadata {
            protocol_type: Arc::from(self.protocol_type),
            generation_id: self.generation,
            protocol_name: shared(self.protocol),
            leader_id: shared(self.leader),
            state_timestamp: Some(self.current_state_timestamp)
                .filter(|timestamp| *timestamp != -1),
            members: self
                .members
                .into_iter()
                .map(MemberValue::into_member)
                .collect(),
        }
    }
}

impl<'a> MemberValue<'a> {
    fn of(member: &'a MemberMetadata) -> Self {
        Self {
            member_id: Cow::Borrowed(&member.member_id),
            group_instance_id: member.instance_id.as_deref().map(Cow::Borrowed),
            client_id: Cow::Borrowed(&member.client_id),
            client_host: Cow::Borrowed(&member.client_host),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: Cow::Borrowed(&member.subscription),
            assignment: Cow::Borrowed(&member.assignment),
        }
    }

    fn into_member(self) -> MemberMetadata {
        let rebalance_timeout_ms = match self.rebalance_timeout {
            -1 => self.session_timeout, // version 0 has one timeout for both
            timeout => timeout,
        };
        MemberMetadata {
            member_id: Arc::from(self.member_id),
            instance_id: shared(self.group_instance_id),
            client_id: Arc::from(self.client_id),
            client_host: Arc::from(self.client_host),
            rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout,
            subscription: Arc::from(&*self.subscription),
            assignment: Arc::from(&*self.assignment),
        }
    }
}
