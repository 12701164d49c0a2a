//! OffsetDelete (key 47): remove a group's positions (KIP-496). Never flexible.

use std::borrow::Cow;

use engine_codec::Codec;

use crate::message::{Request, Response};
use crate::{ApiKey, ErrorCode};

/// Positions of a group to remove.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
pub struct OffsetDeleteRequest<'a> {
    /// The group's id.
    pub group_id: Cow<'a, str>,
    /// The topics.
    pub topics: Vec<OffsetDeleteRequestTopic<'a>>,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetDeleteRequestTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetDeleteRequestPartition {
    /// The partition's index.
    pub partition_index: i32,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "none")]
pub struct OffsetDeleteResponse<'a> {
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
    /// How long the client should wait, in milliseconds, because a quota was exceeded; 0 for none.
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<OffsetDeleteResponseTopic<'a>>,
}

/// One topic's results.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetDeleteResponseTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// The partitions.
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// One partition's result.
#[derive(Clone, Debug, PartialEq, Codec)]
pub struct OffsetDeleteResponsePartition {
    /// The partition's index.
    pub partition_index: i32,
    /// The error, or `NONE`.
    pub error_code: ErrorCode,
}

impl Request for OffsetDeleteRequest<'_> {
    const KEY: ApiKey = ApiKey::OffsetDelete;
    type Response<'b> = OffsetDeleteResponse<'b>;
}

impl Response for OffsetDeleteResponse<'_> {
    const KEY: ApiKey = ApiKey::OffsetDelete;
}
