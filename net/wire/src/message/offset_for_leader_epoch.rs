//! OffsetForLeaderEpoch (key 23): where a leader's epoch ended; how consumers and followers find
//! the point at which their log and the leader's part.
//!
//! KIP-101 (v0), KIP-279 (v1), KIP-320 (current leader epoch, v2; consumers, v3), KIP-482
//! (flexible, v4).

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Which epochs of which partitions.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochRequest<'a> {
    /// The follower's broker id; -1 from a consumer, -2 from a debugging tool.
    #[codec(versions = "3+", default = -2, ignorable)]
    pub replica_id: i32,
    /// The topics.
    pub topics: Vec<OffsetForLeaderTopic<'a>>,
}

/// One topic asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetForLeaderTopic<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// One partition asked about.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetForLeaderPartition {
    /// The partition's index.
    pub partition: i32,
    /// The leader's epoch as the caller knows it; -1 if it does not.
    #[codec(default = -1)]
    pub current_leader_epoch: i32,
    /// The epoch whose end is wanted.
    pub leader_epoch: i32,
}

/// Where the epochs ended.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse<'a> {
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<OffsetForLeaderTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetForLeaderTopicResult<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<EpochEndOffset>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct EpochEndOffset {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// The partition's index.
    pub partition: i32,
    /// The largest epoch at or below the one asked for; -1 for none.
    #[codec(default = -1)]
    pub leader_epoch: i32,
    /// That epoch's end offset; -1 for none.
    #[codec(default = -1)]
    pub end_offset: i64,
}

impl Request for OffsetForLeaderEpochRequest<'_> {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    type Response<'b> = OffsetForLeaderEpochResponse<'b>;
}

impl Response for OffsetForLeaderEpochResponse<'_> {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
}
