//! Fetch (key 1): read batches, as a consumer or as a follower.
//!
//! KIP-98 (isolation, v4), KIP-107 (log start, v5), KIP-227 (sessions, v7), KIP-320 (leader
//! epochs, v9), KIP-110 (zstd, v10), KIP-392 (closest replica, v11), KIP-482 and KIP-595
//! (flexible, epoch validation, v12), KIP-516 (topic ids, v13), KIP-405 (tiered storage, v14),
//! KIP-903 (replica state, v15), KIP-951 (leader endpoints, v16), KIP-853 (directory ids, v17),
//! KIP-1166 (follower's high watermark, v18). The broker answers through `view::fetch`, which does
//! not copy records.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which partitions to read from where, and how long to wait for how much.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "4-18", flexible = "12+")]
pub struct FetchRequest<'a> {
    /// The cluster that the caller believes in; null if it does not say.
    #[codec(versions = "12+", nullable = "0+", default = null, tag = 0, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The follower's broker id; -1 from a consumer. Versions 15 and later say it in
    /// `replica_state`.
    #[codec(versions = "0-14", default = -1)]
    pub replica_id: i32,
    /// Which follower asks.
    #[codec(versions = "15+", tag = 1)]
    pub replica_state: ReplicaState,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// How many bytes are worth an answer before `max_wait_ms` has passed.
    pub min_bytes: i32,
    /// Bytes of records in the whole answer; the first batch may exceed it (KIP-74).
    #[codec(default = i32::MAX)]
    pub max_bytes: i32,
    /// 0 reads everything up to the high watermark, 1 only what is decided and not aborted.
    pub isolation_level: i8,
    /// The fetch session; 0 for none.
    #[codec(versions = "7+", ignorable)]
    pub session_id: i32,
    /// The position in the session: 0 opens one, -1 closes it or asks without one.
    #[codec(versions = "7+", default = -1, ignorable)]
    pub session_epoch: i32,
    /// The topics.
    pub topics: Vec<FetchTopic<'a>>,
    /// Partitions that leave the session.
    #[codec(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic<'a>>,
    /// Where the consumer is, for the choice of a close replica; empty if it does not say.
    #[codec(versions = "11+", ignorable)]
    pub rack_id: Cow<'a, str>,
}

/// Which follower asks; a consumer leaves the defaults.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ReplicaState {
    /// The follower's broker id; -1 from a consumer.
    #[codec(default = -1)]
    pub replica_id: i32,
    /// The epoch of the follower's registration; -1 if it does not say.
    #[codec(default = -1)]
    pub replica_epoch: i64,
}

/// One topic to read.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct FetchTopic<'a> {
    /// The topic's name.
    #[codec(versions = "0-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<FetchPartition>,
}

/// One partition to read.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct FetchPartition {
    /// The partition's index.
    pub partition: i32,
    /// The leader's epoch as the caller knows it; -1 if it does not.
    #[codec(versions = "9+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The epoch of the follower's last record; -1 if it has none.
    #[codec(versions = "12+", default = -1)]
    pub last_fetched_epoch: i32,
    /// The follower's first offset; -1 from a consumer.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Bytes of records of this partition; the first batch may exceed it (KIP-74).
    pub partition_max_bytes: i32,
    /// The follower's log directory.
    #[codec(versions = "17+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    /// The follower's high watermark; -1 if unknown, `i64::MAX` from those who do not say.
    #[codec(versions = "18+", default = i64::MAX, tag = 1, ignorable)]
    pub high_watermark: i64,
}

/// Partitions that leave the fetch session.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ForgottenTopic<'a> {
    /// The topic's name.
    #[codec(versions = "7-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<i32>,
}

/// Batches, or errors, of the partitions that have something to say.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "4-18", flexible = "12+")]
pub struct FetchResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The error, or `NONE`.
    #[codec(versions = "7+", ignorable)]
    pub error_code: ErrorCode,
    /// The session to go on with; 0 for none.
    #[codec(versions = "7+")]
    pub session_id: i32,
    /// The results, topic by topic.
    pub responses: Vec<FetchableTopicResponse<'a>>,
    /// The brokers that `current_leader` names.
    #[codec(versions = "16+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct FetchableTopicResponse<'a> {
    /// The topic's name.
    #[codec(versions = "0-12", ignorable)]
    pub topic: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<PartitionData<'a>>,
}

/// One partition's state and batches.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct PartitionData<'a> {
    /// The partition's index.
    pub partition_index: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The offset behind the last record that consumers may see.
    pub high_watermark: i64,
    /// The offset below which every transaction is decided.
    #[codec(default = -1)]
    pub last_stable_offset: i64,
    /// The log's first offset; -1 if unknown.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Where the logs part, if the follower's last epoch does not fit.
    #[codec(versions = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    /// Who leads now, with `NOT_LEADER_OR_FOLLOWER` and `FENCED_LEADER_EPOCH`.
    #[codec(versions = "12+", tag = 1)]
    pub current_leader: LeaderIdAndEpoch,
    /// The snapshot to fetch first.
    #[codec(versions = "12+", tag = 2)]
    pub snapshot_id: SnapshotId,
    /// The aborted transactions among the records; null when reading uncommitted.
    #[codec(nullable = "0+")]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to read from instead; -1 to stay.
    #[codec(versions = "11+", default = -1)]
    pub preferred_read_replica: i32,
    /// Record batches, one behind the other, as they are in the log.
    #[codec(nullable = "0+", default = null)]
    pub records: Option<Cow<'a, [u8]>>,
}

/// Where the follower's log parts from the leader's.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct EpochEndOffset {
    /// The last epoch that both have.
    #[codec(default = -1)]
    pub epoch: i32,
    /// That epoch's end offset at the leader.
    #[codec(default = -1)]
    pub end_offset: i64,
}

/// Who leads, as far as the answering broker knows.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct LeaderIdAndEpoch {
    /// The leader's broker id; -1 if unknown.
    #[codec(default = -1)]
    pub leader_id: i32,
    /// The leader's epoch; -1 if unknown.
    #[codec(default = -1)]
    pub leader_epoch: i32,
}

/// The snapshot to fetch instead of a log that starts later.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct SnapshotId {
    /// The offset behind the last record in the snapshot.
    #[codec(default = -1)]
    pub end_offset: i64,
    /// The epoch of that record.
    #[codec(default = -1)]
    pub epoch: i32,
}

/// A transaction whose records a read-committed consumer must drop.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct AbortedTransaction {
    /// The producer id.
    pub producer_id: i64,
    /// The transaction's first offset.
    pub first_offset: i64,
}

/// How to reach a broker that `current_leader` names.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// The broker's host.
    pub host: Cow<'a, str>,
    /// The broker's port.
    pub port: i32,
    /// The broker's rack; null if it has none.
    #[codec(nullable = "0+", default = null)]
    pub rack: Option<Cow<'a, str>>,
}

impl Request for FetchRequest<'_> {
    const KEY: ApiKey = ApiKey::Fetch;
    type Response<'b> = FetchResponse<'b>;
}

impl Response for FetchResponse<'_> {
    const KEY: ApiKey = ApiKey::Fetch;
}
