//! What a group coordinator is asked: plain values, free of protocol versions.
//!
//! `net/broker` converts frames into these. Where Kafka's answer depends on the version of the
//! request, the request says so by a flag named after the behaviour.

use std::sync::Arc;

use engine_base::TopicId;
use replication_coordinator::{Producer, TransactionResult};

/// A request to the coordinator of one partition of `__consumer_offsets`. All groups named in it
/// hash to that partition ([`crate::partition_for`]).
#[derive(Clone, Debug)]
pub enum Request {
    /// JoinGroup.
    Join(JoinRequest),
    /// SyncGroup.
    Sync(SyncRequest),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup.
    Leave(LeaveRequest),
    /// OffsetCommit.
    OffsetCommit(OffsetCommitRequest),
    /// TxnOffsetCommit. The caller has verified the transaction (KIP-890).
    TxnOffsetCommit(TxnOffsetCommitRequest),
    /// OffsetFetch, one group.
    OffsetFetch(OffsetFetchRequest),
    /// OffsetDelete.
    OffsetDelete(OffsetDeleteRequest),
    /// DescribeGroups.
    DescribeGroups(Vec<String>),
    /// ListGroups: the groups of this partition.
    ListGroups(ListGroupsRequest),
    /// DeleteGroups.
    DeleteGroups(Vec<String>),
    /// WriteTxnMarkers for this partition of `__consumer_offsets`.
    CompleteTransaction(CompleteTransactionRequest),
    /// The broker's own: topics were deleted, their offsets go.
    TopicsDeleted(Vec<DeletedTopic>),
}

/// JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Group to join.
    pub group_id: String,
    /// Empty for a member that has no id yet.
    pub member_id: String,
    /// Set by static members (KIP-345).
    pub group_instance_id: Option<String>,
    /// From the request header; empty when it had none.
    pub client_id: String,
    /// Peer address, in Kafka's form with a leading slash (`/10.0.0.7`): it is shown and stored.
    pub client_host: String,
    /// Milliseconds without a heartbeat after which the member is gone.
    pub session_timeout_ms: i32,
    /// Milliseconds that others wait for this member to rejoin.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, or anything else the members agree on.
    pub protocol_type: String,
    /// In the order of the member's preference.
    pub protocols: Vec<Protocol>,
    /// Why the member joins (KIP-800); for the operator.
    pub reason: Option<String>,
    /// From version 4: a dynamic member must come back with the id it is given (KIP-394).
    pub requires_known_member_id: bool,
    /// From version 9: a static leader that returns is told to skip the assignment (KIP-814).
    pub supports_skipping_assignment: bool,
    /// 128 fresh random bits, for the member id.
    pub random: [u8; 16],
}

/// A protocol that a member supports, with what it says to the leader under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Name of the assignor, for consumers.
    pub name: String,
    /// Opaque here; for consumers a ConsumerProtocolSubscription.
    pub metadata: Arc<[u8]>,
}

/// SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// The group.
    pub group_id: String,
    /// The generation that the member joined.
    pub generation_id: i32,
    /// The member.
    pub member_id: String,
    /// Set by static members.
    pub group_instance_id: Option<String>,
    /// What the member believes (version 5 and later).
    pub protocol_type: Option<String>,
    /// What the member believes (version 5 and later).
    pub protocol_name: Option<String>,
    /// From the leader only.
    pub assignments: Vec<Assignment>,
}

/// What the leader decided for one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The member.
    pub member_id: String,
    /// Opaque here.
    pub assignment: Arc<[u8]>,
}

/// Heartbeat.
#[derive(Clone, Debug)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member's generation.
    pub generation_id: i32,
    /// The member.
    pub member_id: String,
    /// Set by static members.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup. Versions 0 to 2 name one member: a list of one.
#[derive(Clone, Debug)]
pub struct LeaveRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member of a [`LeaveRequest`].
#[derive(Clone, Debug)]
pub struct LeavingMember {
    /// Empty when an administrator removes a static member by its instance id.
    pub member_id: String,
    /// Set for static members.
    pub group_instance_id: Option<String>,
    /// Why (KIP-800); for the operator.
    pub reason: Option<String>,
}

/// OffsetCommit.
#[derive(Clone, Debug)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group_id: String,
    /// -1 without group management.
    pub generation_id: i32,
    /// Empty without group management.
    pub member_id: String,
    /// Set by static members.
    pub group_instance_id: Option<String>,
    /// Versions 2 to 4: keep the offsets this many milliseconds instead of the broker's
    /// retention. None for the default (-1 on the wire).
    pub retention_time_ms: Option<i64>,
    /// From version 9: an unknown group is answered with 69 rather than 22.
    pub supports_group_id_not_found: bool,
    /// What to commit.
    pub topics: Vec<OffsetCommitTopic>,
}

/// One topic of a commit.
#[derive(Clone, Debug)]
pub struct OffsetCommitTopic {
    /// Zero when the client named the topic.
    pub topic_id: TopicId,
    /// Never empty: the caller has resolved the id.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// One partition of a commit.
#[derive(Clone, Debug)]
pub struct OffsetCommitPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to consume.
    pub committed_offset: i64,
    /// Leader epoch of the last consumed record; none when unknown (-1 on the wire).
    pub committed_leader_epoch: Option<i32>,
    /// Anything the client wants back.
    pub metadata: Option<String>,
}

/// TxnOffsetCommit.
#[derive(Clone, Debug)]
pub struct TxnOffsetCommitRequest {
    /// The group.
    pub group_id: String,
    /// The transaction's producer.
    pub producer: Producer,
    /// -1 before version 3.
    pub generation_id: i32,
    /// Empty before version 3.
    pub member_id: String,
    /// Set by static members.
    pub group_instance_id: Option<String>,
    /// From version 6: an unknown group is answered with 69 rather than 22.
    pub supports_group_id_not_found: bool,
    /// What to commit when the transaction does.
    pub topics: Vec<OffsetCommitTopic>,
}

/// OffsetFetch for one group.
#[derive(Clone, Debug)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group_id: String,
    /// None: everything the group has committed.
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// Wait for commits in flight, and refuse partitions with an open transaction (KIP-447).
    pub require_stable: bool,
}

/// One topic of a fetch.
#[derive(Clone, Debug)]
pub struct OffsetFetchTopic {
    /// Zero when the client named the topic. An offset that was committed under another id of
    /// the same name is not returned.
    pub topic_id: TopicId,
    /// Never empty.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// OffsetDelete.
#[derive(Clone, Debug)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group_id: String,
    /// Topics and their partitions.
    pub topics: Vec<(String, Vec<i32>)>,
}

/// ListGroups.
#[derive(Clone, Debug, Default)]
pub struct ListGroupsRequest {
    /// State names in any case; empty for all. A name that is no state matches nothing.
    pub states_filter: Vec<String>,
    /// Type names in any case; empty for all. A name that is no type matches nothing.
    pub types_filter: Vec<String>,
}

/// WriteTxnMarkers for one partition.
#[derive(Clone, Copy, Debug)]
pub struct CompleteTransactionRequest {
    /// Whose transaction ended.
    pub producer: Producer,
    /// Epoch of the transaction coordinator that decided.
    pub coordinator_epoch: i32,
    /// Its decision.
    pub result: TransactionResult,
}

/// A topic that is gone.
#[derive(Clone, Debug)]
pub struct DeletedTopic {
    /// The incarnation that was deleted.
    pub id: TopicId,
    /// Its name.
    pub name: String,
}
