//! Metadata (key 3): brokers, topics, partitions and their leaders.
//!
//! KIP-4 (topics on demand, v1), KIP-78 (cluster id, v2), KIP-204 and KIP-219 (no auto-creation,
//! throttling, v4-6), KIP-112 (offline replicas, v5), KIP-320 (leader epoch, v7), KIP-430
//! (authorized operations, v8), KIP-482 (flexible, v9), KIP-516 (topic ids, v10-12), KIP-700
//! (cluster operations moved to DescribeCluster, v11), KIP-1102 (top-level error, v13).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which topics to describe, and whether missing ones should be made.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-13", flexible = "9+")]
pub struct MetadataRequest<'a> {
    /// The topics; null for all (version 0: empty for all).
    #[codec(nullable = "1+")]
    pub topics: Option<Vec<MetadataRequestTopic<'a>>>,
    /// Whether a missing topic may be made, if the broker is configured so.
    #[codec(versions = "4+", default = true)]
    pub allow_auto_topic_creation: bool,
    /// Whether to tell what the caller may do with the cluster.
    #[codec(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    /// Whether to tell what the caller may do with each topic.
    #[codec(versions = "8+")]
    pub include_topic_authorized_operations: bool,
}

/// One topic, by name or by id.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MetadataRequestTopic<'a> {
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// The topic's name; null when asked by id.
    #[codec(nullable = "10+")]
    pub name: Option<Cow<'a, str>>,
}

/// The cluster as this broker sees it.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-13", flexible = "9+")]
pub struct MetadataResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// The brokers.
    pub brokers: Vec<MetadataResponseBroker<'a>>,
    /// The cluster's id; null if unknown.
    #[codec(versions = "2+", nullable = "0+", default = null, ignorable)]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The broker to send administration to; -1 if there is none.
    #[codec(versions = "1+", default = -1, ignorable)]
    pub controller_id: i32,
    /// The topics.
    pub topics: Vec<MetadataResponseTopic<'a>>,
    /// What the caller may do, a bit for each operation; `i32::MIN` if not asked.
    #[codec(versions = "8-10", default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    /// The error, or `NONE`.
    #[codec(versions = "13+", ignorable)]
    pub error_code: ErrorCode,
}

/// One live broker.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MetadataResponseBroker<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// The broker's host.
    pub host: Cow<'a, str>,
    /// The broker's port.
    pub port: i32,
    /// The broker's rack; null if it has none.
    #[codec(versions = "1+", nullable = "0+", default = null, ignorable)]
    pub rack: Option<Cow<'a, str>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MetadataResponseTopic<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The topic's name; null where the id asked for is unknown.
    #[codec(nullable = "12+")]
    pub name: Option<Cow<'a, str>>,
    /// The topic's id.
    #[codec(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Whether the topic belongs to the broker itself.
    #[codec(versions = "1+", ignorable)]
    pub is_internal: bool,
    /// The partitions.
    pub partitions: Vec<MetadataResponsePartition>,
    /// What the caller may do, a bit for each operation; `i32::MIN` if not asked.
    #[codec(versions = "8+", default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct MetadataResponsePartition {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The partition's index.
    pub partition_index: i32,
    /// The leader's broker id; -1 if unknown.
    pub leader_id: i32,
    /// The leader's epoch; -1 if unknown.
    #[codec(versions = "7+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// The brokers that hold a replica, the preferred leader first.
    pub replica_nodes: Vec<i32>,
    /// The replicas in sync.
    pub isr_nodes: Vec<i32>,
    /// The replicas that are not reachable.
    #[codec(versions = "5+", ignorable)]
    pub offline_replicas: Vec<i32>,
}

impl Request for MetadataRequest<'_> {
    const KEY: ApiKey = ApiKey::Metadata;
    type Response<'b> = MetadataResponse<'b>;
}

impl Response for MetadataResponse<'_> {
    const KEY: ApiKey = ApiKey::Metadata;
}
