//! DescribeTopicPartitions (key 75): partitions page by page, with eligible leaders (KIP-966).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which topics, how many partitions at most, and where to go on.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsRequest<'a> {
    /// The topics.
    pub topics: Vec<TopicRequest<'a>>,
    /// Partitions in one answer.
    #[codec(default = 2000)]
    pub response_partition_limit: i32,
    /// Where to go on; null to start.
    #[codec(nullable = "0+", default = null)]
    pub cursor: Option<Cursor<'a>>,
}

/// One topic asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct TopicRequest<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
}

/// The first partition of the next page.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct Cursor<'a> {
    /// The topic's name.
    pub topic_name: Cow<'a, str>,
    /// The partition's index.
    pub partition_index: i32,
}

/// One page of partitions.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
    /// Where to go on; null at the end.
    #[codec(nullable = "0+", default = null)]
    pub next_cursor: Option<Cursor<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeTopicPartitionsResponseTopic<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The topic's name; null where it is unknown.
    #[codec(nullable = "0+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    pub topic_id: Uuid,
    /// Whether the topic belongs to the broker itself.
    pub is_internal: bool,
    /// The partitions.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// What the caller may do, a bit for each operation; `i32::MIN` if not asked.
    #[codec(default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct DescribeTopicPartitionsResponsePartition {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The partition's index.
    pub partition_index: i32,
    /// The leader's broker id; -1 if unknown.
    pub leader_id: i32,
    /// The leader's epoch; -1 if unknown.
    #[codec(default = -1)]
    pub leader_epoch: i32,
    /// The brokers that hold a replica, the preferred leader first.
    pub replica_nodes: Vec<i32>,
    /// The replicas in sync.
    pub isr_nodes: Vec<i32>,
    /// Replicas out of sync that are known to hold all committed records.
    #[codec(nullable = "0+", default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last replicas that were eligible to lead.
    #[codec(nullable = "0+", default = null)]
    pub last_known_elr: Option<Vec<i32>>,
    /// The replicas that are not reachable.
    pub offline_replicas: Vec<i32>,
}

impl Request for DescribeTopicPartitionsRequest<'_> {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    type Response<'b> = DescribeTopicPartitionsResponse<'b>;
}

impl Response for DescribeTopicPartitionsResponse<'_> {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
}
