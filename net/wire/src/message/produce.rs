//! Produce (key 0): append batches to partitions.
//!
//! KIP-98 (transactions, v3), KIP-110 (zstd, v7), KIP-467 (errors of single records, v8), KIP-482
//! (flexible, v9), KIP-951 (the new leader with the error, v10), KIP-890 (transactions v2,
//! v11-12), KIP-516 (topic ids, v13). Versions 0 to 2 are advertised but not served: see
//! `versions`. The broker's own path is `view::produce`; these structs serve clients and tests.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Batches for partitions, and how many replicas must have them before the answer.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "3-13", flexible = "9+")]
pub struct ProduceRequest<'a> {
    /// The transactional id; null outside of transactions.
    #[codec(nullable = "0+", default = null)]
    pub transactional_id: Option<Cow<'a, str>>,
    /// Who must have the records before the answer: 0 nobody (and no answer), 1 the leader, -1 all
    /// in-sync replicas.
    pub acks: i16,
    /// How long the broker may work on the request, in milliseconds.
    pub timeout_ms: i32,
    /// The topics.
    pub topic_data: Vec<TopicProduceData<'a>>,
}

/// One topic's batches.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct TopicProduceData<'a> {
    /// The topic's name.
    #[codec(versions = "0-12", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The partitions.
    pub partition_data: Vec<PartitionProduceData<'a>>,
}

/// One partition's batches.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct PartitionProduceData<'a> {
    /// The partition's index.
    pub index: i32,
    /// Record batches, one behind the other, as they are in the log.
    #[codec(nullable = "0+", default = null)]
    pub records: Option<Cow<'a, [u8]>>,
}

/// Where each batch went, or why it did not.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "3-13", flexible = "9+")]
pub struct ProduceResponse<'a> {
    /// The results, topic by topic.
    pub responses: Vec<TopicProduceResponse<'a>>,
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The brokers that `current_leader` names.
    #[codec(versions = "10+", tag = 0)]
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
}

/// One topic's results.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct TopicProduceResponse<'a> {
    /// The topic's name.
    #[codec(versions = "0-12", ignorable)]
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// The results, partition by partition.
    pub partition_responses: Vec<PartitionProduceResponse<'a>>,
}

/// One partition's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct PartitionProduceResponse<'a> {
    /// The partition's index.
    pub index: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The offset of the first record; -1 on an error.
    pub base_offset: i64,
    /// The time that the broker put on the batch, in milliseconds; -1 where batches keep the time
    /// of the producer.
    #[codec(default = -1)]
    pub log_append_time_ms: i64,
    /// The log's first offset; -1 if unknown.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// The records that made the batch fail.
    #[codec(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage<'a>>,
    /// What went wrong, for people; null where the code says it all.
    #[codec(versions = "8+", nullable = "0+", default = null, ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Who leads now, with `NOT_LEADER_OR_FOLLOWER` and `FENCED_LEADER_EPOCH`.
    #[codec(versions = "10+", tag = 0)]
    pub current_leader: LeaderIdAndEpoch,
}

/// One record that made its batch fail.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct BatchIndexAndErrorMessage<'a> {
    /// The record's index within its batch.
    pub batch_index: i32,
    /// What is wrong with it, for people.
    #[codec(nullable = "0+", default = null)]
    pub batch_index_error_message: Option<Cow<'a, str>>,
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

impl Request for ProduceRequest<'_> {
    const KEY: ApiKey = ApiKey::Produce;
    type Response<'b> = ProduceResponse<'b>;
}

impl Response for ProduceResponse<'_> {
    const KEY: ApiKey = ApiKey::Produce;
}
