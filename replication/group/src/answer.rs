//! What a group coordinator answers.

use std::sync::Arc;

use engine_base::TopicId;

use crate::error::GroupError;

/// The answer to a [`crate::Request`]; always of the request's own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(JoinAnswer),
    /// To SyncGroup.
    Sync(SyncAnswer),
    /// To Heartbeat.
    Heartbeat(Result<(), GroupError>),
    /// To LeaveGroup: one line for each member, or one error for all.
    Leave(Result<Vec<LeaveMemberAnswer>, GroupError>),
    /// To OffsetCommit and TxnOffsetCommit.
    OffsetCommit(Vec<TopicAnswer>),
    /// To OffsetFetch: the topics, or one error for the group.
    OffsetFetch(Result<Vec<OffsetFetchTopicAnswer>, GroupError>),
    /// To OffsetDelete: the topics, or one error for the group.
    OffsetDelete(Result<Vec<TopicAnswer>, GroupError>),
    /// To DescribeGroups, in the order of the request.
    DescribeGroups(Vec<DescribedGroup>),
    /// To ListGroups, in no order; the error says that this partition could not be asked.
    ListGroups(Result<Vec<ListedGroup>, GroupError>),
    /// To DeleteGroups, in the order of the request.
    DeleteGroups(Vec<DeletedGroup>),
    /// To CompleteTransaction.
    CompleteTransaction(Result<(), GroupError>),
    /// To TopicsDeleted: the tombstones are committed, or not.
    TopicsDeleted(Result<(), GroupError>),
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// None for success.
    pub error: Option<GroupError>,
    /// The generation joined; -1 with most errors.
    pub generation_id: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol voted for.
    pub protocol_name: Option<Arc<str>>,
    /// Member id of the leader; empty with an error.
    pub leader: Arc<str>,
    /// The leader shall not compute an assignment (KIP-814).
    pub skip_assignment: bool,
    /// The member's id; with 79 the one to come back with.
    pub member_id: Arc<str>,
    /// For the leader: all members, with what they say under the chosen protocol.
    pub members: Vec<JoinAnswerMember>,
}

impl JoinAnswer {
    /// An answer that only says what is wrong.
    #[must_use]
    pub fn error(member_id: impl Into<Arc<str>>, error: GroupError) -> Self {
        Self {
            error: Some(error),
            generation_id: -1,
            protocol_type: None,
            protocol_name: None,
            leader: Arc::from(""),
            skip_assignment: false,
            member_id: member_id.into(),
            members: Vec::new(),
        }
    }
}

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswerMember {
    /// Member id.
    pub member_id: Arc<str>,
    /// Instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// Its metadata under the chosen protocol.
    pub metadata: Arc<[u8]>,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// None for success.
    pub error: Option<GroupError>,
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The group's protocol.
    pub protocol_name: Option<Arc<str>>,
    /// The member's assignment; empty with an error.
    pub assignment: Arc<[u8]>,
}

impl SyncAnswer {
    /// An answer that only says what is wrong.
    #[must_use]
    pub fn error(error: GroupError) -> Self {
        Self {
            error: Some(error),
            protocol_type: None,
            protocol_name: None,
            assignment: Arc::from([]),
        }
    }
}

/// One member of a LeaveGroup answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveMemberAnswer {
    /// As in the request.
    pub member_id: String,
    /// As in the request.
    pub group_instance_id: Option<String>,
    /// None when it has left.
    pub error: Option<GroupError>,
}

/// The partitions of one topic and what became of each (OffsetCommit, OffsetDelete).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicAnswer {
    /// As in the request; zero in OffsetDelete.
    pub topic_id: TopicId,
    /// As in the request.
    pub name: String,
    /// Partition and its error, in the order of the request.
    pub partitions: Vec<(i32, Option<GroupError>)>,
}

/// One topic of an OffsetFetch answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchTopicAnswer {
    /// As in the request; zero when everything was asked for.
    pub topic_id: TopicId,
    /// The topic.
    pub name: Arc<str>,
    /// In the order of the request.
    pub partitions: Vec<OffsetFetchPartitionAnswer>,
}

/// One partition of an OffsetFetch answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchPartitionAnswer {
    /// The partition.
    pub partition: i32,
    /// 88 when an open transaction holds it and stable offsets were required.
    pub error: Option<GroupError>,
    /// -1 when there is none.
    pub committed_offset: i64,
    /// -1 when unknown.
    pub committed_leader_epoch: i32,
    /// What the client left there; empty when nothing.
    pub metadata: Arc<str>,
}

/// One group of a DescribeGroups answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// As in the request.
    pub group_id: String,
    /// [`GroupError::GroupIdNotFound`] is for versions from 6 on; older ones get no error and
    /// the state `Dead`.
    pub error: Option<GroupError>,
    /// Kafka's name of the state; empty when an error other than 69 stands above.
    pub state: &'static str,
    /// Empty when the group has none.
    pub protocol_type: Arc<str>,
    /// The protocol; empty unless the group is stable.
    pub protocol_data: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// One member of a described group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Member id.
    pub member_id: Arc<str>,
    /// Instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// From its last JoinGroup.
    pub client_id: Arc<str>,
    /// From its last JoinGroup.
    pub client_host: Arc<str>,
    /// Empty unless the group is stable.
    pub metadata: Arc<[u8]>,
    /// Its assignment in the current generation.
    pub assignment: Arc<[u8]>,
}

/// One group of a ListGroups answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Empty for a group that only commits offsets.
    pub protocol_type: Arc<str>,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type.
    pub group_type: &'static str,
}

/// One group of a DeleteGroups answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedGroup {
    /// As in the request.
    pub group_id: String,
    /// None when it is gone.
    pub error: Option<GroupError>,
}
