//! ListOffsets (key 2): the offset of a time, or of the log's start or end.
//!
//! KIP-79 (one offset, v1), KIP-98 (isolation, v2), KIP-207 (offset not available yet, v5),
//! KIP-320 (leader epoch, v4), KIP-734 (offset of the largest timestamp, v7), KIP-405 (local
//! start, v8), KIP-1005 (last tiered offset, v9), KIP-1075 (timeout, v10), KIP-1023 (earliest
//! pending upload, v11).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// For which partitions which times.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-11", flexible = "6+")]
pub struct ListOffsetsRequest<'a> {
    /// The follower's broker id; -1 from a consumer.
    pub replica_id: i32,
    /// 0 reads everything up to the high watermark, 1 only what is decided and not aborted.
    #[codec(versions = "2+")]
    pub isolation_level: i8,
    /// The topics.
    pub topics: Vec<ListOffsetsTopic<'a>>,
    /// How long the broker may work on the request, in milliseconds.
    #[codec(versions = "10+", ignorable)]
    pub timeout_ms: i32,
}

/// One topic asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ListOffsetsTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// One partition asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ListOffsetsPartition {
    /// The partition's index.
    pub partition_index: i32,
    /// The leader's epoch as the caller knows it; -1 if it does not.
    #[codec(versions = "4+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// The time in milliseconds, or one of the special times: -1 end, -2 start, -3 largest
    /// timestamp, -4 local start, -5 last tiered, -6 earliest pending upload.
    pub timestamp: i64,
}

/// The offsets found.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "1-11", flexible = "6+")]
pub struct ListOffsetsResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    #[codec(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<ListOffsetsTopicResponse<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ListOffsetsTopicResponse<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct ListOffsetsPartitionResponse {
    /// The partition's index.
    pub partition_index: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The time of the record found; -1 for none or for a special time.
    #[codec(default = -1)]
    pub timestamp: i64,
    /// The offset found; -1 for none.
    #[codec(default = -1)]
    pub offset: i64,
    /// The epoch of the record found; -1 if unknown.
    #[codec(versions = "4+", default = -1)]
    pub leader_epoch: i32,
}

impl Request for ListOffsetsRequest<'_> {
    const KEY: ApiKey = ApiKey::ListOffsets;
    type Response<'b> = ListOffsetsResponse<'b>;
}

impl Response for ListOffsetsResponse<'_> {
    const KEY: ApiKey = ApiKey::ListOffsets;
}
