//! CreateTopics (key 19): make topics.
//!
//! KIP-4 (v0-1), KIP-464 (broker's defaults, v4), KIP-525 (the result's configuration, v5),
//! KIP-599 (throttling, v6), KIP-516 (topic id in the answer, v7).

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Topics to make.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-7", flexible = "5+")]
pub struct CreateTopicsRequest<'a> {
    /// The topics.
    pub topics: Vec<CreatableTopic<'a>>,
    /// How long to wait for the topics to exist, in milliseconds.
    #[codec(default = 60000)]
    pub timeout_ms: i32,
    /// Whether to check only and make nothing.
    pub validate_only: bool,
}

/// One topic to make.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct CreatableTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// How many partitions; -1 for the broker's default or the given assignments.
    pub num_partitions: i32,
    /// How many replicas of each; -1 for the broker's default or the given assignments.
    pub replication_factor: i16,
    /// Where the partitions shall live; empty to let the broker choose.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// The configuration.
    pub configs: Vec<CreatableTopicConfig<'a>>,
}

/// Where one partition shall live.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct CreatableReplicaAssignment {
    /// The partition's index.
    pub partition_index: i32,
    /// The brokers, the preferred leader first.
    pub broker_ids: Vec<i32>,
}

/// One configuration key of the new topic.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct CreatableTopicConfig<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; null for the default.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-7", flexible = "5+")]
pub struct CreateTopicsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<CreatableTopicResult<'a>>,
}

/// One topic's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct CreatableTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The topic's id.
    #[codec(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// What went wrong, for people; null where the code says it all.
    #[codec(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Why the configuration is not told, or `NONE`.
    #[codec(versions = "5+", tag = 0, ignorable)]
    pub topic_config_error_code: ErrorCode,
    /// How many partitions it has; -1 if the caller may not know.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub num_partitions: i32,
    /// How many replicas each has; -1 if the caller may not know.
    #[codec(versions = "5+", default = -1, ignorable)]
    pub replication_factor: i16,
    /// The configuration in force; null if the caller may not know.
    #[codec(versions = "5+", nullable = "0+", ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs<'a>>>,
}

/// One configuration key in force on the new topic.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct CreatableTopicConfigs<'a> {
    /// The key.
    pub name: Cow<'a, str>,
    /// The value; null for the default.
    #[codec(nullable = "0+")]
    pub value: Option<Cow<'a, str>>,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Where the value comes from (1 topic, 2 dynamic broker, 3 dynamic default, 4 static, 5 built-
    /// in default, 6 logger, 7 metrics, 8 group); -1 if unknown.
    #[codec(default = -1)]
    pub config_source: i8,
    /// Whether the value is secret and therefore null here.
    pub is_sensitive: bool,
}

impl Request for CreateTopicsRequest<'_> {
    const KEY: ApiKey = ApiKey::CreateTopics;
    type Response<'b> = CreateTopicsResponse<'b>;
}

impl Response for CreateTopicsResponse<'_> {
    const KEY: ApiKey = ApiKey::CreateTopics;
}
